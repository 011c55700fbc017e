"""Constraints and objectives of a search, on quantities such as params and val_acc.

constraints=[params <= 5.5e6, macs <= 600e6], objectives=[maximize("val_acc")]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from se_nas.errors import InputError, unknown
from se_nas.texts import written
from se_nas.values import among, as_python, is_number

# Known before training by arithmetic; measured on the device; known after an epoch of training.
COSTS = ("params", "macs", "peak_activations")
MEASURED = ("latency_ms",)
METRICS = ("val_acc", "val_loss", "balanced_accuracy", "macro_f1")
SHARES = ("val_acc", "balanced_accuracy", "macro_f1")  # in [0, 1], shown in percent
LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Constraint:
    """``quantity <= limit`` or ``quantity >= limit``."""

    quantity: str
    operator: Literal["<=", ">="]
    limit: float

    def __post_init__(self) -> None:
        for field in ("quantity", "operator", "limit"):
            object.__setattr__(self, field, as_python(getattr(self, field)))
        if not among(self.quantity, (*COSTS, *MEASURED)):
            raise unknown("quantity of a constraint", self.quantity, (*COSTS, *MEASURED))
        if not among(self.operator, ("<=", ">=")):
            raise unknown("operator of a constraint", self.operator, ("<=", ">="))
        if not is_number(self.limit) or not 0 < self.limit <= LARGEST:
            raise InputError(
                f"constraint {self.quantity}: the limit is {written(self.limit)}; give > 0"
            )

    def violation(self, values: Mapping[str, float]) -> float:
        """Return the excess as a share of the limit; feasible if ≤ 0 (Optuna's convention).

        >>> (params <= 100).violation({"params": 150})
        0.5
        """
        excess = values[self.quantity] / self.limit - 1
        return excess if self.operator == "<=" else -excess

    def __bool__(self) -> bool:
        # Python reads ``a <= params <= b`` as ``(a <= params) and (params <= b)``.
        raise InputError(
            f"constraint {self}: write two constraints instead of a <= {self.quantity} <= b"
        )

    def __str__(self) -> str:
        return f"{self.quantity} {self.operator} {self.limit:,.15g}"


@dataclass(frozen=True)
class Quantity:
    """A name that ``<=`` and ``>=`` turn into a ``Constraint``."""

    name: str
    # NumPy's numbers on the left leave the comparison to us.
    __array_ufunc__: ClassVar[None] = None

    def __le__(self, limit: float) -> Constraint:
        return Constraint(self.name, "<=", limit)

    def __ge__(self, limit: float) -> Constraint:
        return Constraint(self.name, ">=", limit)

    def __lt__(self, limit: float) -> Constraint:
        raise InputError(f"constraint {self.name} < {limit!r}: write <=")

    def __gt__(self, limit: float) -> Constraint:
        raise InputError(f"constraint {self.name} > {limit!r}: write >=")


params = Quantity("params")
macs = Quantity("macs")
peak_activations = Quantity("peak_activations")
latency_ms = Quantity("latency_ms")


@dataclass(frozen=True)
class Objective:
    """A metric or a cost, and which way is better."""

    metric: str
    direction: Literal["maximize", "minimize"]

    def __post_init__(self) -> None:
        for field in ("metric", "direction"):
            object.__setattr__(self, field, as_python(getattr(self, field)))
        allowed = (*METRICS, *COSTS, *MEASURED)
        if not among(self.metric, allowed):
            raise unknown("metric of an objective", self.metric, allowed)
        if not among(self.direction, ("maximize", "minimize")):
            raise unknown("direction of an objective", self.direction, ("maximize", "minimize"))

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"


def show_value(metric: str, value: float) -> str:
    """Return a metric's or a cost's value for people, with the same decimals as all others of it.

    >>> show_value("val_acc", 0.91234), show_value("macs", 1234567.0)
    ('91.23', '1,234,567')
    """
    if metric in SHARES:
        return f"{100 * value:.2f}"
    digits = {"val_loss": 4, "latency_ms": 3}.get(metric, 0)
    return f"{value:,.{digits}f}"


def with_unit(metric: str, text: str) -> str:
    """Return ``text`` with the unit of ``show_value``, where the name does not say it."""
    return f"{text} %" if metric in SHARES else text


def maximize(metric: str) -> Objective:
    """Declare that larger is better: ``maximize("val_acc")``."""
    return Objective(metric, "maximize")


def minimize(metric: str) -> Objective:
    """Declare that smaller is better: ``minimize("macs")``."""
    return Objective(metric, "minimize")
