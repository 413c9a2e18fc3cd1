"""K models of one architecture as one compiled program.

Members differ in seeds, learning rates and their `hyperparameters`. Their variables are
stacked along a new first axis. The loss is the sum of the members' losses, so that each
member gets its own gradient and nothing else. The optimisers work element by element. A
member of a population is, up to rounding, the model that would have been trained alone.
"""

import contextlib
import dataclasses
import functools
import inspect
from typing import Any

import gin
import keras
import numpy as np
from keras import ops

from dmt.methods.shared import layers, optimizers
from dmt.methods.shared.training import StepAddressedTraining, TrainableModel
from dmt.utils import checks

FORMS = ("stacked", "unrolled")
LEARNING_RATES = "learning_rates"


@gin.configurable("population")
@dataclasses.dataclass(frozen=True)
class PopulationSettings:
    """How the members of a population are computed.

    Attributes:
        form: "stacked", every operation is done for all members at once by
            `keras.ops.vectorized_map`; or "unrolled", one member after another in one
            program; None for the faster one on this backend and device.
        share_batches: whether all members see the same batches.
        convolutions: how the stacked form computes convolutions, see
            `layers.convolutions_as`; None for the faster form on this backend and
            device.

    Raises:
        ValueError: if a setting is unknown.
    """

    form: str | None = None
    share_batches: bool = False
    convolutions: str | None = None

    def __post_init__(self):
        checks.one_of("population.form", self.form, (None, *FORMS))
        checks.boolean("population.share_batches", self.share_batches)
        kinds = (None, *layers.CONVOLUTIONS)
        checks.one_of("population.convolutions", self.convolutions, kinds)


