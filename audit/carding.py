"""What `groundwire card` does: one run's energy, emissions and computation in the form that somebody asks for.

One run, not several: a sum would count shared checkpoints twice, mix grids and qualities, and hide which run the
released weights come from. The attempts of a run are added up already.
"""

from __future__ import annotations

import codecs
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .document import Document
from .errors import RecordError, UsageError
from .escape import markdown_text
from .exports import gpai, huggingface, modelcard, sci
from .exports.facts import EMISSIONS, figure, unfinished
from .exports.sheet import Sheet, as_markdown, as_text
from .load import NAME, load_audit
from .model import Audit, RunKind, dump
from .storage import open_folder

# Options that mean something to one format only.
BELONGS: Mapping[str, str] = {
    "card": "huggingface", "training_type": "huggingface", "location": "huggingface",
    "per": "sci", "embodied_kg": "sci", "lifetime_years": "sci", "hours_reserved": "sci", "share": "sci",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What was asked for; None where an option was not given.

    Attributes:
        run: Folder or URL of the run.
        format: `huggingface`, `sci` or `eu-gpai`.
        shape: `text`, `json` or `markdown`; None is the format's own.
        card: Model card that is changed in place.
        training_type: `pre-training` or `fine-tuning`.
        location: Where it ran, in words.
        per: Functional unit of the score: `sample`, `token`, `epoch` or `run`; None is `run`.
        embodied_kg: Emissions of making the hardware, kg.
        lifetime_years: For which it is expected to stay in use.
        hours_reserved: For which the run had it; None is the time of the run.
        share: Of it that the run had, in (0, 1]; None is all.
    """

    run: str
    format: str
    shape: str | None = None
    card: Path | None = None
    training_type: str | None = None
    location: str | None = None
    per: str | None = None
    embodied_kg: float | None = None
    lifetime_years: float | None = None
    hours_reserved: float | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What the command prints.

    Attributes:
        text: For stdout; empty where a file was changed instead.
        told: Lines for stderr.
        hindrance: Why the number that was asked for is not there; empty when it is.
    """

    text: str
    told: tuple[str, ...] = ()
    hindrance: str = ""


def card(wanted: Wanted) -> Card:
    """Return a run's card, or put it into a model card.

    Raises:
        UsageError: An option is wrong, belongs to another format, or the model card cannot be changed.
        RecordError: The run cannot be read, has been changed or is damaged.
    """
    _check(wanted)
    embodied = _embodied(wanted)
    audit = _audit(wanted.run)
    warned = (unfinished(audit),) if unfinished(audit) else ()
    if wanted.format == "huggingface":
        return _huggingface(audit, wanted, warned)
    if wanted.format == "eu-gpai":
        form = gpai.gpai(audit)
        return Card(text=_shaped(form, gpai.sheet(form), wanted.shape), told=warned)
    report = sci.sci(audit, per=cast("sci.Unit", wanted.per or "run"), embodied=embodied)
    missing = f"No SCI score: {'; '.join(report.missing)}." if report.score is None else ""
    return Card(text=_shaped(report, sci.sheet(report), wanted.shape), told=warned, hindrance=missing)


def _check(wanted: Wanted) -> None:
    for option, owner in BELONGS.items():
        if getattr(wanted, option) is not None and wanted.format != owner:
            raise UsageError(f"--{option.replace('_', '-')} belongs to --format {owner}, not to {wanted.format}.")
    if wanted.format == "huggingface" and wanted.shape not in (None, "markdown"):
        raise UsageError(f"A Hugging Face card is Markdown: leave --as {wanted.shape} out.")


def _embodied(wanted: Wanted) -> sci.Embodied | None:
    """Return what was declared of the hardware, all of it checked."""
    pair = (wanted.embodied_kg, wanted.lifetime_years)
    if pair == (None, None) and wanted.hours_reserved is None and wanted.share is None:
        return None
    if wanted.embodied_kg is None or wanted.lifetime_years is None:
        raise UsageError("Embodied emissions take both --embodied-kg and --lifetime-years.")
    for option in ("embodied_kg", "lifetime_years", "hours_reserved", "share"):
        value = getattr(wanted, option)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"--{option.replace('_', '-')} must be a number above 0, got {value:g}.")
    share = 1.0 if wanted.share is None else wanted.share
    if share > 1:
        raise UsageError(f"--share is a part of the hardware, in (0, 1], got {share:g}.")
    return sci.Embodied(
        total_kg=wanted.embodied_kg, lifetime_years=wanted.lifetime_years, hours=wanted.hours_reserved, share=share
    )


def _audit(url: str) -> Audit:
    """Return a training's audit; a record without one is judged first."""
    folder = open_folder(url)
    if url.strip() and not url.rstrip("/").endswith(".json") and not folder.exists(NAME):
        from .judge import judge
        from .record import Record

        audit, digest_ok = judge(Record.open(folder.url)), True
        with contextlib.suppress(OSError):  # nothing that a card needs
            folder.write(NAME, dump(audit).encode())
    else:
        audit, digest_ok = load_audit(url)
    if not digest_ok:
        raise RecordError(f"The audit of {url} has been changed, its digest does not fit: no card is made from it.")
    if audit.run.damage:
        raise RecordError(f"The record of {url} is damaged ({audit.run.damage[0]}): restore it from a copy.")
    if audit.run.kind is not RunKind.TRAINING:
        raise UsageError(f"{url} is no training, a model was only asked there: give the run that trained it.")
    return audit


def _shaped(document: Document, sheet: Sheet, shape: str | None) -> str:
    if shape == "json":
        return document.model_dump_json(indent=1, ensure_ascii=True) + "\n"
    shapes: dict[str, Callable[[Sheet], str]] = {"text": as_text, "markdown": as_markdown}
    return shapes[shape or "text"](sheet)


def _huggingface(audit: Audit, wanted: Wanted, warned: tuple[str, ...]) -> Card:
    """Return a new model card, or change the one that was given; what is not known is told, not made up."""
    entry = huggingface.emissions(audit, training_type=wanted.training_type, location=wanted.location)
    if entry is None:
        warned += (f"no emissions were written: {figure(audit, EMISSIONS).how}",)
    section = huggingface.section(audit, training_type=wanted.training_type, location=wanted.location)
    if wanted.card is None:
        bare = f"\n# {markdown_text(audit.run.model)}\n"
        made = modelcard.changed(bare, entry, section, where="the new card")
        return Card(text=made.text.lstrip("\n"), told=warned)
    text, mark = _read(wanted.card)
    made = modelcard.changed(text, entry, section, where=str(wanted.card))
    _write(wanted.card, mark + made.text.encode())
    return Card(text="", told=(*warned, *made.told, f"wrote {wanted.card}"))


def _read(path: Path) -> tuple[str, bytes]:
    """Return a file's text with its own line breaks, and its byte-order mark if it has one."""
    try:
        content = path.read_bytes()
        mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        return content[len(mark) :].decode(), mark
    except FileNotFoundError as error:
        raise UsageError(f"There is no {path}: leave --card out to print a new model card.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: give a model card.") from error
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}.") from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
