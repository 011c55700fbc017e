"""What a search is asked to do: frozen values, from the command line to the worker."""

from se_nas.search.config.data_settings import DataSettings
from se_nas.search.config.search_config import (
    HIDDEN,
    SAMPLERS,
    SearchConfig,
    config_from_options,
    without_password,
)
from se_nas.search.config.trial_settings import MAX_DEATHS, TrialSettings

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
