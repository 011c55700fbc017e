"""What all callbacks of a run have in common."""

from __future__ import annotations

import pickle
from threading import Lock

import pytest

from se_nas.search.tuning import elastic, failures, progress, prometheus, tensorboard, tune
from se_nas.search.tuning.driver_callback import DriverCallback, OnDriver


class Holding(DriverCallback):
    def __init__(self) -> None:
        self.terminal = Lock()


def test_tune_may_pickle_a_callback_that_holds_what_cannot_be() -> None:
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(Lock())
    assert vars(pickle.loads(pickle.dumps(Holding()))) == {}


@pytest.mark.parametrize(
    "kind",
    [
        elastic.ElasticConcurrency,
        failures.FailureCallback,
        progress.ProgressCallback,
        prometheus.PrometheusCallback,
        tensorboard.TensorBoardCallback,
        tune.StopWhen,
    ],
)
def test_what_is_given_to_tune_stays_with_the_driver(kind: type) -> None:
    assert kind.__getstate__ is OnDriver.__getstate__
