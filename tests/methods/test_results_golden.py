"""Every model writes the configuration and the result keys that it always wrote."""

import json

import pytest

from dmt.methods.train import train_with_gin
from tests.helpers.losses import GOLDEN
from tests.helpers.runs import SUPERVISED, TINY, bindings

ONE_STEP = {"model.training_steps": "1", "model.eval_steps": "1"}
UNSUPERVISED = {
    "vae": {},
    "annealed_vae": {
        "annealed_vae.gamma": "10.0",
        "annealed_vae.c_max": "5.0",
        "annealed_vae.iteration_threshold": "50",
    },
    "bottleneck_vae": {"bottleneck_vae.gamma": "1.0", "bottleneck_vae.target": "5.0"},
    "factor_vae": {"factor_vae.gamma": "5.0"},
    "dip_vae": {"dip_vae.lambda_od": "1.0", "dip_vae.lambda_d_factor": "1.0"},
    "beta_tc_vae": {"beta_tc_vae.beta": "4.0"},
    "autoencoder": {"reconstruction_loss.loss_fn": "@l2_loss"},
}
SEMI_SUPERVISED = {
    "vae": {"vae.beta": "1.0"},
    "s2_vae": {"supervised_loss.loss_fn": "@l2", "annealer.anneal_fn": "@anneal"},
    "s2_factor_vae": {
        "s2_factor_vae.gamma": "2.0",
        "s2_factor_vae.gamma_sup": "50.0",
        "annealer.anneal_fn": "@fine_tune",
    },
    "s2_dip_vae": {
        "s2_dip_vae.lambda_od": "1.0",
        "s2_dip_vae.lambda_d_factor": "1.0",
        "s2_dip_vae.gamma_sup": "50.0",
        "supervised_loss.loss_fn": "@embed",
        "embed.sigma": "1.0",
    },
    "s2_beta_tc_vae": {"s2_beta_tc_vae.beta": "2.0", "s2_beta_tc_vae.gamma_sup": "50"},
    "s2_mine_vae": {"s2_mine_vae.beta": "1.0", "s2_mine_vae.gamma_sup": "50.0"},
    "supervised": {"supervised_loss.loss_fn": "@cov"},
}
WEAK = {
    "group_vae_argmax": {"group_vae.beta": "1.0"},
    "group_vae_labels": {"group_vae.beta": "1.0"},
    "mlvae_argmax": {"mlvae.beta": "1.0"},
    "mlvae_labels": {"mlvae.beta": "1.0"},
}
TASKS = {
    "multi_task.tasks": "@random_tasks()",
    "random_tasks.num_tasks": "2",
    "random_tasks.depth": "1",
    "random_tasks.width": "3",
    "heads.hidden_units": "(4,)",
}
CASES = {
    **{
        name: {**TINY, "model.model": f"@{name}()", **changes}
        for name, changes in UNSUPERVISED.items()
    },
    **{
        f"semi_supervised/{name}": {**SUPERVISED, "model.model": f"@{name}", **changes}
        for name, changes in SEMI_SUPERVISED.items()
    },
    **{
        name: {**TINY, "model.model": f"@{name}()", "dynamics.k": "1", **changes}
        for name, changes in WEAK.items()
    },
    "multi_task": {**TINY, "model.model": "@multi_task()", **TASKS},
    "decoder_on_frozen_encoder": {
        **TINY,
        "model.model": "@decoder_on_frozen_encoder()",
    },
}


def written(model_dir, name):
    """What a run of one step writes: its configuration and the keys of its results."""
    lines = bindings({**CASES[name], **ONE_STEP})
    if name == "decoder_on_frozen_encoder":
        path = model_dir.parent / "encoder"
        train_with_gin(str(path), gin_bindings=bindings({**TINY, **ONE_STEP}))
        lines.append(f"{name}.encoder_dir = '{path}'")
    train_with_gin(str(model_dir), gin_bindings=lines)
    folder = model_dir / "results" / "json"
    config = json.loads((folder / "train_config.json").read_text())
    config.pop(f"{name}.encoder_dir", None)
    results = json.loads((folder / "train_results.json").read_text())
    return {"config": config, "results": sorted(results)}


@pytest.mark.parametrize("name", CASES)
def test_configuration_and_result_keys(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    golden = json.loads((GOLDEN / "train_keys.json").read_text())
    assert written(tmp_path / "run", name) == golden[name]
