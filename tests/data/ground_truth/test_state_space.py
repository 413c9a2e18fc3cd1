"""State spaces against draws and look-ups recorded from disentanglement_lib."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from dmt.data.ground_truth import state_space

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "sampling.json").read_text()
)


@pytest.mark.parametrize("case", GOLDEN["state_space"])
def test_same_draws_as_the_original(case):
    space = state_space.SplitDiscreteStateSpace(case["sizes"], case["latent"])
    random_state = np.random.RandomState(case["seed"])
    latent = space.sample_latent_factors(case["num"], random_state)
    everything = space.sample_all_factors(latent, random_state)
    assert latent.tolist() == case["latent_factors"]
    assert everything.tolist() == case["all_factors"]
    assert latent.dtype == everything.dtype == case["dtype"]
    assert random_state.randint(1 << 30) == case["next_draw"]
    assert space.observation_factor_indices == case["observation_factor_indices"]
    assert space.num_factors == case["num_factors"]
    assert space.num_latent_factors == case["num_latent_factors"]


def permuted_grid(case):
    grid = np.array(list(itertools.product(*(range(size) for size in case["sizes"]))))
    return grid[np.random.RandomState(case["perm_seed"]).permutation(len(grid))]


@pytest.mark.parametrize("case", GOLDEN["atom_index"])
def test_atom_index_finds_the_rows_of_the_original(case):
    atoms = state_space.StateSpaceAtomIndex(case["sizes"], permuted_grid(case))
    assert atoms.features_to_index(np.array(case["query"])).tolist() == case["index"]


@pytest.mark.parametrize("case", GOLDEN["atom_index"])
@pytest.mark.parametrize(
    "edge", ["negative", "one_too_large", "last_too_large", "two_too_large"]
)
def test_atom_index_rejects_features_out_of_range(case, edge):
    atoms = state_space.StateSpaceAtomIndex(case["sizes"], permuted_grid(case))
    with pytest.raises(ValueError, match="Received"):
        atoms.features_to_index(np.array([case["edge_cases"][edge]["query"]]))


def test_atom_index_needs_every_combination_once():
    grid = np.array(list(itertools.product(range(3), range(2))))
    for features in (grid[:-1], grid[[0, 0, 1, 2, 3, 4]], grid[[0, 0, *range(1, 6)]]):
        with pytest.raises(ValueError, match="exactly once"):
            state_space.StateSpaceAtomIndex([3, 2], features)


def test_observation_factors_need_a_random_state():
    space = state_space.SplitDiscreteStateSpace([1, 3, 4], [2])
    with pytest.raises(ValueError, match="RandomState"):
        space.sample_all_factors(np.zeros((2, 1), dtype=np.int64))