class Population(StepAddressedTraining, keras.Model):
    """A `keras.Model` of K initialised models, for `fit` with ordinary callbacks.

    Inputs have the members on their first axis: (K, batch, ...), or (batch, ...) if all
    members see the same batches. Logs hold the mean over members under the members' own
    names, and under "<name>.members" arrays (K,).

    Args:
        members: list of initialised `TrainableModel` of one class and architecture.
        **settings: see `PopulationSettings`.

    Raises:
        ValueError: if the members differ in class, architecture, or in numbers that are
            not hyperparameters.
    """

    def __init__(self, members: list[TrainableModel], **settings: Any) -> None:
        super().__init__()
        chosen = PopulationSettings(**settings)
        _check_alike(members)
        self.num_members = len(members)
        self.form = chosen.form or _fastest_form(members[0])
        self.share_batches = chosen.share_batches
        self.convolutions = chosen.convolutions or layers.population_convolutions()
        self.result_keys = ("loss", *members[0].result_keys)
        template = _Template(members)
        # Without setattr, by which Keras would track the variables of the members.
        self.__dict__.update(_template=template, _members=list(members))
        self._stacked = {
            kind: [
                _stacked_variable(kind, values)
                for values in zip(*(template.of(m, kind) for m in members), strict=True)
            ]
            for kind in ("weights", "state", "numbers")
        }
        self.means = _MemberMeans(self.result_keys, self.num_members)
        self.built = True

    def has_convolutions(self):
        """Whether there are convolutions among the layers of a member."""
        return layers.has_convolutions(self._members[0])

    def call(self, inputs):
        """The inputs; the members are called in `compute_loss`."""
        return inputs

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Sum of the losses of the members; records them and their parts."""
        del y_pred
        template = self._template
        stacked = {
            kind: [variable.value for variable in variables]
            for kind, variables in self._stacked.items()
        }
        parts = {"x": x, "y": y, "sample_weight": sample_weight}
        batch = {name: part for name, part in parts.items() if part is not None}

        def of_member(member):
            return template.loss(member["values"], member.get("batch", batch), training)

        own = {} if self.share_batches else {"batch": batch}
        losses, state, parts = self._map(of_member, {"values": stacked, **own})
        for variable, value in zip(self._stacked["state"], state, strict=True):
            variable.assign(value)
        batch_size = ops.shape(keras.tree.flatten(x)[0])[0 if self.share_batches else 1]
        self.means.update_state({"loss": losses, **parts}, batch_size)
        return ops.sum(losses)

    def _map(self, function, mapped):
        if self.form == "stacked":
            with layers.convolutions_as(self.convolutions):
                return ops.vectorized_map(function, mapped)
        results = [
            function(keras.tree.map_structure(lambda leaf, k=k: leaf[k], mapped))
            for k in range(self.num_members)
        ]
        return keras.tree.map_structure(lambda *leaves: ops.stack(leaves), *results)

    def read_optimizers(self) -> None:
        """Takes over the state of the members' optimisers.

        The population and its members must be compiled, and their optimisers built.
        """
        columns = zip(*(_slots(m.optimizer) for m in self._members), strict=True)
        for stacked, values in zip(_slots(self.optimizer), columns, strict=True):
            is_shared = stacked.shape == values[0].shape
            stacked.assign(values[0] if is_shared else _stack(values))

    def read_means(self) -> None:
        """Takes over the running means of the members."""
        metrics = [{m.name: m for m in member.metrics} for member in self._members]
        self.means.count.assign(metrics[0]["loss"].count)
        for name, sums in self.means.sums.items():
            # A model of pairs counts two images where its loss counts one pair.
            scale = self.means.count / metrics[0][name].count
            sums.assign(scale * _stack([own[name].total for own in metrics]))

    def member(self, k: int) -> TrainableModel:
        """Member k as an ordinary model, with its present weights and all state.

        The model is the one that was given to the constructor.
        """
        member = self._members[k]
        pairs: list[tuple[Any, Any]] = []
        for kind in ("weights", "state"):
            own = self._template.of(member, kind)
            pairs += zip(own, self._stacked[kind], strict=True)
        # A member that was not compiled has no optimiser.
        if getattr(member, "optimizer", None) is not None:
            both = member.optimizer, self.optimizer
            pairs += zip(*map(_slots, both), strict=True)
            parts = map(optimizers.parts_of, both)
            for optimizer, stacked in zip(*parts, strict=True):
                if stacked.learning_rates is not None:
                    optimizer.learning_rate = stacked.learning_rates.value[k]
        for metric in member.metrics:
            if metric.name in self.means.sums:
                sums = self.means.sums[metric.name]
                pairs += [(metric.total, sums), (metric.count, self.means.count)]
        for variable, stacked in pairs:
            is_shared = stacked.shape == variable.shape
            variable.assign(stacked.value if is_shared else stacked.value[k])
        return member


def _fastest_form(model):
    # Convolutions with a kernel for each member are a loop on TensorFlow's CPU backend.
    loops = layers.population_convolutions() == "native"
    return "unrolled" if loops and layers.has_convolutions(model) else "stacked"


def _stacked_variable(kind, values):
    """The variables of all members, or their numbers, as one variable."""
    first = values[0]
    is_variable = isinstance(first, keras.Variable)
    path = first.path.split("/") if is_variable else [kind]
    with contextlib.ExitStack() as scopes:
        # Optimisers are chosen by path.
        for scope in path[:-1]:
            scopes.enter_context(keras.name_scope(scope))
        return keras.Variable(
            _stack(values),
            dtype=first.dtype if is_variable else "float32",
            trainable=kind == "weights",
            name=path[-1],
        )


def _stack(values):
    return np.stack([ops.convert_to_numpy(value) for value in values])


def _slots(optimizer):
    """Variables of an optimiser except learning rates."""
    rates = ("learning_rate", LEARNING_RATES)
    return [v for v in optimizer.variables if v.name not in rates]


class _Template:
    """The first member, run with the variables of every member in turn."""

    def __init__(self, members):
        self.model = members[0]
        # Numbers that are equal stay Python numbers, which code may branch on.
        self.hyperparameters = tuple(
            name
            for name in self.model.hyperparameters
            if len({float(getattr(member, name)) for member in members}) > 1
        )

    def of(self, model, kind):
        """Variables of a member, or the hyperparameters that members differ in."""
        if kind == "weights":
            return model.trainable_variables
        if kind == "state":
            return model.non_trainable_variables
        return [getattr(model, name) for name in self.hyperparameters]

    def loss(self, values, batch, training):
        """Loss of a member, its state afterwards, the parts of the loss.

        Args:
            values: {kind: list of tensors} of the member.
            batch: {"x": inputs}, and "y" and "sample_weight" if there are any.
            training: whether this is an update.
        """
        model, parts = self.model, {}
        kinds = ("weights", "state")
        variables = [v for kind in kinds for v in self.of(model, kind)]
        tensors = [value for kind in kinds for value in values[kind]]
        numbers = dict(zip(self.hyperparameters, values["numbers"], strict=True))
        with (
            _instead(model, {**numbers, "record": _recorder(model, parts)}),
            self._naming_numbers(),
            keras.StatelessScope(zip(variables, tensors, strict=True)) as scope,
        ):
            outputs = model(batch["x"], training=training)
            loss = model.compute_loss(**batch, y_pred=outputs, training=training)
            state = [scope.get_current_value(v) for v in self.of(model, "state")]
        return loss, state, parts

    @contextlib.contextmanager
    def _naming_numbers(self):
        try:
            yield
        except (TypeError, ValueError, NotImplementedError) as error:
            if not self.hyperparameters:
                raise
            text = " ".join(str(error).split())
            raise ValueError(
                f"{type(self.model).__name__} cannot be trained in a population whose "
                f"members differ in {', '.join(self.hyperparameters)}: its loss seems "
                "to use one of them as a Python number where a tensor is needed. Use "
                "keras.ops, or name the argument in the model's `structure`, so that "
                f"such runs are trained apart. {text}"
            ) from error


def _recorder(model, parts):
    def record(batch_size, **values):
        del batch_size
        for name in values.keys() & set(model.result_keys):
            parts[name] = ops.cast(values[name], "float32")

    return record


@contextlib.contextmanager
def _instead(model, attributes):
    """Context in which attributes of a model are replaced."""
    own = vars(model)
    before = {name: own[name] for name in attributes if name in own}
    # Without setattr, by which Keras would track the values.
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del own[name]
        own.update(before)


class _MemberMeans(keras.metrics.Metric):
    """Running means of several values of every member, over examples."""

    def __init__(self, names, num_members):
        super().__init__(name="members")
        self.names = names
        self.sums = {
            name: self.add_variable((num_members,), "zeros", name=name)
            for name in names
        }
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values, batch_size):
        size = ops.cast(batch_size, "float32")
        for name, value in values.items():
            self.sums[name].assign_add(ops.cast(value, "float32") * size)
        self.count.assign_add(size)

    def result(self):
        """Means over members as {name: scalar}, and {"<name>.members": (K,)}."""
        means = {name: self.sums[name] / self.count for name in self.names}
        return {name: ops.mean(mean) for name, mean in means.items()} | {
            f"{name}.members": mean for name, mean in means.items()
        }


def make_optimizer(members):
    """One optimiser of stacked variables that does what K optimisers would do.

    Args:
        members: optimisers of the members, equal except for their learning rates; also
            `keras.optimizers.MultiOptimizer` of such optimisers.

    Returns:
        An optimiser of the same class; the variable `learning_rates` (K,) of each
        single optimiser holds the learning rates of the members.

    Raises:
        ValueError: if optimisers differ in other numbers, or have a feature that mixes
            members.
    """
    first = members[0]
    if isinstance(first, keras.optimizers.MultiOptimizer):
        maps = [optimizer._optimizer_map for optimizer in members]
        return keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(
                make_optimizer([m.default_optimizer for m in maps]),
                {key: make_optimizer([m[key] for m in maps]) for key in maps[0]},
            )
        )
    configs = [optimizer.get_config() for optimizer in members]
    for config in configs:
        config.pop("learning_rate")
        config["name"] = configs[0]["name"]  # Keras numbers them.
    if any(config != configs[0] for config in configs):
        raise ValueError(
            "The optimisers of a population may differ in learning rates only. "
            f"Received: {configs}"
        )
    for name in ("global_clipnorm", "clipnorm"):
        if configs[0].get(name):
            raise ValueError(f"An optimiser with {name} would mix the members.")
    rates = [optimizer._learning_rate for optimizer in members]

    class PopulationOptimizer(type(first)):
        learning_rates = None

        def _get_current_learning_rate(self):
            if self.learning_rates is not None:
                return self.learning_rates
            return ops.stack([rate(self._iterations) for rate in rates])

        def update_step(self, gradient, variable, learning_rate):
            ones = (1,) * (len(variable.shape) - 1)
            rate = ops.reshape(ops.convert_to_tensor(learning_rate), (-1, *ones))
            super().update_step(gradient, variable, rate)

    optimizer = PopulationOptimizer(**configs[0], learning_rate=0.0)
    if not any(callable(rate) for rate in rates):
        optimizer.learning_rates = keras.Variable(
            [float(ops.convert_to_numpy(rate)) for rate in rates],
            trainable=False,
            name=LEARNING_RATES,
        )
    return optimizer


def architecture(model: TrainableModel) -> tuple:
    """What the members of a population must have in common, in comparable form.

    Args:
        model: an initialised `TrainableModel`.
    """
    others = {*_attributes_of_keras(), *model.hyperparameters, *model.choices}
    fixed = {
        name: _comparable(value)
        for name, value in vars(model).items()
        if name not in others
    }
    parts = [
        (type(layer).__name__, _without_names(layer.get_config()), _numbers(layer))
        for layer in model._flatten_layers(include_self=False)
        if not isinstance(layer, (keras.Model, keras.metrics.Metric))
    ]
    shapes = [v.shape for v in model.variables]
    return type(model).__name__, (shapes, parts), fixed


def _without_names(config):
    """The configuration of a layer without its name and those of layers inside it."""
    if isinstance(config, dict):
        items = config.items()
        return {key: _without_names(value) for key, value in items if key != "name"}
    if isinstance(config, (list, tuple)):
        return [_without_names(value) for value in config]
    return config


@functools.cache
def _attributes_of_keras():
    """Names of the attributes that every `keras.Model` has."""
    model = keras.Model()
    model.compile()
    return frozenset(vars(model))


def _numbers(layer):
    """Numbers that a layer keeps, which its configuration may lack."""
    return {
        name: value
        for name, value in vars(layer).items()
        if not name.startswith("_") and checks.is_number(value)
    }


def _comparable(value):
    """A value in a form that can be compared by ==; None for other objects."""
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_comparable(item) for item in value]
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, (np.ndarray, np.generic)) or ops.is_tensor(value):
        return ops.convert_to_numpy(value).tolist()
    if isinstance(value, functools.partial):
        return _comparable([value.func, value.args, value.keywords])
    if inspect.isfunction(value):
        # Such as a lambda that holds a constructor's argument.
        held = inspect.getclosurevars(value).nonlocals
        return {name: x for name, x in held.items() if checks.is_number(x)}
    return None


def unequal(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Sorted keys whose values differ, or that only one dictionary has."""
    keys = first.keys() | second.keys()
    return sorted(key for key in keys if first.get(key) != second.get(key))


def _check_alike(members):
    first, *others = map(architecture, members)
    if any(other[:2] != first[:2] for other in others):
        raise ValueError(
            "The members of a population must be models of one class and architecture. "
            f"Received: {[type(member).__name__ for member in members]}"
        )
    for _, _, fixed in others:
        different = unequal(first[2], fixed)
        if different:
            raise ValueError(
                "The members of a population may differ in "
                f"{members[0].hyperparameters}, seeds and learning rates only. "
                f"Received: other values of {different}"
            )
