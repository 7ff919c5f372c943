"""A comparison as one HTML page: the same content policy, parts and charts as a run's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from . import report
from .candidates import Candidate
from .caveats import caveats
from .charts import Table
from .compared_curves import MOST, compared_curves
from .compared_findings import FindingChange, finding_changes, story
from .compared_forest import forest
from .compared_headline import headline
from .compared_moves import Compared, letter, moved
from .compared_provenance import provenance
from .compared_rows import named
from .compared_text import over
from .compared_views import notices, run_views, setting_rows, value_row
from .comparing import Comparison
from .formats import interval, number
from .model import Finding
from .repeats import differences, surroundings
from .rowcharts import Estimate, IntervalChart, interval_chart

MOST_ROWS, MOST_SETTINGS, MOST_FINDINGS, MOST_PICTURES, MOST_NOTICES = 60, 60, 40, 6, 12
MOST_LISTED = 8
COSTS = ("carbon", "efficiency")
TOLD_ELSEWHERE = ("findings", *COSTS)


def compared_page(found: Comparison) -> str:
    """Return runs beside each other as one self-contained page: no script, no request, a strict CSP."""
    environment = report.html_environment()
    style = "".join(environment.get_template(name).render() for name in ("report.css", "compare.css"))
    return (
        environment.get_template("compare.html.j2").render(_content(found), csp=report.content_policy(style)).lstrip()
    )


def _content(found: Comparison) -> dict[str, Any]:
    """Return everything that the template lays out."""
    runs = found.runs[:MOST]
    read = [run for run in runs if run.audit is not None]
    changes = [finding_changes(runs, place) for place in range(1, len(runs))]
    rows = moved(runs, found.asked)
    settings, around = setting_rows(differences(read), runs, changes), setting_rows(surroundings(read), runs)
    known = [row for row in rows if any(cell is not None and cell.value is not None for cell in row.cells)]
    metrics = [row for row in known if row.family not in TOLD_ELSEWHERE]
    costs = [row for row in known if row.family in COSTS]
    sections = [_section(each, place, runs) for place, each in enumerate(changes, start=1)]
    return {
        "runs": run_views(runs),
        "amount": len(found.runs),
        "notices": list(notices(found.runs))[:MOST_NOTICES],
        "headline": headline(found, rows, changes),
        "settings": settings[:MOST_SETTINGS],
        "environment": around[:MOST_SETTINGS],
        "metrics": [value_row(row) for row in metrics[:MOST_ROWS]],
        "costs": [value_row(row) for row in costs[:MOST_ROWS]],
        "left_out": {
            "settings": max(0, len(settings) - MOST_SETTINGS),
            "environment": max(0, len(around) - MOST_SETTINGS),
            "metrics": max(0, len(metrics) - MOST_ROWS),
            "costs": max(0, len(costs) - MOST_ROWS),
        },
        "refused": _refused([row for row in known if len(runs) > 2 and row.family != "findings"]),
        "unmeasured": _unmeasured([row for row in rows if row not in known]),
        "intervals": sum(move.low is not None for row in metrics for move in row.moves),
        "picture": forest(metrics, 0, first="A", other="B") if len(runs) == 2 else None,
        "charts": list(_interval_charts(metrics)) if len(runs) > 2 else [],
        "findings": [section for section in sections if section.groups],
        "quiet": [section.letter for section in sections if not section.groups and section.read],
        "unread": [section.letter for section in sections if not section.groups and not section.read],
        "curves": compared_curves(found.runs),
        "over": list(zip(*over(found), strict=True)) if len(found.runs) > 2 and found.rows else [],
        "notes": found.notes if len(found.runs) > 2 else _of_two(found),
        "provenance": provenance(runs),
    }


def _unmeasured(rows: Sequence[Compared]) -> list[tuple[str, str]]:
    """Return the metrics that no run has a value of, those with the same reasons together."""
    names: dict[str, list[str]] = {}
    for row in rows:
        reasons = dict.fromkeys(cell.reason or "no value" for cell in row.cells if cell is not None)
        why = "; ".join(reasons) or "nothing says which of several values counts"
        names.setdefault(why, []).append(named(row.key))
    return [(_listed(found), why) for why, found in names.items()][:MOST_NOTICES]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def _refused(rows: Sequence[Compared]) -> list[tuple[str, str]]:
    """Return each reason why values were not compared once, with the metrics that it keeps apart."""
    named_by: dict[str, dict[str, None]] = {}
    for row in rows:
        for move in row.moves:
            if move.value is None:
                named_by.setdefault(move.reason, {})[named(row.key)] = None
    return [(_listed(list(names)), why) for why, names in named_by.items()][:MOST_NOTICES]


def _of_two(found: Comparison) -> list[str]:
    """Return what a reader must know of two runs; of repeats there is nothing to say, because no mean is shown."""
    good = [run for run in found.runs if run.excluded is None]
    return list(caveats(good, len(found.runs), found.asked, (), found.rows))


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingView:
    """A finding that is gone, new, persisting or open, with what settings had to do with it."""

    id: str
    change: FindingChange
    told: Finding
    story: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """What became of findings between the first run and another."""

    letter: str
    groups: list[tuple[str, str, list[FindingView]]]  # state, title, findings
    read: bool
    left_out: int


TITLES = {
    "new": "New in {run}",
    "persisting": "Still there in {run}",
    "open": "Cannot tell",
    "gone": "Gone in {run}",
}


def _section(changes: Sequence[FindingChange], place: int, runs: Sequence[Candidate]) -> Section:
    name = letter(place)
    views = [
        FindingView(id=f"finding-{place}-{index}", change=change, told=told, story=story(change, name))
        for index, change in enumerate(changes, start=1)
        if (told := change.after or change.before) is not None
    ]
    shown = views[:MOST_FINDINGS]
    read = runs[0].audit is not None and runs[place].audit is not None
    groups = [
        (state, title.format(run=name), chosen)
        for state, title in TITLES.items()
        if (chosen := [view for view in shown if view.change.state == state])
    ]
    return Section(letter=name, groups=groups, read=read, left_out=len(views) - len(shown))


def _interval_charts(rows: Sequence[Compared]) -> Iterator[IntervalChart]:
    """Yield a picture of each of the first metrics that have intervals, a line a run."""
    told = [row for row in rows if sum(cell is not None and cell.low is not None for cell in row.cells) > 1]
    for row in told[:MOST_PICTURES]:
        items = [
            Estimate(label=letter(place), value=cell.value, low=cell.low, high=cell.high)
            for place, cell in enumerate(row.cells)
            if cell is not None and cell.value is not None
        ]
        lowest, highest = (pick(items, key=lambda item: item.value) for pick in (min, max))
        yield interval_chart(
            title=named(row.key),
            caption=f"Lowest {number(lowest.value)} in {lowest.label}, highest {number(highest.value)} in"
            f" {highest.label}. Dots are values, bars their own intervals; two bars may overlap and still differ.",
            estimates=items,
            table=Table(
                header=("run", "value", "interval"),
                rows=tuple((item.label, number(item.value), interval(item.low, item.high)) for item in items),
            ),
        )
