"""Settings of a search: frozen values, from the command line to the worker.

search_config    ``SearchConfig``: all settings of a run
trial_settings   ``TrialSettings``: one training on a worker
"""

from se_nas.data_settings import DataSettings, object_name
from se_nas.search.config.search_config import (
    SAMPLERS,
    SearchConfig,
    check_new_run,
    config_from_options,
)
from se_nas.search.config.trial_settings import MAX_DEATHS, TrialSettings
from se_nas.texts import HIDDEN, without_password

__all__ = [
    "HIDDEN",
    "MAX_DEATHS",
    "SAMPLERS",
    "DataSettings",
    "SearchConfig",
    "TrialSettings",
    "check_new_run",
    "config_from_options",
    "object_name",
    "without_password",
]
