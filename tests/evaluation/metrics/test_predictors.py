"""Classifiers that the metrics train."""

import numpy as np
import pytest

from dmt.evaluation.metrics import predictors


def test_classifiers_are_trained_with_one_blas_thread():
    import threadpoolctl
    from sklearn import linear_model

    def num_threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    class Classifier(linear_model.LogisticRegression):
        def fit(self, codes, target):
            during.extend(num_threads())
            return super().fit(codes, target)

    during, samples = [], np.arange(20.0)[:, None]
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        predictors.fit(Classifier, samples, (samples > 9).astype(int))
        assert set(during) == {1} and set(num_threads()) == {2}


def test_engines_are_named():
    with pytest.raises(ValueError, match="engine='fast'"):
        predictors.gradient_boosting_classifier("fast")
