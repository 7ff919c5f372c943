"""Runs that are to be compared: found, read, named, and marked where they do not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from . import runfile
from .comparable import settings
from .errors import RecordError, UsageError
from .escape import visible
from .load import NAME, load_audit
from .model import Audit, RunStatus
from .storage import Folder, join, open_folder

SHORT = 10  # characters of a run's short name
UNREAD = "unreadable"
# Settings that say where and for how long, not what.
ELSEWHERE = frozenset({"generate.output", "generate.max_seconds", "data.num_workers", "data.pin_memory",
                       "data.persistent_workers", "data.prefetch_factor"})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A run that is to be compared.

    Attributes:
        label: Short name, unlike those of the others.
        url: Its folder.
        audit: What was measured; None where it cannot be read.
        excluded: Why it does not count; None where it does.
        settings: Its configuration by dotted keys, values as JSON; with them the model, the processes and the seed.
    """

    label: str = ""
    url: str
    audit: Audit | None
    excluded: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """How the run ended."""
        return UNREAD if self.audit is None else self.audit.run.status.value


def read_candidates(urls: Sequence[str]) -> tuple[Candidate, ...]:
    """Return runs, each once; a folder that is none stands for all runs below it.

    Raises:
        RecordError: There is no run at a place.
        UsageError: A path is empty, or there are fewer than two runs.
    """
    places = list(dict.fromkeys(place for url in urls for place in _runs(url)))
    if len(places) < 2:
        told = f"there is one run, {places[0]}" if places else "no run was given"
        raise UsageError(f"Comparing takes two runs, and {told}: name another, or a folder that holds several.")
    return tuple(_labelled(list(_each_once([_candidate(place) for place in places]))))


def _runs(url: str) -> list[str]:
    if not url.strip():
        raise UsageError("RUN is empty: give the folder that the training printed.")
    plain = url.rstrip("/") or "/"
    head, slash, name = plain.rpartition("/")
    if name in (NAME, runfile.NAME):
        return [head or slash or "."]
    folder = open_folder(plain)
    try:
        if _is_run(folder):
            return [plain]
        below = [name for name in folder.names() if name.endswith(f"/{runfile.NAME}")]
    except Exception as error:
        # Object stores each raise their own exceptions, which cannot be named without importing them.
        raise RecordError(f"Cannot read {url}: {error}. Check the path and who may read it.") from error
    if not below:
        raise RecordError(f"{url} is no run folder and holds none: give the folder that the training printed.")
    return [join(plain, name.removesuffix(f"/{runfile.NAME}")) for name in below]


def _is_run(folder: Folder) -> bool:
    return folder.exists(NAME) or folder.exists(runfile.NAME)


def _candidate(url: str) -> Candidate:
    try:
        audit, digest_ok = load_audit(url)
    except RecordError as error:
        return Candidate(url=url, audit=None, excluded=str(error))
    return candidate_of(audit, url=url, digest_ok=digest_ok)


def candidate_of(audit: Audit, *, url: str, digest_ok: bool = True) -> Candidate:
    """Return an audit as a run to compare, without a short name."""
    excluded = _why_excluded(audit, digest_ok=digest_ok)
    return Candidate(url=url, audit=audit, excluded=excluded, settings=dict(_settings(audit)))


def _settings(audit: Audit) -> Iterator[tuple[str, str]]:
    told = {key: audit.environment.get(key) for key in ("world_size", "seed")}
    known = {key: value for key, value in told.items() if value is not None}
    run = {"model": audit.run.model, "kind": audit.run.kind.value}
    for key, value in settings({**audit.configuration, "run": run, "environment": known}):
        if key not in ELSEWHERE:
            yield key, value


def _why_excluded(audit: Audit, *, digest_ok: bool) -> str | None:
    if not digest_ok:
        return "audit.json has been changed: its digest does not fit its content"
    if audit.run.damage:
        return f"the record is damaged: {audit.run.damage[0]}"
    return None if audit.run.status is RunStatus.FINISHED else f"the run is {audit.run.status}, not finished"


def _each_once(found: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the runs; a copy of one that counts does not count again."""
    seen: dict[str, str] = {}
    for each in found:
        key = each.audit.run.id if each.audit is not None else ""
        if each.excluded is None and key in seen:
            yield replace(each, excluded=f"it is the same run as {seen[key]}")
        else:
            yield each
            if each.excluded is None:
                seen[key] = each.url


def _labelled(found: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the runs with the ends of their ids as names, numbered where two have the same."""
    ends = [visible(_end(each), cap=200)[-SHORT:] for each in found]
    for place, (each, end) in enumerate(zip(found, ends, strict=True), start=1):
        yield replace(each, label=end if ends.count(end) == 1 else f"{end}#{place}")


def _end(found: Candidate) -> str:
    name = found.audit.run.id if found.audit is not None else found.url.rstrip("/").rpartition("/")[2]
    return name.rpartition("-")[2] or name or "?"
