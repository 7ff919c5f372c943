"""Every run of the benchmark: faults with their clean twins, hard negatives, and healthy runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from . import faults, negatives
from .optimizers import NAMES
from .plan import Plan
from .recipes import ARCHITECTURES, draw

Kind = Literal["fault", "twin", "negative", "healthy"]
Split = Literal["calibration", "report"]

SEEDS = 5  # of a fault on an architecture, and of a hard negative
# Recipes of the report were drawn anew when the thresholds stood. Change this whenever they change.
DRAWN: dict[Split, str] = {"calibration": "", "report": "/2026-11-22g"}
HEALTHY_SEEDS = 12  # of an architecture with an optimizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One run.

    Attributes:
        id: Its name and that of its folder.
        kind: What it is.
        name: The fault that it has or, as a twin, could have had; which hard negative it is; "healthy".
        architecture: Kind of model.
        optimizer: Kind of optimizer.
        seed: From 0; with the other attributes it decides everything.
        injected_at: Steps that were taken before the fault; 0 without one.
        split: Whether thresholds may be chosen on it, or only be tested.
    """

    id: str
    kind: Kind
    name: str
    architecture: str
    optimizer: str
    seed: int
    injected_at: int
    split: Split

    @property
    def fault(self) -> str | None:
        """The fault that the audit should name; None when it should say nothing."""
        return self.name if self.kind == "fault" else None


@cache
def all_cases() -> tuple[Case, ...]:
    """Return all cases; a third of the seeds of each fault, negative and pairing is for calibration."""
    return (*_faults(), *_negatives(), *_healthy())


def quick_cases() -> tuple[Case, ...]:
    """Return one case of each fault and each negative, and some healthy runs, for about a minute."""
    chosen = [case for case in all_cases() if case.kind in {"fault", "negative"}]
    first = {case.name: case for case in reversed(chosen)}
    healthy = [case for case in all_cases() if case.kind == "healthy" and case.seed == 1][::4]
    return (*first.values(), *healthy)


def _split(number: int) -> Split:
    return "report" if number % 3 else "calibration"


def _faults() -> Iterator[Case]:
    for index, fault in enumerate(faults.FAULTS):
        for place, (architecture, optimizers) in enumerate(fault.on.items()):
            for seed in range(SEEDS):
                common = {
                    "name": fault.name, "architecture": architecture, "seed": seed,
                    "optimizer": optimizers[seed % len(optimizers)], "split": _split(index + place + seed),
                }  # fmt: skip
                step = 150 + 20 * seed if architecture in fault.late else 0
                name = f"{fault.name}-{architecture}-{seed}"
                yield Case(id=name, kind="fault", injected_at=step, **common)
                yield Case(id=f"{name}-twin", kind="twin", injected_at=0, **common)


def _negatives() -> Iterator[Case]:
    for index, negative in enumerate(negatives.NEGATIVES):
        pairs = [(kind, optimizer) for kind, optimizers in negative.on.items() for optimizer in optimizers]
        for seed in range(SEEDS):
            architecture, optimizer = pairs[seed % len(pairs)]
            yield Case(id=f"{negative.name}-{seed}", kind="negative", name=negative.name, architecture=architecture,
                       optimizer=optimizer, seed=seed, injected_at=0, split=_split(index + seed))  # fmt: skip


def _healthy() -> Iterator[Case]:
    for architecture in ARCHITECTURES:
        for optimizer in NAMES:
            for seed in range(HEALTHY_SEEDS):
                yield Case(id=f"healthy-{architecture}-{optimizer}-{seed}", kind="healthy", name="healthy",
                           architecture=architecture, optimizer=optimizer, seed=seed, injected_at=0,
                           split=_split(seed))  # fmt: skip


def plan_of(case: Case, make: Callable[..., Plan] = Plan) -> Plan:
    """Return the run of a case, with its fault, as `make` makes a plan of its recipe."""
    about: faults.Fault | negatives.Negative | None = faults.BY_NAME.get(case.name) or negatives.BY_NAME.get(
        case.name
    )
    common = _chosen(about.common, case.seed) if about else {}
    recipe = draw(case.architecture, case.optimizer, case.name + DRAWN[case.split], case.seed, **common)
    plan = make(recipe, variant=case.seed, injected_at=case.injected_at)
    if isinstance(about, negatives.Negative):
        about.arrange(plan)
    elif about and case.kind == "fault":
        about.inject(plan)
    return plan


def _chosen(common: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return options; of those that are tuples, the one whose turn it is."""
    return {key: value[seed % len(value)] if isinstance(value, tuple) else value for key, value in common.items()}
