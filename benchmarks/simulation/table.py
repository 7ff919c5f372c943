"""The tables that `python -m benchmarks.simulation` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundwire.audit.statistics import prompts_for_bound, prompts_for_difference, prompts_for_equality

from . import coverage, detection
from .alarms import HOLM, NAIVE, OMNIBUS, PERCENTILE, false_alarms, unequal_alarms
from .generator import COLUMNS, Setting, recovered
from .samples import Share

GROUPS = (2, 4, 10)
ALIKE = "prompts of each group its own", "paired by template"
DIFFERENCES = (  # rates, prompts a group, k
    ((0.05, 0.10), 200, 5), ((0.05, 0.05), 435, 1), ((0.20, 0.30), 54, 25),
    ((0.05, 0.05, 0.10, 0.10), 200, 5), ((0.05,) * 10, 200, 5), ((0.02, 0.02), 54, 1), ((0.02, 0.05), 54, 5),
)  # fmt: skip
UNEQUAL = (  # prompts and correlations of groups with the same rate
    ((400, 40), (0.3, 0.3)), ((400, 40), (0.1, 0.6)), ((100, 100), (0.1, 0.6)), ((54,) * 10, (0.1,) * 9 + (0.6,)),
)  # fmt: skip
RATES = (
    (0.05, 200, 5),
    (0.10, 200, 25),
    (0.20, 54, 25),
    (0.05, 435, 5),
    (0.01, 54, 5),
    (0.05, 54, 25),
    (0.01, 200, 25),
)
PLANTED = ((0.02, 0.10), (0.02, 0.10, 0.10, 0.30), (0.02,) * 3 + (0.10,) * 4 + (0.30,) * 3)
GENERATORS = (  # k, correlation within a prompt, whether templates are shared
    (1, 0.0, False), (5, 0.0, False), (5, 0.3, False), (25, 0.0, False), (25, 0.3, False), (25, 0.3, True),
)  # fmt: skip
THROUGH_EVALUATION = PLANTED[0], 5, 0.3


def measure(repeats: int = 4000) -> Iterator[str]:
    """Return one table after the other, the first simulated `repeats` times and dear ones less often."""
    yield _alarms(repeats)
    yield _unequal(repeats // 8)
    yield _power(repeats // 2)
    yield _answers(repeats // 8)
    yield _asked_again(repeats // 16)
    yield _differences(repeats // 4)
    yield _rates(repeats // 4)
    yield _generators(repeats // 20)


def _alarms(repeats: int) -> str:
    rows = []
    for groups in GROUPS:
        for paired in (False, True):
            found = false_alarms(groups, paired=paired, repeats=repeats, tests=[OMNIBUS, NAIVE])
            found |= false_alarms(groups, paired=paired, repeats=repeats // 8, tests=[HOLM, PERCENTILE], draws=1999)
            rows.append([groups, ALIKE[paired], *(found[test] for test in (OMNIBUS, HOLM, NAIVE, PERCENTILE))])
    return _table(["groups", "", OMNIBUS, HOLM, NAIVE, PERCENTILE], rows)


def _unequal(repeats: int) -> str:
    rows = []
    for prompts, correlations in UNEQUAL:
        found = unequal_alarms(prompts, correlations, repeats=repeats)
        told = f"{len(prompts)}: {prompts[0]} and {prompts[-1]}", f"{correlations[0]} and {correlations[-1]}"
        rows.append([*told, *found.values()])
    return _table(["groups and prompts", "correlations", OMNIBUS, HOLM], rows)


def _power(repeats: int) -> str:
    rows = []
    for groups in GROUPS:
        for k in (1, 5, 25):
            both = [
                detection.power_of_a_pair(groups, k=k, paired=paired, repeats=repeats) for paired in (False, True)
            ]
            rows.append([groups, k, prompts_for_difference(0.05, 0.05, groups=groups, k=k), *both])
    return _table(["groups", "k", "prompts a group", *ALIKE], rows)


def _answers(repeats: int) -> str:
    rows = []
    for groups in GROUPS:
        unlike = prompts_for_difference(0.05, 0.05, groups=groups)
        found = detection.answers(groups, unlike, different=True, repeats=repeats)
        rows.append([groups, "one is higher by .05", unlike, *(found[name] for name in detection.OUTCOMES)])
        alike = prompts_for_equality(0.05, 0.05, groups=groups)
        found = detection.answers(groups, alike, different=False, repeats=repeats)
        rows.append([groups, "none", alike, *(found[name] for name in detection.OUTCOMES)])
    bound = detection.below(repeats=20 * repeats)
    rows.append([1, "rate of .05, limit .10", prompts_for_bound(0.05, 0.10), "", bound, ""])
    return _table(["groups", "true difference", "prompts a group", *detection.OUTCOMES], rows)


def _asked_again(repeats: int) -> str:
    rows = []
    for rates in ((0.05, 0.05), (0.05,) * 4, (0.05, 0.15), (0.05, 0.10)):
        unknown, needed, found = detection.asked_again(rates, repeats=repeats)
        told = f"{len(rates)}: {min(rates):g} to {max(rates):g}"
        rows.append([told, unknown, round(needed), *(found[name] for name in detection.OUTCOMES)])
    head = ["groups and rates", "54 templates cannot tell", "about so many would (median)"]
    return _table([*head, *(f"then {name}" for name in detection.OUTCOMES)], rows)


def _differences(repeats: int) -> str:
    rows = []
    for rates, prompts, k in DIFFERENCES:
        for paired in (False, True):
            found = coverage.of_differences(rates, prompts, k, paired=paired, repeats=repeats)
            told = f"{len(rates)}: {min(rates):g} to {max(rates):g}"
            rows.append([told, prompts, k, ALIKE[paired], *(found[name] for name in coverage.OF_DIFFERENCES)])
    return _table(["groups and rates", "prompts", "k", "", *coverage.OF_DIFFERENCES], rows)


def _rates(repeats: int) -> str:
    rows = []
    for rate, prompts, k in RATES:
        found = coverage.of_rates(rate, prompts, k, repeats=repeats)
        rows.append([f"{rate:g}", prompts, k, *(found[name] for name in coverage.OF_RATES)])
    return _table(["rate", "prompts", "k", *coverage.OF_RATES], rows)


def _generators(repeats: int) -> str:
    rows = []
    for rates in PLANTED:
        for k, correlation, shared in GENERATORS:
            setting = Setting(rates=rates, k=k, correlation=correlation, shared=shared)
            whole = (rates, k, correlation) == THROUGH_EVALUATION
            found = recovered(setting, repeats=repeats, whole=whole)
            told = f"{len(rates)}: {min(rates):g} to {max(rates):g}{' (whole)' * whole}"
            rows.append([told, k, f"{correlation:g}", "half shared" if shared else "independent", *found.values()])
    return _table(["groups and rates", "k", "correlation", "templates", *COLUMNS], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int | Share]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""])
