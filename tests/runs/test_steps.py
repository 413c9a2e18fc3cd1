"""Steps of registered kinds are made once, by the function that the kind names."""

import pickle

import pytest

from dmt.runs import steps

calls = []


def draw(source, output, overwrite):
    calls.append((source, output, overwrite))
    with open(output, "w") as file:
        file.write("drawn")


def collect(source, output):
    calls.append((source, output))


@pytest.fixture
def kinds(monkeypatch):
    calls.clear()
    monkeypatch.setattr(steps, "_kinds", dict(steps._kinds))
    steps.register("draw", f"{__name__}:draw")
    steps.register("collect", f"{__name__}:collect", is_repeated=True)


def test_complete_steps_are_skipped_unless_they_are_overwritten(kinds, tmp_path):
    output = str(tmp_path / "picture")
    step = steps.Step("draw", output, "model")
    assert not step.is_complete()
    steps.execute([step])
    steps.execute([step])
    assert step.is_complete() and calls == [("model", output, False)]
    steps.execute([step], overwrite=True)
    assert calls[1:] == [("model", output, True)]


def test_repeated_steps_are_made_anew(kinds, tmp_path):
    output = tmp_path / "table"
    output.touch()
    step = steps.Step("collect", str(output), "*.json")
    steps.execute([step])
    steps.execute([step])
    assert calls == [("*.json", str(output))] * 2


def test_another_process_makes_steps_of_kinds_that_it_does_not_know(
    kinds, monkeypatch, tmp_path
):
    sent = pickle.dumps(steps.Step("draw", str(tmp_path / "picture"), "model"))
    monkeypatch.setattr(steps, "_kinds", {})
    received = pickle.loads(sent)
    steps.execute([received])
    assert received.is_complete()


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="one of train, .*Received: kind='fly'"):
        steps.Step("fly", "output")


def test_text_names_kind_paths_and_configuration():
    step = steps.Step("evaluate", "out", "in", ("mig.gin",), ("mig.num_train = 1",))
    assert str(step).splitlines() == [
        "evaluate: in -> out",
        "    mig.gin",
        "    mig.num_train = 1",
    ]
