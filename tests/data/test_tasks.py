"""Tasks: targets against a reference in double precision, label tables, splits."""

import json
import os

import gin
import numpy as np
import pytest

from dmt.data import pipeline, tasks
from dmt.data.ground_truth import dsprites_rendered, dummy_data, table_data
from dmt.data.ground_truth.ground_truth_data import GroundTruthData

SPRITES = dsprites_rendered.dsprites_rendered_small()
FACTORS = SPRITES.factors_at(np.arange(SPRITES.size))
SMALL = {"num_tasks": 3, "depth": 2, "width": 7}


# Targets are kept in an empty folder.
pytestmark = pytest.mark.usefixtures("root")


class Grid(GroundTruthData):
    """Every combination of the values of factors, without images."""

    factors_num_values = None

    def __init__(self, sizes):
        self.factors_num_values = sizes
        self.size = int(np.prod(sizes))

    def factors_at(self, indices):
        return np.stack(np.unravel_index(indices, self.factors_num_values), axis=1)


def scaled(factors, sizes, scaling):
    columns = []
    for values, size in zip(np.asarray(factors, dtype=float).T, sizes, strict=True):
        if scaling == "index":
            columns.append(values)
        elif size == 1:
            columns.append(0 * values)
        else:
            share = values / (size - 1)
            columns.append(share if scaling == "unit" else 2 * share - 1)
    return np.stack(columns, axis=1)


def reference(random_tasks, dataset, scaling, num_tasks):
    """Targets in double precision, each network a sum over its units."""
    factors = dataset.factors_at(np.arange(dataset.size))
    inputs = scaled(factors, dataset.factors_num_values, scaling)
    targets = []
    for task in range(num_tasks):
        *hidden, (kernel, bias) = random_tasks.weights(task, inputs.shape[1])
        x = inputs
        for hidden_kernel, hidden_bias in hidden:
            x = np.tanh(np.einsum("ni,io->no", x, hidden_kernel) + hidden_bias)
        targets.append(x @ kernel[:, 0] + bias[0])
    return np.stack(targets, axis=1)


@pytest.mark.parametrize("scaling", tasks.SCALINGS)
@pytest.mark.parametrize("subset", tasks.SUBSETS)
@pytest.mark.parametrize(("depth", "width"), [(1, 5), (4, 20)])
def test_targets_are_those_of_a_reference(scaling, subset, depth, width):
    random_tasks = tasks.RandomTasks(
        3, depth, width, 0.7, 5, factor_scaling=scaling, factor_subset=subset
    )
    # One factor of a single value; more rows than are computed at once.
    dataset = Grid([3, 1, 13, 2, 70])
    assert dataset.size > tasks._BLOCK
    targets = random_tasks.targets(dataset)
    assert targets.shape == (dataset.size, 3) and targets.dtype == np.float32
    expected = reference(random_tasks, dataset, scaling, 3)
    # The first layers of wide inputs turn, so errors grow with their size.
    atol = 2e-5 * np.abs(expected).max() * (20 if scaling == "index" else 1)
    np.testing.assert_allclose(targets, expected, rtol=0, atol=atol)


def test_targets_of_the_papers_networks():
    random_tasks = tasks.RandomTasks(num_tasks=2)
    dataset = Grid([3, 4, 5, 6])
    targets = random_tasks.targets(dataset)
    expected = reference(random_tasks, dataset, "unit", 2)
    np.testing.assert_allclose(targets, expected, rtol=0, atol=2e-3)
    # 300 tanh units, most of them saturated, with weights of variance 1.
    assert 50 < targets.std(axis=0).min() ** 2 < 700


def test_weights_are_standard_normal():
    layers = tasks.RandomTasks(1, 4, 300, 2.0).weights(0, 5)
    shapes = [(5, 300), (300, 300), (300, 300), (300, 300), (300, 1)]
    assert [kernel.shape for kernel, _ in layers] == shapes
    assert [bias.shape for _, bias in layers] == [(shape[1],) for shape in shapes]
    for arrays in (np.concatenate([k.ravel() for k, _ in layers]), *layers[1:4][0]):
        assert arrays.std() == pytest.approx(2.0, rel=0.15)
        assert abs(arrays.mean()) < 6 * 2.0 / np.sqrt(arrays.size)


