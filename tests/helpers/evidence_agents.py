"""Small agents with random weights, and what analyses make of them."""

import json

import gin
import keras
import numpy as np

from dmt.data.evidence.latents import EvidenceData
from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation import evaluate
from dmt.evaluation.evidence.agents import AgentCodes
from dmt.methods.evidence.accumulation import EvidenceAccumulation
from dmt.methods.evidence.encoder import RandomEncoder
from dmt.methods.evidence.trained import TrainedAgent


def agent(layer, **values):
    """Data of trials with these values, and the codes of an untrained agent.

    Args:
        layer: the network, from features to states.
        **values: attributes of `EvidenceTrials`.
    """
    keras.utils.set_random_seed(0)
    trials = EvidenceTrials(num_tasks=3, num_steps=4, num_features=5, **values)
    model = EvidenceAccumulation(trials, lambda: layer, lambda: RandomEncoder((7, 5)))
    model.make_networks(trials)
    return EvidenceData(trials), AgentCodes(TrainedAgent(model.network))


def encoded(codes, points):
    """Features (..., 5) of points (..., dim), by the encoder of an agent."""
    layers = codes.agent.network.layers
    encoder = next(layer for layer in layers if isinstance(layer, RandomEncoder))
    return keras.ops.convert_to_numpy(encoder(points.astype("float32")))


def score(name, data, codes, artifact_dir=None, **settings):
    """What an analysis returns, by way of JSON."""
    random_state = np.random.RandomState(0)
    function = gin.get_configurable(name)
    found = function(data, codes, random_state, artifact_dir, **settings)
    return json.loads(json.dumps(evaluate.plain_scores(found)))
