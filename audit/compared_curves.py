"""Curves of several runs over each other: a colour and a dash stand for a run, its name at the end of the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .candidates import Candidate
from .charts import COLOURS, DASHES, Area, Floats, Line, LineChart, PanelPlan, Table, line_chart, prefers_log
from .compared_moves import letter
from .curves import Curve, Reader, added_up, gaps, thinned
from .errors import GroundwireError
from .formats import number, smaller_unit
from .record import Record

MOST = min(8, len(COLOURS), len(DASHES))  # runs whose lines can be told apart
ENERGY = "carbon.energy_kwh"
MOST_BANDS = 2  # runs whose intervals can be told apart
MOST_LOGGED = 6
LOG_NOTE = " The vertical axis is logarithmic because the values span several powers of ten."


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run whose curves are drawn."""

    place: int
    reader: Reader

    @property
    def name(self) -> str:
        """Its short name."""
        return letter(self.place)


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """Charts, and what could not be drawn, as sentences."""

    charts: list[LineChart]
    missing: list[str]


def compared_curves(runs: Sequence[Candidate]) -> Curves:
    """Return charts of the first runs, those that do not count too; what has no curve is named."""
    found = [Run(place=place, reader=Reader(_record(run))) for place, run in enumerate(runs[:MOST])]
    unread = [run.name for run in found if run.reader.record is None]
    missing = [f"{name}: its record cannot be read, only audit.json." for name in unread]
    charts = list(_charts(found, missing))
    missing += [f"{run.name}: {told}." for run in found for told in dict.fromkeys(run.reader.failures[:3])]
    if len(runs) > MOST:
        missing.append(f"Curves of the first {MOST} of {len(runs)} runs are drawn: more cannot be told apart.")
    return Curves(charts=charts, missing=missing)


def _record(run: Candidate) -> Record | None:
    try:
        return Record.open(run.url)
    except GroundwireError:
        return None


def _charts(runs: Sequence[Run], missing: list[str]) -> Iterator[LineChart]:
    yield from _losses(runs, missing)
    gap = _drawable(runs, "overfitting.gap")
    if gap:
        yield _gap(runs, gap)
    else:
        missing.append("No run recorded the gap between training and validation loss.")
    for name, title in (("gradient.norm", "Gradient norm before clipping"), (ENERGY, "Energy used so far")):
        found = _drawable(runs, name)
        if found:
            found, unit = _in_one_unit(found) if name == ENERGY else (found, "")
            yield _chart(title, [_plan(unit or "norm", found)], found, unit=unit)
            missing += _absent(runs, found, title)
        else:
            missing.append(f"No run recorded this: {title.lower()}.")


def _in_one_unit(found: dict[int, Curve]) -> tuple[dict[int, Curve], str]:
    """Return curves of energy in a unit in which the highest is no tiny fraction, and that unit."""
    finite = np.concatenate([curve.value[np.isfinite(curve.value)] for curve in found.values()])
    factor, unit = smaller_unit(float(finite.max()) if finite.size else None, "kWh")
    return {place: Curve(curve.step, curve.value * factor, unit) for place, curve in found.items()}, unit


def _losses(runs: Sequence[Run], missing: list[str]) -> Iterator[LineChart]:
    """Yield validation over training loss; what the modules logged where no run compared the two."""
    validation, training = _drawable(runs, "overfitting.val_loss"), _drawable(runs, "overfitting.train_loss")
    if validation:
        plans = [_plan("validation loss", validation)] + ([_plan("training loss", training)] if training else [])
        yield _chart("Validation and training loss, both in eval mode", plans, validation, what="Validation loss")
        missing += _absent(runs, validation, "validation loss")
        return
    missing.append("No run compared training and validation loss in eval mode; what was logged is drawn.")
    steps = _drawable(runs, "train.loss")
    if steps:
        yield _chart("Loss of the training step", [_plan("training loss", steps)], steps)
    for name in list(dict.fromkeys(name for run in runs for name in run.reader.columns("logged")))[:MOST_LOGGED]:
        logged = _drawable(runs, "logged", name)
        yield _chart(f"logged.{name}", [_plan("value", logged)], logged)


