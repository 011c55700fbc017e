"""Settings of a search: frozen values, from the command line to the worker.

search   ``SearchConfig``: all settings of a run
data     ``DataSettings``: the images
trial    ``TrialSettings``: one training on a worker
"""

from se_nas.search.config.data import DataSettings
from se_nas.search.config.search import (
    HIDDEN,
    SAMPLERS,
    SearchConfig,
    config_from_options,
    without_password,
)
from se_nas.search.config.trial import MAX_DEATHS, TrialSettings

__all__ = [
    "HIDDEN",
    "MAX_DEATHS",
    "SAMPLERS",
    "DataSettings",
    "SearchConfig",
    "TrialSettings",
    "config_from_options",
    "without_password",
]
