"""A metric that encodes all images and then, if DMT_TEST_KILL is set, kills itself."""

import logging
import os
import signal

import gin
import numpy as np

GIN = """
import tests.helpers.all_codes
dataset.name = "auto"
evaluation.evaluation_fn = @all_codes
evaluation.random_seed = 0
"""

# Workers log progress only.
logging.getLogger("dmt").setLevel(logging.INFO)


@gin.configurable("all_codes", module="tests")
def all_codes(ground_truth_data, representation_function, random_state):
    """The codes of every 100th image."""
    codes = representation_function(np.arange(ground_truth_data.size))
    if "DMT_TEST_KILL" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"codes": codes[::100].tolist()}
