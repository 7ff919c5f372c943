"""What forecasts of planted curves are worth, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ..simulation.samples import Share
from .scoring import CHANGED, DECAYED, Outcome, Result

REASONS = {  # what a reason holds, and its name in the table
    "points after": "too few points",
    "risen": "has risen",
    "does not fall": "falls not as a learning curve",
    "wide": "too wide",
    DECAYED: "rate has come down",
    CHANGED: "rate changed later",
}
GOAL = 0.93  # of the intervals have to hold, where 95 % should


def markdown(found: Sequence[Result]) -> str:
    """Return the table and what lies below the goal."""
    return "\n".join([*rows(found), "", *summary(found)])


def rows(found: Sequence[Result]) -> Iterator[str]:
    """Yield a row for each family and place."""
    head = (
        "curve",
        "forecast at",
        "held of those told",
        "none told, and why",
        "error",
        "half width",
        "next 1 %: held",
    )
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for one in found:
        error, half = (_percent([getattr(outcome, name) for outcome in one.made]) for name in ("error", "half"))
        held = f"{one.held} of {one.held.of}" if one.made else "–"
        name = f"{one.family.name}{'' if one.family.law else ' *'}"
        yield f"| {name} | {one.place} | {held} | {_refusals(one.outcomes)} | {error} | {half} | {_steps(one)} |"


def _percent(values: Sequence[float]) -> str:
    return f"{100 * float(np.median(values)):.2f} %" if values else "–"


def _refusals(outcomes: Sequence[Outcome]) -> str:
    why = Counter(_short(one.refused) for one in outcomes if one.refused)
    if not why:
        return "0 %"
    told = ", ".join(name if len(why) == 1 else f"{name} {count}" for name, count in why.most_common())
    return f"{100 * why.total() / len(outcomes):.0f} %: {told}"


def _short(reason: str) -> str:
    return next((name for part, name in REASONS.items() if part in reason), reason)


def _steps(found: Result) -> str:
    asked = [one.percent for one in found.made if one.percent is not None]
    return f"{sum(asked)} of {len(asked)}" if asked else "–"


def summary(found: Sequence[Result]) -> Iterator[str]:
    """Yield the shares of all, and which rows are below the goal."""
    for title, law in (("the fitted law holds", True), ("another holds (*)", False)):
        parts = [one.held for one in found if one.family.law is law]
        whole = Share(hits=sum(part.hits for part in parts), of=sum(part.of for part in parts))
        told = f"{whole} of {whole.of}" if whole.of else "none told"
        yield f"Held where {title}: {told}."
    below = [one for one in found if one.made and one.held.value < GOAL]
    names = (f"{one.family.name} at {one.place} ({100 * one.held.value:.0f} % of {one.held.of})" for one in below)
    yield f"Held in less than {GOAL:.0%}: {'; '.join(names) or 'none'}.".replace("%:", " %:")
