"""Speed of training on evidence: five networks in one program, and in PyTorch in turn.

    python tests/benchmarks/evidence.py                           # JAX, one core
    KERAS_BACKEND=tensorflow python tests/benchmarks/evidence.py  # TensorFlow
    python tests/benchmarks/evidence.py --networks leaky_rnn --threads 2
    python tests/benchmarks/evidence.py --quick                   # does it run?

The work is a batch of one of the five networks that the paper trains for each setting
(Vafidis, Bhargava and Rangel, ICLR 2025): 16 new trials of 22 steps, two dimensions, 24
tasks, noise 0.2, Adam with learning rate 1e-3, 64 units. The recurrent network, the
LSTM and the transformer are measured one after another.

- ours, five: five seeds as a population, trials drawn in the program, by `fit`.
- ours, one: one network by the same `fit`.
- PyTorch, one: the authors' way in a process of its own (`pip install torch==2.13.0`;
  without it the row is left out). A plain loop trains one network: `nn.Linear` for
  inputs and states in a loop over the steps, or `nn.LSTM`, or a block of GPT-2 with
  dropout 0.1; `torch.optim.Adam`. Trials are drawn by vectorised NumPy, which is kinder
  than the authors' environment, which makes one trial after another.

Five networks in turn have the speed of one, in batches of a network per second. All
processes have the same number of threads, one by default. Rows take turns: after an
untimed round that compiles, each of `--rounds` rounds times every row for `--steps`
batches of a network, every other round in reverse order. Figures are medians over
rounds; ratios are medians of the ratios within each round, of wall time and of
processor time, with the smallest and the largest. The target is where the project wants
to be; nothing fails when it is missed.

The last line of the output is JSON with all figures, those of single rounds included.
"""

import argparse
import json
import math
import os
import sys

import numpy as np
import train

NETWORKS = ("leaky_rnn", "lstm", "causal_transformer")
UNITS = 64
SIZES = (100, 100, 40)
MEMBERS = 5
BATCH_SIZE = 16
NUM_TASKS = 24
NUM_STEPS = 20
SIGMA = 0.2
HEADS = 8
DROPOUT = 0.1
LEARNING_RATE = 1e-3
TARGET = 5.0
POPULATION, SINGLE, TORCH = "ours, five", "ours, one", "PyTorch, one"
RATIOS = [
    ("five / PyTorch", POPULATION, TORCH, TARGET),
    ("one / PyTorch", SINGLE, TORCH, None),
    ("five / one", POPULATION, SINGLE, None),
]


def main():
    args = parse_arguments()
    train.use_cores(args.threads)
    if args.torch_worker:
        torch_worker(args.torch_worker)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    from dmt.utils import processor

    processor.configure()  # Before Keras is imported.
    machine = train.describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    report = {"machine": machine, "batches_per_round": args.steps, "networks": {}}
    for network in args.networks:
        report["networks"][network] = measure(network, args)
    for network, figures in report["networks"].items():
        print(f"\n{network}, batches of a network per second", end="")
        train.print_table(figures["rows"], figures["ratios"])
    if not train.has_torch():
        print("PyTorch is not installed; for its rows, pip install torch==2.13.0\n")
    print(json.dumps(report))


