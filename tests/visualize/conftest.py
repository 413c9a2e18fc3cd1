import pytest

from dmt.methods.train import train_with_gin

BINDINGS = (
    "model.model = @vae()",
    "vae.beta = 4.0",
    "model.training_steps = 2",
    "model.batch_size = 4",
    "model.random_seed = 0",
    "model.eval_steps = 1",
    "encoder.num_latent = 3",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
)


def train(model_dir, dataset, *bindings):
    dataset_binding = f"dataset.name = '{dataset}'"
    train_with_gin(model_dir, gin_bindings=[*BINDINGS, dataset_binding, *bindings])
    return model_dir


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A run with a model of three codes, trained for two steps on sprites."""
    run = tmp_path_factory.mktemp("run")
    train(str(run / "model"), "dsprites_rendered_small")
    return run


@pytest.fixture(scope="session")
def dummy_model_dir(tmp_path_factory):
    """A model of three codes with tanh images, trained for two steps on noise."""
    return train(
        str(tmp_path_factory.mktemp("dummy") / "model"),
        "dummy_data",
        "reconstruction_loss.activation = 'tanh'",
    )
