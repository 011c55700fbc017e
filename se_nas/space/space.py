"""``Space``: a search space as a value.

    mobile = Space(
        "mobile",
        trunk=choice("mobilenet_v1", "mobilenet_v2"),
        se=per_stage(optional(SE(reduction=choice(4, 8, 16)))),
        constraints=[params <= 5.5e6],
    )

It has a size, is enumerated, sampled, tested for membership and written as JSON. On its own it is
the plugin for anyone's Optuna study or Ray Tune script: ``architecture = space.suggest(trial)``.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from se_nas.architecture import names
from se_nas.architecture.architecture import Architecture
from se_nas.documents import read_json
from se_nas.errors import InputError, unknown
from se_nas.se import SE
from se_nas.space import templates
from se_nas.space.checks import as_trunks, check_stages
from se_nas.space.objectives import Constraint, Objective, maximize
from se_nas.space.template_json import from_data, to_data
from se_nas.space.templates import Ask, Decisions, Drawing, Label
from se_nas.texts import written
from se_nas.trunks import Trunk
from se_nas.values import as_python, sequence, whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,99}"


class Suggests(Protocol):
    """The method of an Optuna trial that ``Space.suggest`` calls."""

    def suggest_categorical(self, name: str, choices: tuple[Label, ...], /) -> Any: ...


def trunk(name: str, **settings: Any) -> Trunk:
    """Return a named trunk with other settings: ``trunk("resnet18", width=choice(16, 32))``.

    Raises:
        InputError: unknown name or setting, with the nearest match.
    """
    base = names.parse_trunk(name)
    allowed = list(base.__dataclass_fields__)
    for field in settings:
        if field not in allowed:
            raise unknown(f"setting of {name}", field, allowed)
    return replace(base, **{field: as_python(value) for field, value in settings.items()})


@dataclass(frozen=True)
class Space:
    """A template of architectures, constraints and objectives.

    Attributes:
        name: letters, digits, ``_`` and ``-``.
        trunk: a trunk, its name, or a ``choice`` of them; settings may be choices too.
        se: ``SE | None`` for all stages alike, or ``per_stage(...)``, or a ``choice`` of such.
        constraints: e.g. ``params <= 5e6``; see ``se_nas.space.objectives``.
        objectives: e.g. ``maximize("val_acc")``; several make a multi-objective search.
        version: raise it when the meaning of a published space changes.

    Raises:
        InputError: a trunk is unknown, a placement is offered that a trunk lacks, or a stage is
            named that no trunk has.
    """

    name: str
    trunk: Any
    se: Any = None
    constraints: tuple[Constraint, ...] = ()
    objectives: tuple[Objective, ...] = (maximize("val_acc"),)
    version: int = 1

    def __init__(
        self,
        name: str,
        *,
        trunk: object,
        se: SE | None = None,
        constraints: Iterable[Constraint] = (),
        objectives: Iterable[Objective] = (maximize("val_acc"),),
        version: int = 1,
    ) -> None:
        name = as_python(name)
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise InputError(
                f"name of a space is {written(name)}; use letters, digits, _ and -, at most 100"
            )
        if isinstance(constraints, Constraint) or isinstance(objectives, Objective):
            raise InputError(f"space {name!r}: write constraints=[...] and objectives=[...]")
        fixed = sequence("constraints", constraints), sequence("objectives", objectives)
        for kind, items in ((Constraint, fixed[0]), (Objective, fixed[1])):
            for item in items:
                if not isinstance(item, kind):
                    example = "params <= 5e6" if kind is Constraint else 'maximize("val_acc")'
                    raise InputError(
                        f"space {name!r}: {written(item)} is no {kind.__name__.lower()}; "
                        f"write {example}"
                    )
        if not fixed[1]:
            raise InputError(f'space {name!r}: objectives is empty; give maximize("val_acc")')
        for field, value in (
            ("name", name),
            ("trunk", as_trunks(trunk)),
            ("se", se),
            ("constraints", fixed[0]),
            ("objectives", fixed[1]),
            ("version", whole(f"version of the space {name!r}", version, 0)),
        ):
            object.__setattr__(self, field, value)
        check_stages(self.name, self.trunk, self.se)

    @cached_property
    def _draw_trunk(self) -> Drawing:
        return templates.drawing(self.trunk, "trunk")

    @cached_property
    def _draw_se(self) -> dict[tuple[int, ...], Drawing]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the drawing functions, which other processes make again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def size(self) -> int:
        """Number of points, before constraints; some may build the same network.

        >>> from se_nas import choice
        >>> Space("s", trunk="resnet18", se=SE(reduction=choice(4, 8))).size
        2
        """
        by_stages: dict[tuple[int, ...], int] = {}
        for value in templates.trunk_values(self.trunk):
            by_stages[value.stages] = by_stages.get(value.stages, 0) + 1
        return sum(
            count * templates.size_se(self.se, stages) for stages, count in by_stages.items()
        )

    def draw(self, ask: Ask) -> Architecture:
        """Build the architecture for which ``ask(path, options)`` makes every choice."""
        drawn = self._draw_trunk(ask)
        if drawn.stages not in self._draw_se:
            self._draw_se[drawn.stages] = templates.drawing_se(self.se, drawn.stages, "se")
        return Architecture(drawn, self._draw_se[drawn.stages](ask))

    def suggest(self, trial: Suggests) -> Architecture:
        """Let an Optuna trial choose: conditional categorical parameters with dotted names.

        The constraints are not enforced here: any point of the space may come. A search of ours
        rejects those that break them before training; in a study of your own, do the same with
        ``violations``. Give Optuna the numbers, by which its samplers learn, and stop the trial
        (before Optuna 5 a sampler takes them by a ``constraints_func``):

        >>> import optuna, se_nas
        >>> from se_nas.cost import cost
        >>> space = Space(
        ...     "mine",
        ...     trunk=trunk("resnet8_small", width=se_nas.choice(8, 16)),
        ...     constraints=[se_nas.params <= 50_000],
        ... )
        >>> def objective(trial):
        ...     architecture = space.suggest(trial)
        ...     violations = space.violations(cost(architecture, num_classes=10))
        ...     for constraint, excess in violations.items():
        ...         trial.set_constraint(constraint, excess)
        ...     if any(excess > 0 for excess in violations.values()):
        ...         raise optuna.TrialPruned(f"breaks {violations}")
        ...     return 0.9  # train se_nas.materialize(architecture, num_classes=10) here
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> sampler = optuna.samplers.TPESampler(seed=0)
        >>> study = optuna.create_study(direction="maximize", sampler=sampler)
        >>> study.optimize(objective, n_trials=8)
        >>> sorted({(trial.params["trunk.width"], trial.state.name) for trial in study.trials})
        [(8, 'COMPLETE'), (16, 'PRUNED')]
        """
        return self.draw(lambda path, options: trial.suggest_categorical(path, options))

    def sample(self, rng: random.Random | int) -> Architecture:
        """Draw a random architecture: every choice that is met is made uniformly.

        Args:
            rng: Python's generator, or a seed of one.
        """
        generator = rng if isinstance(rng, random.Random) else random.Random(whole("rng", rng, 0))
        return self.draw(lambda _, options: generator.choice(options))

    def __iter__(self) -> Iterator[Architecture]:
        """Yield all ``size`` architectures, in a fixed order."""
        return templates.every(self.draw)

    def decisions(self, architecture: Architecture) -> Decisions | None:
        """Return the parameters by which the space gives ``architecture``; None if it cannot."""
        head = templates.match(self.trunk, architecture.trunk, "trunk")
        stages = architecture.trunk.stages
        tail = templates.match_se(self.se, architecture.se, stages, "se")
        return None if head is None or tail is None else head | tail

    def __contains__(self, architecture: object) -> bool:
        return isinstance(architecture, Architecture) and self.decisions(architecture) is not None

    def violations(self, cost: DataclassInstance | Mapping[str, float]) -> dict[str, float]:
        """Return by constraint how far off a cost is, as a share of the limit; ≤ 0 is feasible.

        The numbers are what Optuna's ``Trial.set_constraint`` takes (and what a
        ``constraints_func`` returns); ``suggest`` has an example.

        Args:
            cost: a ``Cost``, as ``se_nas.cost.cost`` gives it, at the size of your images and with
                your number of classes; or a mapping, which may have ``latency_ms`` too.
                Constraints on quantities that it does not have are left out.

        Raises:
            InputError: it is neither, such as an architecture: its cost depends on the images.

        >>> from se_nas.cost import Cost
        >>> from se_nas.space.objectives import params
        >>> space = Space("s", trunk="resnet18", constraints=[params <= 8_000_000])
        >>> space.violations(Cost(params=12_000_000, macs=1, peak_activations=1))
        {'params <= 8,000,000': 0.5}
        """
        if not isinstance(cost, Mapping) and not hasattr(cost, "params"):
            raise InputError(
                f"violations takes a Cost, not a {type(cost).__name__}; give "
                "se_nas.cost.cost(architecture, input_size=…, num_classes=…)"
            )
        values = cost if isinstance(cost, Mapping) else asdict(cost)
        known = [c for c in self.constraints if c.quantity in values]
        return {str(constraint): constraint.violation(values) for constraint in known}

    def admits(self, cost: DataclassInstance) -> bool:
        """Return whether a ``Cost`` keeps all constraints on what it knows of.

        >>> from se_nas.cost import cost
        >>> from se_nas.space.objectives import params
        >>> Space("s", trunk="resnet18", constraints=[params <= 1e6]).admits(cost("resnet18"))
        False
        """
        return all(violation <= 0 for violation in self.violations(cost).values())

    def to_json(self) -> str:
        """Write the whole space as JSON."""
        return json.dumps(
            {
                "name": self.name,
                "version": self.version,
                "trunk": to_data(self.trunk),
                "se": to_data(self.se),
                "constraints": [asdict(constraint) for constraint in self.constraints],
                "objectives": [asdict(objective) for objective in self.objectives],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Space:
        """Read what ``to_json`` wrote.

        Raises:
            InputError: it is not a space's JSON, or a value in it is not allowed.
        """
        try:
            data = dict(read_json(text))
            allowed = [field.name for field in fields(cls)]
            for key in data:
                if key not in allowed:
                    raise unknown("key of a space's JSON", key, allowed)
            return cls(
                data["name"],
                trunk=from_data(data["trunk"]),
                se=from_data(data["se"]),
                constraints=[Constraint(**item) for item in data["constraints"]],
                objectives=[Objective(**item) for item in data["objectives"]],
                version=data["version"],
            )
        except InputError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"not a space's JSON ({error!r}): {written(text)[:80]}") from None

    @property
    def hash(self) -> str:
        """Hash of everything but the name: twelve hexadecimal digits of SHA-256."""
        content = json.loads(self.to_json()) | {"name": ""}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
