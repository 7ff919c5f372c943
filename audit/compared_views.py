"""Rows of the comparison's page: runs, settings, metrics and where they come from, as texts side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .candidates import Candidate
from .compared_findings import FindingChange
from .compared_forest import signed
from .compared_moves import Compared, Move, letter
from .compared_rows import named
from .escape import visible
from .firstscreen import Tone
from .formats import NOTHING, count, interval, moment, number, smaller_unit
from .model import Metric, RunKind
from .repeats import NOT_SET, Difference, plain

DIGEST = re.compile(r"[0-9a-f]{32,}")
WIDEST = 200  # characters of a setting's value
BARE = frozenset({"", "loss", "share", "probability", "step"})  # units that a number needs not
WORDS = {
    "better": "better, beyond the noise",
    "worse": "worse, beyond the noise",
    "other": "changed, beyond the noise",
    "within": "within the noise",
    "same": "no change",
}
BRIEF = {"better": "better", "worse": "worse", "other": "changed", "within": "within the noise", "same": "no change"}
TONES: dict[str, Tone] = {"better": "pass", "worse": "fail"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """A run as the page names it."""

    letter: str
    model: str
    id: str
    status: str
    length: str
    started: str
    url: str
    excluded: str
    mark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingRow:
    """A setting in which runs differ, with the findings of the first run that recommend a value for it."""

    key: str
    values: list[str]
    wanted: list[tuple[str, str, str]]  # code of the rule, place of the finding, what it recommends


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """How a value differs from that of the first run."""

    difference: str
    share: str
    spread: str
    word: str
    brief: str
    tone: Tone


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueRow:
    """A metric of all runs."""

    name: str
    about: str  # its unit and which direction is better
    values: list[tuple[str, str, str]]  # value, its interval, and n or why there is none
    steps: list[Step]


def run_views(runs: Sequence[Candidate]) -> list[RunView]:
    """Return what a reader needs to tell runs apart."""
    return [_run_view(run, letter(place)) for place, run in enumerate(runs)]


def _run_view(run: Candidate, name: str) -> RunView:
    told = run.audit.run if run.audit is not None else None
    trained = told is not None and told.kind is RunKind.TRAINING
    return RunView(
        letter=name,
        model=short(told.model) if told else "unknown",
        id=short(told.id if told else run.label),
        status=run.status,
        length=NOTHING if told is None else count(told.steps, "step") if trained else "asked, not trained",
        started=NOTHING if told is None else moment(told.started),
        url=visible(run.url, cap=WIDEST),
        excluded=run.excluded or "",
        mark=f" ({run.status if run.status != 'finished' else 'not counted'})" if run.excluded else "",
    )


def notices(runs: Sequence[Candidate]) -> Iterator[str]:
    """Yield what a reader must know of the runs before believing anything below."""
    for place, run in enumerate(runs):
        if run.excluded:
            why = _stopped(run)
            yield f"{letter(place)} does not count: {run.excluded}{why}. Its numbers stand here and decide nothing."
        elif run.audit is not None and run.audit.run.steps == 0 and run.audit.run.kind is RunKind.TRAINING:
            yield f"{letter(place)} took no optimizer step: there is nothing to judge in it."
    models = list(dict.fromkeys(run.audit.run.model for run in runs if run.audit is not None))
    if len(models) > 1:
        yield f"The runs are of {len(models)} models: {', '.join(short(model, 40) for model in models[:4])}."


def _stopped(run: Candidate) -> str:
    if run.audit is None or run.status == "finished":
        return ""
    why = f" by {short(run.audit.run.exception, 60)}" if run.audit.run.exception else ""
    return f", stopped{why} after {count(run.audit.run.steps, 'step')}"


def setting_rows(
    found: Sequence[Difference], runs: Sequence[Candidate], changes: Sequence[Sequence[FindingChange]] = ()
) -> list[SettingRow]:
    """Return settings in which runs differ; what findings of the first run recommend stands beside them."""
    return [
        SettingRow(key=each.key, values=_values(each.values, runs), wanted=list(_wanted(each.key, changes)))
        for each in found
    ]


def _values(values: Mapping[str, tuple[str, ...]], runs: Sequence[Candidate]) -> list[str]:
    of = {label: value for value, labels in values.items() for label in labels}
    return ["unknown" if run.audit is None else setting_text(of.get(run.label, NOT_SET)) for run in runs]


def setting_text(value: str) -> str:
    """Return a setting's JSON for a narrow column: digests cut, and numbers without what rounding has left."""
    shown = plain(value)
    if DIGEST.fullmatch(shown):
        return f"{shown[:12]}…"
    try:
        found = json.loads(value)
    except ValueError:
        return short(shown)
    return repr(float(f"{found:.12g}")) if isinstance(found, float) else short(shown)


def _wanted(key: str, changes: Sequence[Sequence[FindingChange]]) -> Iterator[tuple[str, str, str]]:
    seen = set()
    for place, each in enumerate(changes, start=1):
        for index, change in enumerate(each, start=1):
            for taken in change.taken if change.before is not None else ():
                if taken.key == key and (change.rule, str(taken)) not in seen:
                    seen.add((change.rule, str(taken)))
                    yield change.rule, f"finding-{place}-{index}", short(str(taken.value))


def value_row(row: Compared) -> ValueRow:
    """Return a metric as texts, all of its values in one unit."""
    sizes = [abs(cell.value) for cell in row.cells if cell is not None and cell.value is not None]
    factor, unit = smaller_unit(max(sizes, default=None), row.unit)
    better = f"{row.better} is better" if row.better != "neither" else ""
    told = better + (", going by its name" if row.guessed else "")
    return ValueRow(
        name=named(row.key),
        about=" · ".join(filter(None, (f"in {unit}" if unit not in BARE else "", told))),
        values=[_value(cell, factor) for cell in row.cells],
        steps=[_step(move, factor) for move in row.moves],
    )


def _value(cell: Metric | None, factor: float) -> tuple[str, str, str]:
    if cell is None:
        return NOTHING, "", "not measured"
    if cell.value is None:
        return "unknown", "", ""  # why stands where the difference would
    ends = "" if cell.low is None and cell.high is None else _interval(cell.low, cell.high, factor)
    size = "" if cell.n is None else f"n = {cell.n:,}"
    quality = "" if cell.quality.value == "measured" else cell.quality.value
    return number(cell.value * factor), ends, ", ".join(filter(None, (size, quality)))


def _interval(low: float | None, high: float | None, factor: float) -> str:
    return interval(*(None if end is None else end * factor for end in (low, high)))


def _step(move: Move, factor: float) -> Step:
    if move.value is None:
        why = f"cannot tell: {move.reason}"
        return Step(difference=NOTHING, share="", spread="", word=why, brief="not comparable", tone="unknown")
    by_value = f"{move.way} by value; " if move.way else ""
    return Step(
        difference=f"{'+' if move.value > 0 else ''}{number(move.value * factor)}",
        share=signed(move.share) if move.share else "",
        spread="" if move.low is None else _interval(move.low, move.high, factor),
        word=WORDS.get(move.judged) or f"{by_value}cannot tell from noise: {move.reason}",
        brief=BRIEF.get(move.judged, "noise unknown"),
        tone=TONES.get(move.judged, "plain"),
    )


def short(text: str, most: int = WIDEST) -> str:
    """Return a text with its acting characters shown, cut where it would fill a page."""
    shown = visible(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
