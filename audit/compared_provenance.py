"""Where the runs of a comparison come from, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .candidates import Candidate
from .compared_views import short
from .formats import NOTHING, duration, moment


def provenance(runs: Sequence[Candidate]) -> list[tuple[str, list[str]]]:
    """Return where each run comes from, a row a fact."""
    table = [dict(_facts(run)) for run in runs]
    keys = dict.fromkeys(key for facts in table for key in facts)
    return [(key, [facts.get(key, NOTHING) for facts in table]) for key in keys]


def _facts(run: Candidate) -> Iterator[tuple[str, str]]:
    yield "folder", short(run.url)
    yield "counts", "no: " + run.excluded if run.excluded else "yes"
    audit = run.audit
    if audit is None:
        return
    told, git = audit.run, audit.environment.get("git")
    git = git if isinstance(git, dict) else {}
    yield "run", short(told.id)
    yield "goes on from", short(told.parent or NOTHING)
    yield "model", short(told.model)
    yield "status", told.status.value + (f", {short(told.exception, 60)}" if told.exception else "")
    yield "started", moment(told.started)
    yield "ended", moment(told.ended)
    yield "duration", duration(told.duration_s)
    yield "optimizer steps", f"{told.steps:,}"
    yield "epochs, attempts", f"{told.epochs:,}, {told.attempts:,}"
    yield "seed", short(str(audit.environment.get("seed") or "not recorded"))
    yield "commit", short(str(git.get("commit") or "not recorded"))
    yield "digest of what was not committed", short(str(git.get("diff_sha256") or "nothing recorded"))
    yield "edition of the rules", short(audit.edition)
    lost = [short(each) for each in [*told.damage[:3], *told.notes[:3]]]
    yield "reading the record", "; ".join(lost) or "nothing was lost"
    yield "digest of audit.json", short(audit.digest or "none")
