"""The space of a study that tells none: its parameters, and under which others each comes.

Optuna's trials define their parameters as they run. What is drawn here has every parameter that a
trial had, but one that comes only with some values of another: ``width3`` only with ``depth`` 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from se_nas.additive.candidates import Ask

MISSING = object()


class StudySpace:
    """Parameters with their options, and what each depends on, from trials.

    >>> space = StudySpace()
    >>> space.add({"se": True, "ratio": 4}, {"se": (False, True), "ratio": (4, 8)})
    >>> space.add({"se": False}, {"se": (False, True)})
    >>> space.draw(lambda name, options: options[0])
    {'se': False}
    """

    def __init__(self) -> None:
        self.options: dict[str, tuple[Any, ...]] = {}
        # By parameter and by another one: values of that with which it was there, and was not.
        self._with: dict[str, dict[str, set[Any]]] = {}
        self._without: dict[str, dict[str, set[Any]]] = {}
        self._trials: list[Mapping[str, Any]] = []

    def add(self, parameters: Mapping[str, Any], options: Mapping[str, tuple[Any, ...]]) -> None:
        """Add a trial's parameters."""
        new = [name for name in options if name not in self.options]
        self.options |= options
        self._trials.append(dict(parameters))
        for name in new:
            self._with[name], self._without[name] = {}, {}
        for trial in self._trials if new else [parameters]:
            for name in self.options:
                self._note(name, trial)

    def draw(self, ask: Ask) -> dict[str, Any]:
        """Return parameters as a trial would have them; ``ask`` chooses each."""
        found: dict[str, Any] = {}
        for name, options in self.options.items():
            if self._is_met(name, found):
                found[name] = ask(name, options)
        return found

    def _note(self, name: str, trial: Mapping[str, Any]) -> None:
        table = self._with if name in trial else self._without
        for other in self.options:
            if other != name:
                table[name].setdefault(other, set()).add(trial.get(other, MISSING))

    def _is_met(self, name: str, found: Mapping[str, Any]) -> bool:
        """Return whether the parameters before a parameter lead to it, as far as trials show."""
        for other in self.options if self._without[name] else ():
            if other == name:  # what comes after it cannot have led to it
                break
            without = self._without[name][other]
            if without.isdisjoint(self._with[name].get(other, ())):
                return found.get(other, MISSING) not in without
        return True
