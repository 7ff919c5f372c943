"""Asks a model how likely texts are."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from ..asking_likelihoods import LikelihoodError, LogLikelihood, call


def log_likelihoods(
    log_likelihood: LogLikelihood, texts: Sequence[str], *, batch: int = 8, deadline: float | None = None
) -> list[float]:
    """Return the log-likelihoods of as many texts as there is time for.

    Args:
        log_likelihood: Maps texts to the natural logarithms of their whole probabilities, in nats.
        texts: Shape [n].
        batch: Texts a call.
        deadline: `time.monotonic()` after which no further call begins.

    Raises:
        LikelihoodError: It raised, or returned too few, too many or impossible numbers; also minus infinity, of which
            there is no mean.
    """
    found: list[float] = []
    for start in range(0, len(texts), batch):
        if deadline is not None and time.monotonic() > deadline:
            break
        found += call(log_likelihood, list(texts[start : start + batch]))
    if -math.inf in found:
        raise LikelihoodError("log_likelihood returned minus infinity for a text: return finite numbers")
    return found