def parse_arguments():
    parser = train.make_parser(__doc__)
    parser.add_argument(
        "--networks", type=lambda names: names.split(","), default=NETWORKS
    )
    parser.add_argument("--steps", type=int, default=2000, help="in a round")
    parser.add_argument(
        "--at_once", type=int, default=100, help="updates of a call of the program"
    )
    parser.add_argument("--torch_worker", help=argparse.SUPPRESS)
    parser.set_defaults(threads=1)
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.steps, args.at_once = 2, 20, 2
    if min(args.rounds, args.steps, args.threads, args.at_once) < 1:
        parser.error("--rounds, --steps, --threads and --at_once must be positive")
    # All rows make as many batches.
    unit = MEMBERS * args.at_once
    args.steps = -(-args.steps // unit) * unit
    return args


def measure(network, args):
    """Rows and ratios of a network."""
    print(f"\n{network}", flush=True)
    models = {
        POPULATION: make_model(network, MEMBERS, args.at_once),
        SINGLE: make_model(network, 1, args.at_once),
    }
    variants = {name: timed_fit(*model) for name, model in models.items()}
    torch = None
    if train.has_torch():
        torch = train.Worker(__file__, [f"--torch_worker={network}"], args)
        check_parameters(models[SINGLE][0], torch.receive()["parameters"])
        variants[TORCH] = torch.ask
    rows = train.run_rounds(variants, args.rounds, args.steps)
    if torch:
        torch.stop()
    for row in rows.values():
        row["cpu_rates"] = [1e3 / cpu for cpu in row["cpu_ms_rounds"]]
    ratios = train.ratios_of_rounds(rows, RATIOS)
    cpu_rows = {name: {"rounds": row["cpu_rates"]} for name, row in rows.items()}
    for name, ratio in train.ratios_of_rounds(cpu_rows, RATIOS).items():
        ratios[f"{name}, processor time"] = ratio
    return {"rows": rows, "ratios": ratios}


def make_model(network, members, at_once):
    """A compiled model of some members, and their number."""
    import gin

    from dmt.data.evidence.trials import EvidenceTrials
    from dmt.methods import train as training  # noqa: F401 (registers the models)
    from dmt.methods.evidence.accumulation import EvidenceAccumulation
    from dmt.methods.evidence.encoder import RandomEncoder
    from dmt.methods.population import population
    from dmt.methods.shared.training import on_device

    trials = EvidenceTrials(num_tasks=NUM_TASKS, sigma=SIGMA, num_steps=NUM_STEPS)
    singles = []
    for seed in range(members):
        network_fn = gin.get_configurable(network)
        model = EvidenceAccumulation(trials, network_fn, RandomEncoder)
        model.initialize(trials, seed)
        singles.append(model)
    optimizers = [model.make_optimizer() for model in singles]
    if members == 1:
        (model,), (optimizer,) = singles, optimizers
        data, seeds = trials, 0
    else:
        model = population.Population(singles)
        optimizer = population.make_optimizer(optimizers)
        data, seeds = [trials] * members, list(range(members))
    model.compile(optimizer=optimizer, steps_per_execution=at_once)
    model.optimizer.build(model.trainable_variables)
    model.resident = on_device(data, seeds, BATCH_SIZE)
    return model, members


def check_parameters(model, parameters):
    """Makes sure that both sides train a network of the same size."""
    ours = sum(math.prod(v.shape) for v in model.trainable_variables)
    if ours != parameters:
        raise ValueError(
            "The networks of PyTorch and Keras must have the same parameters. "
            f"Received: {parameters} and {ours}"
        )


def timed_fit(model, members):
    """A function that times `fit` on new batches, as `train.Ours.fit` does."""
    import keras

    from dmt.data import pipeline

    made = 0

    def run(steps):
        nonlocal made
        warm_up = model.steps_per_execution
        stop = warm_up + steps // members
        readings = {}

        def read(batch, logs):
            # Keras has waited for the values of the logs, so the step is done.
            readings[batch + 1] = train.clocks()

        callback = keras.callbacks.LambdaCallback(
            on_train_batch_end=read, async_safe=True
        )
        model.fit(
            pipeline.step_numbers(made, made + stop),
            steps_per_epoch=stop,
            callbacks=[callback],
            shuffle=False,
            verbose=0,
        )
        made += stop
        return readings[warm_up], readings[stop]

    return run


class HostTrials:
    """Batches of trials by NumPy."""

    def __init__(self):
        self._random_state = np.random.default_rng(0)
        angles = (np.arange(NUM_TASKS) + 0.5) * np.pi / NUM_TASKS
        self._slopes = np.tan(angles)

    def batch(self):
        """Fixation (batch, steps, 1), stimuli (batch, steps, 2) and targets."""
        draws, length = self._random_state, NUM_STEPS + 2
        points = draws.uniform(-0.5, 0.5, (BATCH_SIZE, 2))
        noise = SIGMA * draws.standard_normal((BATCH_SIZE, NUM_STEPS, 2))
        stimuli = np.zeros((BATCH_SIZE, length, 2), "float32")
        stimuli[:, 1:-1] = points[:, None] + noise
        fixation = np.ones((BATCH_SIZE, length, 1), "float32")
        fixation[:, -1] = 0
        targets = np.full((BATCH_SIZE, length, NUM_TASKS), 0.5, "float32")
        targets[:, -1] = points[:, 1:] > self._slopes * points[:, :1]
        return fixation, stimuli, targets


def torch_network(kind):
    """A PyTorch module from features (batch, steps, 41) to states."""
    import torch
    from torch import nn
    from torch.nn import functional

    features = 1 + SIZES[-1]

    class LeakyRNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.inputs = nn.Linear(features, UNITS)
            self.recurrent = nn.Linear(UNITS, UNITS)
            self.alpha = 1.0

        def forward(self, x):
            state, states = torch.zeros(len(x), UNITS), []
            for t in range(x.shape[1]):
                new = torch.relu(self.inputs(x[:, t]) + self.recurrent(state))
                state = (1 - self.alpha) * state + self.alpha * new
                states.append(state)
            return torch.stack(states, dim=1)

    class LSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(features, UNITS, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Linear(features, UNITS)
            self.norms = nn.ModuleList(nn.LayerNorm(UNITS) for _ in range(3))
            self.queries_keys_values = nn.Linear(UNITS, 3 * UNITS)
            self.attention_output = nn.Linear(UNITS, UNITS)
            self.hidden = nn.Linear(UNITS, 4 * UNITS)
            self.perceptron_output = nn.Linear(4 * UNITS, UNITS)
            self.drop = nn.Dropout(DROPOUT)

        def forward(self, x):
            x = self.drop(self.embedding(x))
            shape = (*x.shape[:2], HEADS, UNITS // HEADS)
            parts = self.queries_keys_values(self.norms[0](x)).split(UNITS, dim=-1)
            attended = functional.scaled_dot_product_attention(
                *(part.view(shape).transpose(1, 2) for part in parts),
                dropout_p=DROPOUT if self.training else 0.0,
                is_causal=True,
            )
            attended = attended.transpose(1, 2).reshape(x.shape)
            x = x + self.drop(self.attention_output(attended))
            hidden = functional.gelu(self.hidden(self.norms[1](x)), approximate="tanh")
            x = x + self.drop(self.perceptron_output(hidden))
            return self.norms[2](x)

    makers = {"leaky_rnn": LeakyRNN, "lstm": LSTM, "causal_transformer": Transformer}
    return makers[kind]()


def torch_worker(kind):
    """Answers each line, a number of batches, by readings of the clocks."""
    import torch
    from torch import nn

    torch.set_num_threads(train.num_cores())
    torch.manual_seed(0)
    widths = (2, *SIZES)
    parts = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    encoder = nn.Sequential(*parts[:-1]).requires_grad_(False)
    network, head = torch_network(kind), nn.Linear(UNITS, NUM_TASKS)
    trained = nn.ModuleList([network, head])
    optimizer = torch.optim.Adam(trained.parameters(), lr=LEARNING_RATE)
    loss_fn = nn.BCEWithLogitsLoss()
    trials = HostTrials()

    def step():
        fixation, stimuli, targets = map(torch.from_numpy, trials.batch())
        features = torch.cat([fixation, encoder(stimuli)], dim=-1)
        loss = loss_fn(head(network(features)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    parameters = sum(parameter.numel() for parameter in trained.parameters())
    print(json.dumps({"parameters": parameters}), flush=True)
    for line in sys.stdin:
        readings = []
        for count in (train.WARM_UP, int(line)):
            for _ in range(count):
                loss = step()
            loss.item()
            readings.append(train.clocks())
        print(json.dumps(readings), flush=True)


if __name__ == "__main__":
    main()