def test_first_tasks_of_ten_are_those_of_five(root):
    ten = tasks.RandomTasks(10, 2, 7).targets(SPRITES)
    files = sorted(root.rglob("images.npy"))
    assert len(files) == 10
    five = tasks.RandomTasks(5, 2, 7).targets(SPRITES)
    np.testing.assert_array_equal(five, ten[:, :5])
    assert sorted(root.rglob("images.npy")) == files
    # Tasks differ from each other.
    assert np.abs(np.corrcoef(ten.T) - np.eye(10)).max() < 0.999


def test_seeds_differ_and_do_not_share_tasks():
    columns = np.concatenate(
        [tasks.RandomTasks(3, 2, 7, seed=s).targets(SPRITES) for s in range(3)], axis=1
    )
    assert len(np.unique(columns, axis=1).T) == 9
    again = tasks.RandomTasks(3, 2, 7, seed=1)
    np.testing.assert_array_equal(again.targets(SPRITES), columns[:, 3:6])


def seen_factors(column, dataset):
    """Which factors change a target by more than rounding, on a grid."""
    values = column.reshape(dataset.factors_num_values)
    least = 1e-5 * np.abs(values).max()
    return [bool(np.ptp(values, axis=k).max() > least) for k in range(values.ndim)]


def test_halves_alternate():
    dataset = Grid([2, 3, 2, 3, 2])
    random_tasks = tasks.RandomTasks(4, 2, 7, factor_subset="halves")
    targets = random_tasks.targets(dataset)
    seen = [seen_factors(column, dataset) for column in targets.T]
    first, second = [True, True, True, False, False], [False] * 3 + [True, True]
    assert seen == [first, second, first, second]
    one_factor = tasks.RandomTasks(2, 2, 7, factor_subset="halves").targets(Grid([4]))
    assert (np.ptp(one_factor, axis=0) > 0).all()


def test_random_subsets_are_of_their_own_and_never_empty():
    dataset = Grid([2, 2, 3])
    random_tasks = tasks.RandomTasks(30, 1, 3, factor_subset="random")
    targets = random_tasks.targets(dataset)
    seen = [tuple(seen_factors(column, dataset)) for column in targets.T]
    assert (False,) * 3 not in seen and len(set(seen)) >= 5
    weights = [random_tasks.weights(task, 3)[0][0] for task in range(30)]
    assert [tuple((kernel != 0).all(axis=1)) for kernel in weights] == seen


def test_all_factors_are_seen_unless_bound_otherwise():
    dataset = Grid([2, 3, 2])
    (column,) = tasks.RandomTasks(1, 2, 7).targets(dataset).T
    assert seen_factors(column, dataset) == [True] * 3


def test_a_list_of_images_has_the_targets_of_their_factors():
    random_tasks = tasks.RandomTasks(**SMALL)
    rows = np.random.RandomState(0).randint(SPRITES.size, size=500)
    rows = rows[np.unique(FACTORS[rows], axis=0, return_index=True)[1]][::-1]
    listed = table_data.FactorTable(FACTORS[rows], SPRITES.factors_num_values)
    np.testing.assert_allclose(
        random_tasks.targets(listed), random_tasks.targets(SPRITES)[rows], atol=1e-5
    )


