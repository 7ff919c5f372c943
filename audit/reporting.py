"""What `groundwire report` does: judge when needed, render, and put the page where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from .baseline import load_baseline
from .console import put
from .errors import GroundwireError, RecordError, UsageError
from .gating import Inputs
from .judge import judge
from .load import NAME, load_audit
from .model import Audit, dump, sealed
from .record import Record
from .report import render_html, render_markdown
from .storage import Folder, join, open_folder

STDOUT = "-"


def make_report(
    url: str,
    *,
    inputs: Inputs | None = None,
    against: str | None = None,
    markdown: bool = False,
    samples: str = "redacted",
    output: Path | None = None,
) -> str:
    """Render the report of a run and return where it lies, empty where it was printed.

    Args:
        url: The run folder.
        inputs: By what the run is judged, as the gate reads it; without it there is no verdict.
        against: A run or file to compare with where there is no verdict.
        markdown: Whether Markdown is written instead of HTML.
        samples: How much generated text to show: `none`, `redacted` or `full`.
        output: Where to, `-` for stdout; by default into the run folder.

    Raises:
        RecordError: The run folder cannot be read or written.
        UsageError: No limit of the policy holds for the run, or `output` cannot be written.
    """
    folder = open_folder(url)
    audit, digest_ok, record = _open(folder)
    verdict = inputs.verdict(audit, url, digest_ok=digest_ok) if inputs else None
    baseline = inputs.baseline if inputs else load_baseline(against) if against else None
    if markdown:
        page = render_markdown(audit, record, verdict, digest_ok=digest_ok, baseline=baseline)
    else:
        chosen = cast("Literal['none', 'redacted', 'full']", samples)
        page = render_html(audit, record, verdict, digest_ok=digest_ok, samples=chosen, baseline=baseline)
    return _put(folder, f"report.{'md' if markdown else 'html'}", page, output)


def _open(folder: Folder) -> tuple[Audit, bool, Record | None]:
    if folder.exists(NAME):
        audit, digest_ok = load_audit(folder.url)
        try:
            return audit, digest_ok, Record.open(folder.url)
        except GroundwireError:
            return audit, digest_ok, None  # the page says that only audit.json was read
    record = Record.open(folder.url)
    audit = sealed(judge(record))
    _save(folder, NAME, dump(audit))
    return audit, True, record


def _put(folder: Folder, name: str, page: str, output: Path | None) -> str:
    if output is None:
        _save(folder, name, page)
        return join(folder.url, name)
    if str(output) == STDOUT:
        put(page)
        return ""
    try:
        output.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"Cannot write {output}: {error.strerror or error}.") from error
    return str(output)


def _save(folder: Folder, name: str, text: str) -> None:
    try:
        folder.write(name, text.encode("utf-8", "replace"))
    except OSError as error:
        reason = error.strerror or error
        raise RecordError(
            f"Cannot write {name} to {folder.url}: {reason}. Use --output for another place."
        ) from error
