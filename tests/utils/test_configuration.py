"""Gin configurations of steps: parsed, cleared, reported in one line."""

import functools
import inspect
import os
import re

import gin
import pytest

from dmt.data.ground_truth import named_data  # noqa: F401 (registers "dataset")
from dmt.utils import configuration, results, stages, trust


@gin.configurable("number_of_test")
def number(value=gin.REQUIRED):
    return value


@stages.configurable("images_of_test", "dataset")
def images(size=1, color="red"):
    return size, color


def step(input_dir, output_dir, overwrite=False, resume=False):
    """A step."""
    return input_dir, output_dir, overwrite, resume, number()


step_with_gin = configuration.with_gin(step)


def gin_file(tmp_path, text):
    path = tmp_path / "step.gin"
    path.write_text(text)
    return str(path)


def test_step_is_called_with_its_gin_configuration(tmp_path):
    path = gin_file(tmp_path, "number_of_test.value = 1")
    assert step_with_gin("in", "out", True, [path]) == ("in", "out", True, False, 1)
    bindings = ["number_of_test.value = 2"]
    expected = ("in", "out", False, True, 2)
    assert step_with_gin("in", "out", False, [path], bindings, resume=True) == expected
    assert (
        step_with_gin(
            output_dir="out", input_dir="in", gin_bindings=bindings, resume=True
        )
        == expected
    )
    # As in disentanglement_lib, None stands for nothing.
    assert step_with_gin("in", "out", False, None, bindings)[-1] == 2


def test_step_with_gin_has_the_parameters_of_both():
    assert str(inspect.signature(step_with_gin)) == (
        "(input_dir, output_dir, overwrite=False, gin_config_files=(), "
        "gin_bindings=(), *, resume=False)"
    )
    assert step_with_gin.__doc__ == "A step."
    for arguments in [("in",), ("in", "out", False, (), (), True)]:
        with pytest.raises(TypeError):
            step_with_gin(*arguments)


def test_configuration_is_cleared_after_success_and_failure():
    with pytest.raises(ValueError, match="missing: number_of_test.value"):
        step_with_gin("in", "out")
    step_with_gin("in", "out", gin_bindings=["number_of_test.value = 2"])
    assert gin.config_str().strip() == ""
    with pytest.raises(ZeroDivisionError), configuration.gin_configuration([], ["a=1"]):
        raise ZeroDivisionError
    assert gin.config_str().strip() == ""


@pytest.mark.parametrize(
    "binding, words",
    [
        ("number_of_test.other = 1", "parameter .*It is misspelt"),
        ("no_such_thing.value = 1", "No configurable matching .*import your_module"),
        ("number_of_test.value = 1 +", "number_of_test.value = 1"),
    ],
)
def test_mistakes_are_one_line(binding, words):
    with pytest.raises(ValueError, match=words) as error:
        step_with_gin("in", "out", gin_bindings=[binding])
    assert "\n" not in str(error.value)


def test_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match="no gin file missing.gin"):
        step_with_gin("in", "out", gin_config_files=["missing.gin"])


def test_shipped_files_are_found():
    with open(configuration.shipped("metrics/mig.gin"), encoding="utf-8") as file:
        assert "evaluation.evaluation_fn" in file.read()


def complete(directory, value, old=None):
    """Writes the results of a step named "example" that ran with a value."""
    with configuration.gin_configuration([], [f"number_of_test.value = {value}"]):
        number()
        results.update_result_directory(
            str(directory / "results"), "example", {"value": value}, old
        )


def is_done(directory, value, **options):
    with configuration.gin_configuration([], [f"number_of_test.value = {value}"]):
        return configuration.is_done(str(directory), "example", **options)


def test_new_directories_are_not_done(tmp_path):
    for overwrite, resume in ((False, None), (True, False), (False, True)):
        new = tmp_path / "new"
        assert not is_done(new, 1, overwrite=overwrite, resume=resume)
        # As "mktemp -d" makes it.
        new.mkdir(exist_ok=True)
        assert not is_done(new, 1, overwrite=overwrite, resume=resume)


def test_existing_directories_are_kept_replaced_or_complete(tmp_path):
    complete(tmp_path / "out", 1)
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="exists. Give --overwrite to replace it, or"):
        is_done(out, 1, overwrite=False)
    with pytest.raises(ValueError, match="exists. Give --overwrite .*--resume"):
        is_done(out, 1, overwrite=False, resume=False)
    with pytest.raises(ValueError, match="not both"):
        is_done(out, 1, overwrite=True, resume=True)
    assert not is_done(out, 1, overwrite=True)
    assert is_done(out, 1, overwrite=False, resume=True)
    with pytest.raises(ValueError, match=r"value = 2 \(it was 1\)"):
        is_done(out, 2, overwrite=False, resume=True)


