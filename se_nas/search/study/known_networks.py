"""The networks of a study that train now or have ended, so that none is trained twice."""

from __future__ import annotations

import optuna

from se_nas.search.study import tell
from se_nas.search.study.records import Outcome


class KnownNetworks:
    """Canonical ids of networks with their outcomes, or with the duplicates that wait for these."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[optuna.Trial]] = {}  # of those that train
        self._outcomes: dict[str, Outcome] = {}

    def __contains__(self, network: str) -> bool:
        return network in self._waiting or network in self._outcomes

    def begin(self, network: str) -> None:
        """Note that a network trains now; duplicates that wait for it already stay."""
        self._waiting.setdefault(network, [])

    def end(self, network: str, outcome: Outcome) -> None:
        """Note a network's outcome; the duplicates that wait for it end with it."""
        self._outcomes[network] = outcome
        for trial in self._waiting.pop(network, []):
            tell.tell_duplicate(trial, outcome)

    def answer(self, trial: optuna.Trial, network: str) -> None:
        """Tell a duplicate its network's outcome, now or when that is known."""
        if network in self._outcomes:
            tell.tell_duplicate(trial, self._outcomes[network])
        else:
            self._waiting[network].append(trial)

    def release(self, network: str) -> None:
        """End the duplicates that wait for a network whose outcome comes too late."""
        for trial in self._waiting.pop(network, []):
            tell.tell_untrained(trial, "repeated")
