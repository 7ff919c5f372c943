"""What a comparison shows, as the first lines of its Markdown: the same as on the first screen of the page."""

from __future__ import annotations

from collections.abc import Iterator

from .compared_curves import MOST
from .compared_findings import finding_changes
from .compared_headline import headline
from .compared_moves import letter, moved
from .compared_views import SettingRow, notices, setting_rows
from .comparing import Comparison
from .escape import Escaped, markdown_code, markdown_text
from .repeats import differences, surroundings

MOST_SETTINGS = 20


def story_lines(found: Comparison) -> Iterator[str]:
    """Yield lines of Markdown: the headline, what it rests on, and what was changed."""
    runs = found.runs[:MOST]
    read = [run for run in runs if run.audit is not None]
    changes = [finding_changes(runs, place) for place in range(1, len(runs))]
    told = headline(found, moved(runs, found.asked), changes)
    for notice in notices(runs):
        yield from (f"> **⚠ {markdown_text(notice)}**", "")
    yield from (f"### {markdown_text(f'{told.symbol} {told.text}')}", "")
    names = ", ".join(f"{letter(place)} is {run.label}" for place, run in enumerate(runs))
    left = f"; of {len(found.runs)} runs these are the first" if len(found.runs) > len(runs) else ""
    yield f"- {markdown_text(names + left)}"
    yield from (f"- **{markdown_text(term)}**: {markdown_text(text)}" for term, text in told.told)
    yield from ("", "**What was changed**", "")
    rows = [*setting_rows(differences(read), runs, changes), *setting_rows(surroundings(read), runs)]
    yield from (f"- {_setting(row)}" for row in rows[:MOST_SETTINGS])
    if len(rows) > MOST_SETTINGS:
        yield f"- … and {len(rows) - MOST_SETTINGS} more: `--format html` has them."
    if not rows:
        yield "- Nothing that was recorded: no setting, and nothing of what they ran on."
    yield ""


def _setting(row: SettingRow) -> Escaped:
    values = ", ".join(f"{letter(place)} {value}" for place, value in enumerate(row.values))
    wanted = "".join(f"; {code} recommends {value}" for code, _, value in row.wanted)
    return Escaped(f"{markdown_code(row.key)}: {markdown_text(values + wanted)}")
