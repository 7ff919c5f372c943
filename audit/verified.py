"""What was found of each link from a record to its report, as text and as JSON.

Digests here are not signed. They find what changed by accident: a cut-off copy, an edited number, another checkpoint.
Whoever can write to the folder can write new digests, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from .escape import visible

UNSIGNED = (
    "Digests are not signed: they find accidents, not somebody who can write to the folder and digest anew. Keep the"
    " digest of audit.json elsewhere, as in the release's commit, or sign it."
)


class Fit(StrEnum):
    """Whether a part is what its digest says."""

    FITS = "fits"
    DIFFERS = "does not fit"
    GONE = "gone"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One link of the chain, and what was found; `optional` when nothing follows from its absence."""

    what: str
    fit: Fit
    told: str
    optional: bool = False


def exit_code(parts: list[Part]) -> int:
    """Return 0 when all fits, 1 when something does not, 3 when nobody can tell of something."""
    fits = {part.fit for part in parts if not part.optional}
    return 1 if Fit.DIFFERS in fits else 3 if fits & {Fit.UNKNOWN, Fit.GONE} else 0


def verified_text(parts: list[Part]) -> str:
    """Return one line for each part."""
    width = max(len(fit) for fit in Fit)
    lines = [f"{part.fit.value:<{width}}  {part.what}: {part.told}" for part in parts]
    return "".join(f"{visible(line)}\n" for line in lines)


def verified_json(parts: list[Part]) -> str:
    """Return the parts as JSON."""
    listed = [{"what": p.what, "fit": p.fit.value, "told": p.told, "optional": p.optional} for p in parts]
    return json.dumps({"parts": listed, "exit_code": exit_code(parts), "unsigned": UNSIGNED}, indent=1) + "\n"
