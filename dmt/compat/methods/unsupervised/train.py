"""disentanglement_lib's path of unsupervised training."""

import gin

from dmt.compat.methods import training
from dmt.methods.train import train_with_gin

__all__ = ["train", "train_with_gin"]


def train(
    model_dir,
    overwrite=False,
    model=gin.REQUIRED,
    training_steps=gin.REQUIRED,
    random_seed=gin.REQUIRED,
    batch_size=gin.REQUIRED,
    eval_steps=gin.REQUIRED,
    name="",
    model_num=gin.REQUIRED,
):
    """Trains a model; see `dmt.methods.train.train`. Gin binds what is not given."""
    training.run(
        model_dir,
        overwrite,
        name,
        model=model,
        training_steps=training_steps,
        random_seed=random_seed,
        batch_size=batch_size,
        eval_steps=eval_steps,
        model_num=model_num,
    )