def test_targets_are_computed_once(root, monkeypatch):
    targets = tasks.RandomTasks(**SMALL).targets(SPRITES)
    folders = sorted((root / "prepared" / "tasks").iterdir())
    assert len(folders) == 3
    for folder in folders:
        assert sorted(os.listdir(folder)) == ["images.npy", "meta.json"]
    monkeypatch.setattr(tasks, "_outputs", None)
    again = tasks.RandomTasks(**SMALL).targets(SPRITES)
    np.testing.assert_array_equal(again, targets)
    assert again.dtype == np.float32


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 3},
        {"width": 8},
        {"scale": 2.0},
        {"seed": 1},
        {"factor_scaling": "symmetric"},
        {"factor_subset": "halves"},
    ],
)
def test_other_tasks_are_not_taken_from_the_cache(change, root):
    first = tasks.RandomTasks(**SMALL).targets(SPRITES)
    other = tasks.RandomTasks(**{**SMALL, **change})
    found = other.targets(SPRITES)
    assert len(list(root.rglob("images.npy"))) == 6
    assert not any(np.array_equal(a, b) for a, b in zip(found.T, first.T, strict=True))
    scaling = change.get("factor_scaling", "unit")
    expected = reference(other, SPRITES, scaling, 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_other_data_of_the_same_size_is_not_taken_from_the_cache():
    random_tasks = tasks.RandomTasks(**SMALL)
    first = random_tasks.targets(Grid([6, 2, 4]))
    for sizes in ([6, 4, 2], [2, 6, 4]):
        found = random_tasks.targets(Grid(sizes))
        expected = reference(random_tasks, Grid(sizes), "unit", 3)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # The same sizes, in another order.
    shuffled = Grid([6, 2, 4])
    order = np.random.RandomState(0).permutation(shuffled.size)
    shuffled.factors_at = lambda rows: Grid([6, 2, 4]).factors_at(order[rows])
    found = random_tasks.targets(shuffled)
    np.testing.assert_allclose(found, first[order], atol=1e-5)


@pytest.mark.parametrize("damage", ["truncated", "no seal", "half a seal", "other"])
def test_damaged_targets_are_made_anew(damage, root):
    random_tasks = tasks.RandomTasks(**SMALL)
    targets = random_tasks.targets(SPRITES)
    for folder in (root / "prepared" / "tasks").iterdir():
        path, seal = folder / "images.npy", folder / "meta.json"
        if damage == "truncated":
            os.truncate(path, path.stat().st_size // 2)
            continue
        np.save(path, np.zeros(SPRITES.size, dtype=np.float32))
        if damage == "no seal":
            seal.unlink()
        elif damage == "half a seal":
            os.truncate(seal, seal.stat().st_size // 2)
        else:
            facts = json.loads(seal.read_text())
            seal.write_text(json.dumps({**facts, "seed": 7}))
    np.testing.assert_array_equal(random_tasks.targets(SPRITES), targets)
    np.testing.assert_array_equal(random_tasks.targets(SPRITES), targets)


def test_killed_writing_is_begun_anew(root, monkeypatch):
    expected = tasks.RandomTasks(**SMALL).targets(SPRITES)
    for path in root.rglob("*.npy"):
        path.unlink()
    with monkeypatch.context() as patch:
        # Dies between the targets and their seal.
        patch.setattr(tasks.prepared.files, "write_text", None)
        with pytest.raises(TypeError):
            tasks.RandomTasks(**SMALL).targets(SPRITES)
    np.testing.assert_array_equal(tasks.RandomTasks(**SMALL).targets(SPRITES), expected)


def test_names_and_kinds():
    random_tasks = tasks.RandomTasks(**SMALL)
    assert random_tasks.names(SPRITES) == ["task 0", "task 1", "task 2"]
    assert random_tasks.num_classes(SPRITES) == [0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_tasks": 0},
        {"num_tasks": 2.0},
        {"depth": 0},
        {"width": True},
        {"seed": -1},
        {"seed": True},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"scale": "1"},
        {"scale": True},
        {"factor_scaling": "log"},
        {"factor_subset": "half"},
    ],
)
def test_arguments_of_random_tasks(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"random_tasks.{name} .*Received: {name}="):
        tasks.RandomTasks(**wrong)


@pytest.mark.parametrize(
    "kind",
    [tasks.RandomTasks(**SMALL), tasks.LabelTasks(regression=["size"])],
    ids=["random", "labels"],
)
def test_random_pixels_have_no_tasks(kind):
    with pytest.raises(ValueError, match="have indices. Received: dummy_data"):
        kind.targets(dummy_data.DummyData())


def label_tasks(*bindings):
    gin.parse_config(list(bindings))
    return tasks.LabelTasks()


def write_csv(path, columns):
    lines = [",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_labels_are_factors_by_name_and_by_number():
    names = SPRITES.factor_names
    number = names.index("shape")
    both = tasks.LabelTasks(
        regression=["position x", 0], classification=["shape", number]
    )
    targets = both.targets(SPRITES)
    expected = FACTORS[:, [names.index("position x"), 0, number, number]]
    np.testing.assert_array_equal(targets, expected)
    assert targets.dtype == np.float32
    assert both.names(SPRITES) == ["position x", "0", "shape", str(number)]
    assert both.num_classes(SPRITES) == [0, 0, 3, 3]


def test_classes_are_numbered_as_they_occur(tmp_path):
    listed = table_data.FactorTable(np.array([[7], [2], [9], [7]]), [10])
    kind = tasks.LabelTasks(classification=[0])
    np.testing.assert_array_equal(kind.targets(listed)[:, 0], [1, 0, 2, 1])
    assert kind.num_classes(listed) == [3]
    # Another dataset is not answered with the targets of the one before.
    other = table_data.FactorTable(np.array([[4], [3]]), [10])
    np.testing.assert_array_equal(kind.targets(other)[:, 0], [1, 0])
    assert kind.num_classes(other) == [2]


def test_labels_of_a_csv_file_with_names(tmp_path):
    dataset = Grid([2, 3])
    path = write_csv(
        tmp_path / "labels.csv",
        {
            "price": ["1.5", "-2", "3e1", "0", "0.25", "7"],
            "unused": ["9"] * 6,
            "kind": ["pear", "apple", "fig", "apple", "pear", "pear"],
        },
    )
    kind = label_tasks(
        "label_tasks.regression = ['price']",
        "label_tasks.classification = ['kind', 0]",
        f"label_tasks.path = {path!r}",
    )
    expected = [
        [1.5, -2, 30, 0, 0.25, 7],
        [2, 0, 1, 0, 2, 2],
        [3, 0, 5, 1, 2, 4],
    ]
    np.testing.assert_array_equal(kind.targets(dataset), np.transpose(expected))
    assert kind.num_classes(dataset) == [0, 3, 6]
    assert kind.names(dataset) == ["price", "kind", "0"]


def test_labels_of_other_files_are_columns_by_number(tmp_path):
    dataset, table = Grid([2, 3]), np.arange(12.0).reshape(6, 2)
    np.save(tmp_path / "labels.npy", table)
    np.savez(tmp_path / "labels.npz", codes=-table, labels=table)
    np.savetxt(tmp_path / "labels.csv", table, delimiter=",")
    for name in ("labels.npy", "labels.npz", "labels.npz:labels", "labels.csv"):
        kind = tasks.LabelTasks(regression=[1], path=str(tmp_path / name))
        np.testing.assert_array_equal(kind.targets(dataset), table[:, 1:])
        named = tasks.LabelTasks(regression=["price"], path=str(tmp_path / name))
        with pytest.raises(ValueError, match="no column 'price'. .* are: 0 to 1"):
            named.targets(dataset)


def test_wrong_labels_are_one_line(tmp_path):
    dataset, table = Grid([2, 3]), np.arange(12.0).reshape(6, 2)

    def saved(name, values):
        np.save(tmp_path / f"{name}.npy", values)
        return str(tmp_path / f"{name}.npy")

    gap = np.where(table == 3, np.nan, table)
    words = {"price": ["1", "2", "x", "4", "5", "6"], "kind": list("abcabc")}
    mixed = write_csv(tmp_path / "mixed.csv", words)
    words["price"][2] = "3"
    good = write_csv(tmp_path / "good.csv", words)
    for regression, classification, path, message in (
        (["hue"], [], None, r"Grid has no column 'hue'.*Factor 0, Factor 1"),
        ([], [5], None, r"no column 5.*Factor 0, Factor 1"),
        ([-1], [], None, "no column -1"),
        ([True], [], None, "no column True"),
        ([2], [], saved("two", table), "no column 2.*0 to 1"),
        (["hue"], [], good, "good.csv has no column 'hue'.*price, kind"),
        ([0], [], saved("five", table[:5]), "row for each of the 6 images.*: 5 rows"),
        ([1], [], saved("gap", gap), "gap.npy.*finite"),
        ([], [1], saved("gap", gap), "gap.npy.*finite"),
        ([0], [], saved("big", table * 1e300), "big.npy.*finite"),
        (["price"], [], mixed, "Column 1 .*mixed.csv must hold numbers"),
        ([0], [], str(tmp_path / "none.csv"), "There is no file .*none.csv"),
    ):
        kind = tasks.LabelTasks(regression, classification, path)
        with (
            np.errstate(over="ignore"),
            pytest.raises((ValueError, FileNotFoundError), match=message) as error,
        ):
            kind.targets(dataset)
        assert "\n" not in str(error.value)


def test_labels_must_be_named():
    with pytest.raises(ValueError, match="label_tasks.regression or"):
        tasks.LabelTasks()


@pytest.mark.parametrize(
    ("size", "share", "num_test"), [(1000, 0.2, 200), (7, 0.01, 1), (7, 0.99, 6)]
)
def test_rows_are_disjoint_complete_and_seeded(size, share, num_test):
    train, test = tasks.train_and_test_rows(size, share, 3)
    assert len(test) == num_test
    together = np.concatenate([train, test])
    np.testing.assert_array_equal(np.sort(together), np.arange(size))
    again = np.concatenate(tasks.train_and_test_rows(size, share, 3))
    np.testing.assert_array_equal(together, again)
    other = np.concatenate(tasks.train_and_test_rows(size, share, 4))
    assert not np.array_equal(together, other)
    # A random choice: test images are from everywhere.
    if size == 1000:
        assert 400 < test.mean() < 600
        assert np.mean(np.diff(test) > 0) < 0.7


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.2, float("nan"), "0.2", None])
def test_share_out_of_range(share):
    with pytest.raises(ValueError, match="test_share=") as error:
        tasks.train_and_test_rows(10, share, 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", [None, -1, 2**32, 0.5, "0"])
def test_seed_of_rows_out_of_range(seed):
    with pytest.raises(ValueError, match="split_seed="):
        tasks.train_and_test_rows(10, 0.2, seed)


def test_batches_hold_images_with_their_own_targets():
    targets = FACTORS[:, 1:3].astype(np.float32)
    rows = np.random.RandomState(0).permutation(SPRITES.size)[:300]
    data = pipeline.LabelledData(SPRITES, rows, targets)
    assert data.size == 300 and data.num_targets == 2
    images, found = data.at(np.array([5, 0, 5]))
    np.testing.assert_array_equal(images, SPRITES.images_at(rows[[5, 0, 5]]))
    np.testing.assert_array_equal(found, targets[rows[[5, 0, 5]]])
    batches = list(pipeline.host_batches(data, 7, 4, 2, 5))
    assert len(batches) == 3
    for step, (images, found) in enumerate(batches, start=2):
        chosen = rows[pipeline.batch_indices(7, step, 4, data.size)]
        np.testing.assert_array_equal(images, SPRITES.images_at(chosen))
        np.testing.assert_array_equal(found, targets[chosen])
    (alone,) = pipeline.examples_of(SPRITES).at(np.array([3]))
    np.testing.assert_array_equal(alone, SPRITES.images_at(np.array([3])))


def test_measured_factors_are_regressed():
    factors = np.array([[0, 0.5], [1, 2.5], [0, 1.5], [1, 4.5]])
    names = {"factor_names": ["a", "b"]}
    images = np.zeros((4, 2, 2, 1), np.uint8)
    data = table_data.ImageTable(
        "mine", images, factors, **names, continuous_factors=[False, True]
    )
    values = tasks.LabelTasks(regression=["b"]).targets(data)
    np.testing.assert_array_equal(values, factors[:, 1:])
    with pytest.raises(ValueError, match="label_tasks.classification needs.*b is"):
        tasks.LabelTasks(classification=["b"]).targets(data)
    # Their scale does not matter to random networks.
    scaled = table_data.ImageTable(
        "mine", images, factors * [1, 7], **names, continuous_factors=[False, True]
    )
    random_tasks = tasks.RandomTasks(**SMALL)
    np.testing.assert_allclose(
        random_tasks.targets(data), random_tasks.targets(scaled), atol=1e-5
    )
    unlabelled = table_data.ImageTable("mine", images, np.zeros((4, 0)), [])
    for one in (random_tasks, tasks.LabelTasks(regression=["b"])):
        with pytest.raises(ValueError, match="needs factors of variation"):
            one.targets(unlabelled)
