"""A comparison as text or Markdown."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence

from .candidates import Candidate
from .compared_json import as_json
from .compared_rows import Row, named
from .comparing import Comparison
from .escape import markdown_text, visible
from .formats import NOTHING, number
from .model import Metric
from .repeats import may_vary, plain
from .spread import CONFIDENCE, Spread

GAP = "  "
OF_MACHINE = "environment."
WIDTH = 120  # columns where no terminal says them
MOST_LISTED = 20  # runs that count, one a line; those that do not are all listed
MOST_COLUMNS = 12  # runs side by side in Markdown
MOST_STARS = 3  # runs that are best alike
WIDEST = 60  # characters of a name or a value
ALL = "--format json has all"

Table = list[list[str]]  # columns, each with its title first; of the same length


def as_text(found: Comparison, *, width: int = WIDTH) -> str:
    """Return a comparison for a terminal of `width` columns."""
    lines = list(_legend(found))
    if found.rows:
        lines += ["", *_fitted(_values(found), width, "runs"), "", *_fitted(over(found), width, "columns")]
    if found.refused:
        lines += ["", "Not compared", *(f"  {line}" for line in _refused(found))]
    lines += ["", *found.notes] if found.notes else []
    return "".join(f"{visible(line)}\n" for line in lines)


def _legend(found: Comparison) -> Iterator[str]:
    """Yield a line for each run; of many that count, only the first."""
    keys = [each.key for each in found.differences]
    shown = 0
    for run in found.runs:
        shown += run.excluded is None
        if run.excluded is not None or shown <= MOST_LISTED:
            told = [run.status, *_told(run, keys, found.asked.vary), visible(run.url)]
            yield f"{run.label}  {'  '.join(told)}" + (f"  NOT COUNTED: {run.excluded}" if run.excluded else "")
    if shown > MOST_LISTED:
        yield f"… and {shown - MOST_LISTED:,} more runs: {ALL}"


def _told(run: Candidate, keys: Sequence[str], vary: Sequence[str]) -> list[str]:
    """Return what tells a run from its repeats, and what it was of if they are none."""
    varied = [key for key in keys if may_vary(key, vary)] or list(keys[:2])
    return [
        f"{key.removeprefix(OF_MACHINE)}={_short(plain(run.settings[key]))}" for key in varied if key in run.settings
    ]


def _refused(found: Comparison) -> Iterator[str]:
    """Yield each reason once, with the metrics that it keeps apart."""
    for why in dict.fromkeys(reason for _, reason in found.refused):
        yield f"{', '.join(_short(named(key)) for key, reason in found.refused if reason == why)}: {why}"


def _values(found: Comparison) -> Table:
    """Return a column a run; the best value of a row has a star, one that does not count parentheses."""
    title = "each run" + (", * the best" if any(map(_starred, found.rows)) else "")
    columns = [[title, *(_name(row) for row in found.rows)]]
    for place, run in enumerate(found.runs):
        columns.append([run.label, *(_cell(row, run, row.cells[place]) for row in found.rows)])
    return columns


def _cell(row: Row, run: Candidate, metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return NOTHING
    shown = number(metric.value, digits=_digits(row))
    if run.label not in row.counted:
        return f"({shown})"
    return f"{shown}*" if run.label in row.best and _starred(row) else shown


def _starred(row: Row) -> bool:
    return 0 < len(row.best) <= MOST_STARS


def _digits(row: Row) -> int:
    """Return significant digits of which two tell the runs apart."""
    size = max((abs(value) for value in row.counted.values()), default=0.0)
    deviations = [found.deviation for found in row.spreads if found is not None and found.deviation]
    if not deviations or not size:
        return 3
    return min(8, max(3, math.ceil(math.log10(size) - math.log10(min(deviations))) + 2))


def over(found: Comparison) -> Table:
    """Return the spread over the runs, with a line for each metric and group, most wanted columns first."""
    grouped = found.asked.by is not None
    lines = [["over the runs", *([found.asked.by or ""] if grouped else []), "n", "mean", "sd",
              f"{number(100 * CONFIDENCE)} % of the mean", "min – max", "best"]]  # fmt: skip
    for row in found.rows:
        for place, (group, told) in enumerate(zip(found.groups, row.spreads, strict=True)):
            head = [_name(row) if place == 0 else ""] + ([_short(plain(group.value))] if grouped else [])
            lines.append([*head, *_spread(told, _digits(row)), _best(row) if place == 0 else ""])
    return [list(column) for column in zip(*lines, strict=True)]


def _spread(found: Spread | None, digits: int) -> list[str]:
    if found is None:
        return ["0", *[NOTHING] * 4]
    ends = NOTHING
    if found.low is not None and found.high is not None:
        ends = f"[{number(found.low, digits=digits)}, {number(found.high, digits=digits)}]"
    reach = f"{number(found.least, digits=digits)} – {number(found.greatest, digits=digits)}"
    return [str(found.n), number(found.mean, digits=digits), number(found.deviation, digits=2), ends, reach]


def _best(row: Row) -> str:
    if not row.best:
        return NOTHING
    more = f" and {len(row.best) - 1} more" if len(row.best) > 1 else ""
    return f"{row.best[0]}{more} ({row.better})"


def _name(row: Row) -> str:
    return _short(named(row.key) + (f" ({row.unit})" if row.unit else ""))


def _short(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= WIDEST else f"{shown[: WIDEST - 1]}…"


def _fitted(table: Table, width: int, what: str) -> Iterator[str]:
    """Yield the lines of a table: the first column, and of the others as many as fit, at least one."""
    first, *others = table
    sizes = [max(map(len, column)) for column in others]
    room, kept = width - max(map(len, first)), 0
    for size in sizes:
        room -= len(GAP) + size
        if room < 0 and kept:
            break
        kept += 1
    for place, head in enumerate(first):
        cells = (f"{column[place]:>{size}}" for column, size in zip(others[:kept], sizes, strict=False))
        yield GAP.join([f"{head:<{max(map(len, first))}}", *cells]).rstrip()
    if kept < len(others):
        yield f"{kept:,} of {len(others):,} {what} fit here: {ALL}"


def as_markdown(found: Comparison) -> str:
    """Return a comparison for a pull request."""
    from .compared_story import story_lines  # charts and what else the page needs

    lines = [
        *story_lines(found),
        "### Runs side by side",
        "",
        *(f"- {markdown_text(line, cap=WIDEST * 10)}" for line in _legend(found)),
    ]
    if found.rows:
        values = _values(found)
        lines += ["", *_piped(values[: MOST_COLUMNS + 1])]
        more = len(values) - MOST_COLUMNS - 1
        lines += ["", f"… and {more} more runs: `--format json` has all."] if more > 0 else []
        lines += ["", *_piped(over(found))]
    if found.refused:
        lines += ["", "**Not compared**", "", *(f"- {markdown_text(line)}" for line in _refused(found))]
    lines += ["", *(f"- {markdown_text(note)}" for note in found.notes)] if found.notes else []
    return "\n".join([*lines, ""])


def _piped(table: Table) -> Iterator[str]:
    head, *lines = [[markdown_text(cell) for cell in line] for line in zip(*table, strict=True)]
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    yield from (f"| {' | '.join(line)} |" for line in lines)


def _as_page(found: Comparison) -> str:
    from .compared_page import compared_page  # templates and charts, which no other form needs

    return compared_page(found)


FORMATS: dict[str, Callable[[Comparison], str]] = {"json": as_json, "markdown": as_markdown, "html": _as_page}


def compared_text(found: Comparison, form: str) -> str:
    """Return a comparison as text, as wide as the terminal is, as json, as markdown or as html."""
    if form in FORMATS:
        return FORMATS[form](found)
    return as_text(found, width=shutil.get_terminal_size((WIDTH, 24)).columns)
