"""What `groundwire power` prints: how many prompts an answer takes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from .errors import UsageError
from .formats import percent
from .statistics import design_effect, prompts_for_bound, prompts_for_difference, prompts_for_equality


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A question and the prompts that it takes.

    Attributes:
        rate: What the rate is expected to be.
        tolerance: Largest difference between groups that passes.
        groups: Groups that are compared.
        samples: Continuations a prompt (k).
        correlation: Between the continuations of one prompt.
        confidence: 1 less the probability of a wrong answer.
        power: Probability of an answer.
        design_effect: By how much k continuations of one prompt inflate the variance.
        prompts_to_fail: A group, to see a difference as large as the tolerance.
        prompts_to_pass: A group, to see that groups with the same rate differ by less than it.
        prompts_for_limit: To see that one rate lies below `rate + tolerance`.
    """

    rate: float
    tolerance: float
    groups: int
    samples: int
    correlation: float
    confidence: float
    power: float
    design_effect: float
    prompts_to_fail: int
    prompts_to_pass: int
    prompts_for_limit: int


def plan(
    *, rate: float, tolerance: float, groups: int, samples: int, correlation: float, confidence: float, power: float
) -> Plan:
    """Return how many prompts the answers take.

    Raises:
        UsageError: Something lies outside its range.
    """
    asked: dict[str, Any] = {"k": samples, "correlation": correlation, "alpha": 1 - confidence, "power": power}
    try:
        return Plan(
            rate=rate, tolerance=tolerance, groups=groups, samples=samples, correlation=correlation,
            confidence=confidence, power=power, design_effect=design_effect(samples, correlation),
            prompts_to_fail=prompts_for_difference(rate, tolerance, groups=groups, **asked),
            prompts_to_pass=prompts_for_equality(rate, tolerance, groups=groups, **asked),
            prompts_for_limit=prompts_for_bound(rate, rate + tolerance, **asked),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def plan_json(found: Plan) -> str:
    """Return the plan as JSON."""
    return json.dumps(asdict(found), indent=1) + "\n"


def plan_text(found: Plan) -> str:
    """Return the plan as people read it."""
    pairs = found.groups * (found.groups - 1) // 2
    many = f", corrected for {pairs} pairs" if pairs > 1 else ""
    each = f"{found.samples} continuation{'s' if found.samples > 1 else ''} a prompt"
    difference, limit = percent(found.tolerance), percent(found.rate + found.tolerance)
    return (
        f"A rate of {percent(found.rate)}, {each}, correlation {found.correlation:g}"
        f" (design effect {found.design_effect:.3g}), confidence {percent(found.confidence)},"
        f" power {percent(found.power)}:\n\n"
        f"  {found.prompts_to_fail:>9,} prompts a group  to see that two of {found.groups} groups differ by"
        f" {difference}{many}\n"
        f"  {found.prompts_to_pass:>9,} prompts a group  to see that {found.groups} groups with the same rate differ"
        f" by less than {difference}{many}\n"
        f"  {found.prompts_for_limit:>9,} prompts          to see that one rate lies below {limit}\n\n"
        "Prompts that are asked of every group alike (paired by template) need no more, and mostly fewer.\n"
    )
