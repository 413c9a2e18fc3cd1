"""Selection of members, by hand."""

import numpy as np
import pytest

from dmt.runs.pbt.settings import PBT, best_of


def settings(**changes):
    arguments = {
        "population_size": 6,
        "num_rounds": 2,
        "images_per_round": 100,
        "hyperparameters": {"a.beta": [1, 3], "b.rate": [0.1, 0.01]},
        "score_fn": max,
        "seed": 0,
        **changes,
    }
    return PBT(**arguments)


def scored(plan, scores, failed=()):
    return [
        {**member, "score": score, "failed": member["member"] in failed}
        for member, score in zip(plan, scores, strict=True)
    ]


@pytest.mark.parametrize(("size", "replaced"), [(56, 12), (28, 6), (6, 2), (2, 1)])
def test_the_worst_take_over_from_the_best(size, replaced):
    population = settings(population_size=size)
    scores = np.random.RandomState(1).permutation(size).astype(float)
    plan = scored(population.first_plan(), scores)
    following = population.next_plan(plan, 0)
    assert [member["member"] for member in following] == list(range(size))
    for member, before, score in zip(following, plan, scores, strict=True):
        if score < replaced:
            assert scores[member["parent"]] >= size - replaced
            parent = plan[member["parent"]]["hyperparameters"]
            factors = {
                name: member["hyperparameters"][name] / value
                for name, value in parent.items()
            }
            assert round(factors["b.rate"], 9) in (2, 1.2, 0.8, 0.5)
            beta = member["hyperparameters"]["a.beta"]
            possible = {np.ceil(parent["a.beta"] * f) for f in (2, 1.2, 0.8, 0.5)}
            assert isinstance(beta, int) and beta in possible
        else:
            assert member["parent"] == member["member"]
            assert member["hyperparameters"] == before["hyperparameters"]


def test_copies_are_spread_over_the_best_and_perturbed_one_by_one():
    population = settings(population_size=50)
    parents, factors = set(), set()
    for number in range(20):
        plan = scored(population.first_plan(), range(50))
        following = population.next_plan(plan, number)
        for member in following[:10]:
            parents.add(member["parent"])
            parent = plan[member["parent"]]["hyperparameters"]["b.rate"]
            factors.add(round(member["hyperparameters"]["b.rate"] / parent, 9))
    assert parents == set(range(40, 50)) and factors == {2, 1.2, 0.8, 0.5}


def test_plans_follow_from_the_seed():
    plans = [settings(seed=seed).first_plan() for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    values = {member["hyperparameters"]["a.beta"] for member in plans[0]}
    assert values <= {1, 3}
    plan = scored(plans[0], range(6))
    assert settings().next_plan(plan, 0) == settings().next_plan(plan, 0)
    assert settings().next_plan(plan, 0) != settings().next_plan(plan, 1)


def test_half_goes_on_after_the_first_round():
    population = settings(population_size=56, halve_after_first_round=True)
    plan = scored(population.first_plan(), range(56))
    following = population.next_plan(plan, 0)
    assert [member["member"] for member in following] == list(range(28, 56))
    assert sum(m["parent"] != m["member"] for m in following) == 6
    again = population.next_plan(scored(following, range(28)), 1)
    assert len(again) == 28


def test_limits_hold():
    population = settings(limits={"b.rate": (0.05, 0.06), "a.beta": (1, 3)})
    plan = scored(population.first_plan(), range(6))
    for number in range(5):
        for member in population.next_plan(plan, number)[:2]:
            assert 0.05 <= member["hyperparameters"]["b.rate"] <= 0.06
            assert 1 <= member["hyperparameters"]["a.beta"] <= 3


def test_integers_stay_below_a_fraction():
    population = settings(limits={"a.beta": (0.5, 3.5)})
    plan = scored(population.first_plan(), range(6))
    values = [
        member["hyperparameters"]["a.beta"]
        for number in range(20)
        for member in population.next_plan(plan, number)[:2]
    ]
    assert set(values) <= {1, 2, 3} and 3 in values


def test_failed_members_are_no_parents():
    population = settings()
    plan = scored(population.first_plan(), [0] * 6, failed=(0, 1, 2, 4, 5))
    assert {m["parent"] for m in population.next_plan(plan, 0)} == {3}


def test_failed_members_are_replaced_and_never_best():
    population = settings()
    plan = scored(population.first_plan(), range(6), failed=(3, 4, 5))
    following = population.next_plan(plan, 0)
    assert all(following[m]["parent"] != m for m in (3, 4))
    assert best_of([plan])["member"] == 2
    with pytest.raises(ValueError, match="All members failed"):
        best_of([scored(population.first_plan(), range(6), failed=range(6))])
    with pytest.raises(ValueError, match="All members failed in round 1"):
        population.next_plan(scored(plan, range(6), failed=range(6)), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"population_size": 0}, "population_size=0"),
        ({"cut": 0.7}, "cut=0.7"),
        ({"seed": -1}, "seed=-1"),
        ({"hyperparameters": {}}, "pbt.hyperparameters must be"),
        ({"hyperparameters": {"a": []}}, "pbt.hyperparameters must be"),
        ({"limits": {"c": (0, 1)}}, "no hyperparameter: ..c.."),
        ({"score_fn": "mig"}, "score_fn='mig'"),
    ],
)
def test_mistakes_are_named(change, message):
    if "hyperparameters" in change and not change["hyperparameters"]:
        change = {"hyperparameters": None}
    with pytest.raises(ValueError, match=message):
        settings(**change)