def _drawable(runs: Sequence[Run], name: str, column: str | None = None) -> dict[int, Curve]:
    """Return the curves that runs have of a series, by their places."""
    found = {run.place: run.reader.curve(name, column) for run in runs}
    if name == ENERGY:
        found = {place: added_up(curve) for place, curve in found.items()}
    return {place: curve for place, curve in found.items() if curve.drawable}


def _absent(runs: Sequence[Run], found: dict[int, Curve], what: str) -> Iterator[str]:
    names = [run.name for run in runs if run.place not in found and run.reader.record is not None]
    if names:
        yield f"{', '.join(names)}: no {what[:1].lower()}{what[1:]} was recorded."


def _plan(title: str, found: dict[int, Curve], areas: Sequence[Area] = ()) -> PanelPlan:
    lines = (Line(label=letter(place), step=each.step, value=each.value, look=place) for place, each in found.items())
    return PanelPlan(title=title, lines=list(lines), areas=areas, log=False if areas else _log(found))


def _log(found: dict[int, Curve]) -> bool:
    """Return whether the axis is logarithmic: never where some value has no logarithm."""
    values = np.concatenate([curve.value[np.isfinite(curve.value)] for curve in found.values()])
    return prefers_log(values)


def _gap(runs: Sequence[Run], found: dict[int, Curve]) -> LineChart:
    areas = [area for run in runs if run.place in found and len(found) <= MOST_BANDS for area in _band(run)]
    bands = " The bands are 95 % intervals of each run's gap." if areas else ""
    plan = _plan("loss", found, areas)
    return _chart("Gap: validation minus training loss", [plan], found, more=bands)


def _band(run: Run) -> Iterator[Area]:
    gap, low, high = (run.reader.curve(f"overfitting.gap{end}") for end in ("", "_low", "_high"))
    if gap.step.size == low.step.size == high.step.size:
        yield Area(step=gap.step, low=low.value, high=high.value, look=run.place)


def _chart(
    title: str, plans: Sequence[PanelPlan], found: dict[int, Curve], *, what: str = "", unit: str = "", more: str = ""
) -> LineChart:
    note = LOG_NOTE if any(plan.log for plan in plans) else ""
    broken = "".join(f" {letter(place)}:{told}" for place, curve in found.items() if (told := gaps(curve)))
    return line_chart(
        title=title,
        caption=_ends(what or title, found, unit) + more + note + broken + thinned(*found.values()),
        plans=plans,
        table=_table(found, unit),
    )


def _ends(what: str, found: dict[int, Curve], unit: str) -> str:
    """Return where each curve ends, and its lowest value."""
    ends = "; ".join(f"{letter(place)} {_end(curve, unit)}" for place, curve in found.items())
    return f"{what.partition(':')[0]} at the end: {ends}."


def _end(curve: Curve, unit: str) -> str:
    finite = np.flatnonzero(np.isfinite(curve.value))
    if not finite.size:
        return "no finite value"
    last, low = int(finite[-1]), int(finite[np.argmin(curve.value[finite])])
    told = f"{_shown(curve.value[last], unit)} at step {int(curve.step[last]):,}"
    if unit or low == last:
        return told
    return f"{told}, lowest {_shown(curve.value[low], unit)} at step {int(curve.step[low]):,}"


def _shown(value: float, unit: str) -> str:
    return f"{number(float(value))} {unit}".rstrip()


def _table(found: dict[int, Curve], unit: str) -> Table:
    return Table(
        header=("run", "points", "first", "lowest", "highest", "last"),
        rows=tuple(
            (letter(place), f"{each.step.size:,}", *_facts(each.value, unit)) for place, each in found.items()
        ),
    )


def _facts(value: Floats, unit: str) -> Iterator[str]:
    finite = value[np.isfinite(value)]
    if not finite.size:
        return iter(["—"] * 4)
    return (_shown(each, unit) for each in (finite[0], finite.min(), finite.max(), finite[-1]))
