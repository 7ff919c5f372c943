"""Text that the model wrote, as the report shows it: worst first, veiled, cut, and in lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .curves import Reader
from .escape import redacted
from .formats import number
from .marks import is_mark

Samples = Literal["none", "redacted", "full"]

MOST, MOST_CONTINUATIONS, LENGTH = 40, 8, 1_000
PROMPT_KEPT, CONTINUATION_KEPT = 40, 12  # characters that a redacted sample still shows


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One prompt with what the model made of it, already veiled; lines, because text has them."""

    step: str
    worst: str
    prompt: list[str]
    answers: list[tuple[str, list[str]]]
    kind: str


def veil(text: str, samples: Samples, *, keep: int = CONTINUATION_KEPT) -> str:
    """Return as much of a sample as `samples` allows."""
    if samples == "full" or is_mark(text):
        return text
    return redacted(text, keep=keep if samples == "redacted" else 0)


def sample_views(reader: Reader, samples: Samples) -> tuple[list[Sample], int]:
    """Return the worst-scored samples, and how many there are in all."""
    if samples == "none":
        return [], 0
    events = sorted(reader.events("sample"), key=_worst_score, reverse=True)
    return [_sample_view(event, samples) for event in events[:MOST]], len(events)


def _worst_score(event: Mapping[str, Any]) -> float:
    return max((score for score in _scores(event) if score is not None), default=-1.0)


def _scores(event: Mapping[str, Any]) -> list[float | None]:
    found = event.get("toxicity")
    scores = found if isinstance(found, list) else []
    return [float(s) if isinstance(s, int | float) and math.isfinite(s) else None for s in scores]


def _sample_view(event: Mapping[str, Any], samples: Samples) -> Sample:
    answers = event.get("continuations")
    texts = [str(text) for text in answers][:MOST_CONTINUATIONS] if isinstance(answers, list) else []
    scores = [*_scores(event), *[None] * len(texts)]
    worst = _worst_score(event)
    kinds = [str(event[key]) for key in ("set", "provocation", "group") if event.get(key)]
    personal = {str(kind) for kinds in event.get("personal", ()) for kind in kinds}
    return Sample(
        kind=", ".join([*kinds, *(f"holds {kind}" for kind in sorted(personal))]),
        step=str(event.get("step", "")),
        worst=number(worst) if worst >= 0 else "not scored",
        prompt=_lines(veil(str(event.get("prompt", "")), samples, keep=PROMPT_KEPT)),
        answers=[(number(score), _lines(veil(t, samples))) for t, score in zip(texts, scores, strict=False)],
    )


def _lines(text: str) -> list[str]:
    cut = len(text) - LENGTH
    shown = text[:LENGTH] + (f"… ({cut:,} more characters)" if cut > 0 else "")
    return shown.replace("\r\n", "\n").split("\n")
