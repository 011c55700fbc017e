"""Surrogate of an objective: an additive model, and a process on it for what matters together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from se_nas.additive.interactions import Function, Interactions
from se_nas.additive.model import Array, Posterior


@dataclass(frozen=True)
class Surrogate:
    """What is believed of the values of networks, whose amounts are ``posterior.rows``."""

    posterior: Posterior
    interactions: Interactions | None = None

    def means(self, rows: Array) -> Array:
        """Return the expected values, [rows]."""
        found = self.posterior.means(rows)
        return found if self.interactions is None else found + self.interactions.means(rows)

    def deviations(self, rows: Array) -> Array:
        """Return the standard deviations of the true values, [rows]."""
        found = self.posterior.deviations(rows)
        if self.interactions is None:
            return found
        together: Array = np.sqrt(found**2 + self.interactions.variances(rows))
        return together

    def draw(self, generator: np.random.Generator) -> Function:
        """Draw a function from what is believed."""
        posterior, worths = self.posterior, self.posterior.draw(generator)
        drawn = None if self.interactions is None else self.interactions.draw(generator)

        def values(rows: Array) -> Array:
            found: Array = posterior.offset + (rows - posterior.center) @ worths
            return found if drawn is None else found + drawn(rows)

        return values