@pytest.mark.parametrize(
    ("before", "after", "different"),
    [
        (["size = 2"], [], r"images_of_test.size is not bound \(it was 2\)"),
        (["size = 1", 'color = "red"'], [], ""),
        (["size = 2", 'color = "blue"'], ["size = 2"], r"color is not .*'blue'\)"),
        (["size = %n", "n = 2"], [], r"size is not bound \(it was 2\)"),
        (["size = %n", "n = 2"], ["size = %n", "n = 3"], r"n = 3 \(it was 2\)"),
        (["size = %n", "n = 2"], ["size = 2"], ""),
        (["in_scope/size = 2"], [], "in_scope/images_of_test.size is not bound"),
        (["in_scope/size = 2"], ["size = 2"], ""),
        (["size = 2"], ["in_scope/size = 2"], ""),
        (["size = 2"], ["size = 3"], r"in_scope/images_of_test.size = 3 \(it was 2\)"),
    ],
)
def test_bindings_left_out_are_different(tmp_path, before, after, different):
    lines = functools.partial(re.sub, r"\b(size|color) =", r"images_of_test.\1 =")
    with configuration.gin_configuration([], map(lines, before)):
        with gin.config_scope("in_scope"):
            images()
        results.update_result_directory(str(tmp_path / "results"), "example", {})
    with configuration.gin_configuration([], map(lines, after)):
        arguments = (str(tmp_path), "example", False, True)
        if different:
            with pytest.raises(ValueError, match=different):
                configuration.is_done(*arguments)
        else:
            assert configuration.is_done(*arguments)


@pytest.mark.parametrize(
    ("lines", "different"),
    [
        (["number_of_test.value = 1"], ""),
        (["number_of_test.value = 2"], r"value = 2 \(it was not bound\)"),
        (["number_of_test.value = 1", "images_of_test.size = 1"], ""),
        (["images_of_test.size = 2"], r"size = 2 \(it was not bound\)"),
        (["a = 1"], ""),
    ],
)
def test_bindings_that_are_new_are_different(tmp_path, lines, different):
    begun = tmp_path / "begun.gin"
    begun.write_text("number_of_test.value = 1\n")
    with configuration.gin_configuration([], []):
        results.update_result_directory(str(tmp_path / "results"), "example", {})
    with configuration.gin_configuration([], lines):
        arguments = (str(tmp_path), "example", False, True)
        if different:
            with pytest.raises(ValueError, match=different):
                configuration.is_done(*arguments, begun_with=str(begun))
        else:
            assert configuration.is_done(*arguments, begun_with=str(begun))


def test_inputs_are_neither_deleted_nor_mixed_up(tmp_path):
    complete(tmp_path / "in", 1)
    complete(tmp_path / "out", 1, str(tmp_path / "in" / "results"))
    options = {"overwrite": True, "inputs": [str(tmp_path / "out" / "part")]}
    with pytest.raises(ValueError, match="holds the input"):
        is_done(tmp_path / "out", 1, **options)


def test_outputs_older_than_their_inputs_are_not_complete(tmp_path):
    before, after = tmp_path / "in" / "results", tmp_path / "out" / "results"
    with configuration.gin_configuration([], []):
        results.update_result_directory(str(before), "first", {})
        results.update_result_directory(str(after), "example", {}, str(before))
        arguments = (str(tmp_path / "out"), "example", False, True)
        inputs = [str(tmp_path / "in")]
        assert configuration.is_done(*arguments, inputs)
        results.update_result_directory(str(before), "first", {})
        with pytest.raises(ValueError, match="was made anew"):
            configuration.is_done(*arguments, inputs)


def test_configurations_are_kept_and_compared(tmp_path):
    path = str(tmp_path / "study.gin")
    for _ in range(2):
        configuration.check_same(path, "a = 1\nb = 2", "Another study is here.")
    with pytest.raises(ValueError, match="Another study is here.*'b = 2', 'b = 3'"):
        configuration.check_same(path, "a = 1\nb = 3", "Another study is here.")


def test_dataset_of_the_previous_step(tmp_path, monkeypatch):
    (tmp_path / "module_of_test.py").write_text(
        "import gin\n@gin.configurable\ndef of_users_dataset(size=1):\n  return size\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = gin_file(
        tmp_path,
        "import module_of_test\ndataset.name = 'dsprites_rendered_small'\n"
        "images_of_test.size = 2\nimages_of_test.color = 'blue'\n"
        "of_users_dataset.size = 5\n"
        "number_of_test.value = 3\n",
    )
    bindings = ["dataset.name = 'auto'", "images_of_test.size = 4"]
    with configuration.gin_configuration([], bindings):
        with pytest.raises(
            ValueError, match="module_of_test, which would run.*--trust"
        ):
            configuration.resolve_auto_dataset(path)
    with trust.allowed(), configuration.gin_configuration([], bindings):
        configuration.resolve_auto_dataset(path)
        assert gin.query_parameter("dataset.name") == "dsprites_rendered_small"
        assert images() == (4, "blue")
        assert gin.query_parameter("of_users_dataset.size") == 5
        with pytest.raises(ValueError):  # It is no parameter of the dataset.
            gin.query_parameter("number_of_test.value")
    with configuration.gin_configuration([], []):
        with pytest.raises(ValueError, match="missing: dataset.name. Bind it"):
            configuration.resolve_auto_dataset(path)
    path = gin_file(tmp_path, "import no_such_module_of_test")
    with configuration.gin_configuration([], []):
        with pytest.raises(ValueError, match="no_such_module_of_test.*PYTHONPATH"):
            configuration.import_modules_of(path)


def test_steps_may_take_any_settings_by_name():
    def any_step(output_dir, overwrite=False, resume=False, **settings):
        return output_dir, overwrite, resume, settings

    run = configuration.with_gin(any_step)
    expected = ("out", True, True, {"size": 3, "name": "x"})
    assert run("out", True, (), [], resume=True, size=3, name="x") == expected
    assert run("out") == ("out", False, False, {})


def test_bindings_of_paths_whose_bytes_are_no_text():
    path = os.fsdecode(b"caf\xe9")
    with configuration.gin_configuration([], [f"image_folder.path = '{path}'"]):
        assert gin.query_parameter("image_folder.path") == path
