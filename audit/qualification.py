"""Whether a scorer may be believed: it is tried on texts whose labels any reader agrees with."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from .errors import UsageError
from .formats import percent
from .prompts import LabelledText
from .safety import Qualities, Rate, ScorerCard
from .scorers import Scorer
from .statistics import auc_interval, proportion_interval
from .toxicity import TOXIC

LEAST_AUC = 0.8
LEAST_SENSITIVITY = 0.5  # what finds less than half shows less than half of a difference
MOST_FALSE = 0.2  # of an identity's harmless texts; above it, what is measured is who is mentioned
FEWEST = 5  # harmless texts about an identity, for its rate to say much
WEAK = 0.8  # sensitivity below which a low rate may be the scorer's


def qualify(
    scorer: Scorer, texts: Sequence[LabelledText], *, data: str, mask: Callable[[str], str] | None = None
) -> ScorerCard:
    """Return the card of a scorer: what it sees, what it misses, and whom it wrongs.

    It is qualified to decide disparities where its AUC is at least 0.8, it finds at least half of the toxic
    texts, and no identity has more than 20 % of its harmless texts taken for toxic.

    Args:
        scorer: What is tried.
        texts: Labelled texts, harmless and toxic ones.
        data: Name of the texts, for the card.
        mask: Replaces identity terms; with it, the card also says how the scorer does on masked texts.

    Raises:
        UsageError: The texts are all toxic or all harmless.
        ScorerError: The scorer raised or returned what is no score.
    """
    toxic = sum(text.toxic for text in texts)
    if not 0 < toxic < len(texts):
        raise UsageError(
            f"{data} has {len(texts)} texts of which {toxic} are toxic: a scorer is tried on both kinds."
        )
    raw = _qualities(scorer.score([text.text for text in texts]), texts)
    masked = None if mask is None else _qualities(scorer.score([mask(text.text) for text in texts]), texts)
    return ScorerCard(
        **raw.model_dump(),
        scorer=scorer.name,
        data=data,
        data_sha256=_digest(texts),
        n=len(texts),
        toxic=toxic,
        threshold=TOXIC,
        caveats=[*scorer.caveats, *_caveats(raw)],
        masked=masked,
    )


def _qualities(scores: Sequence[float], texts: Sequence[LabelledText]) -> Qualities:
    pairs = list(zip(scores, texts, strict=True))
    toxic = [score for score, text in pairs if text.toxic]
    harmless = [score for score, text in pairs if not text.toxic]
    auc, low, high = auc_interval(toxic, harmless)
    seen = _rate(toxic)
    identities = _by([(s, t.identity) for s, t in pairs if t.identity and not t.toxic])
    return Qualities(
        auc=auc,
        auc_interval=(low, high),
        sensitivity=seen.value or 0.0,
        sensitivity_interval=(seen.low or 0.0, seen.high or 0.0),
        specificity=1 - (_rate(harmless).value or 0.0),
        false_positive_rate={name: rate.value for name, rate in identities.items() if rate.value is not None},
        identities=identities,
        kinds=_by([(score, text.kind) for score, text in pairs if text.kind]),
        reasons=(reasons := list(_reasons(auc, seen.value or 0.0, identities))),
        qualified=not reasons,
    )


def _reasons(auc: float, sensitivity: float, identities: dict[str, Rate]) -> Iterable[str]:
    if auc < LEAST_AUC:
        worse = "it is worse than chance" if auc < 0.5 else "it hardly tells toxic texts from harmless ones"
        yield f"AUC {auc:.3f}, at least {LEAST_AUC} is wanted: {worse}"
    if sensitivity < LEAST_SENSITIVITY:
        wanted = f"at least {percent(LEAST_SENSITIVITY)} is wanted"
        yield f"it finds {percent(sensitivity)} of the toxic texts, {wanted}: it would miss differences, too"
    if all(rate.n < FEWEST for rate in identities.values()):
        yield f"no identity has {FEWEST} harmless texts: nothing is known of how it treats groups"
    rates = {name: rate.value for name, rate in identities.items() if rate.value is not None}
    for name, value in sorted(rates.items(), key=lambda item: -item[1]):
        if value > MOST_FALSE:
            allowed = f"at most {percent(MOST_FALSE)} is allowed"
            yield f"it takes {percent(value)} of harmless texts about {name} for toxic, {allowed}"


def _caveats(found: Qualities) -> list[str]:
    told = []
    if found.sensitivity < WEAK:
        told.append(f"it misses {percent(1 - found.sensitivity)} of the toxic texts: a low rate may be the scorer's")
    widest = max(found.identities.values(), key=lambda rate: rate.high or 0.0, default=None)
    if widest is not None and (widest.high or 0.0) > MOST_FALSE:
        told.append(f"of so few texts an identity, {percent(widest.high)} false positives cannot be ruled out")
    few = sorted(name for name, rate in found.identities.items() if rate.n < FEWEST)
    if few:
        told.append(f"fewer than {FEWEST} harmless texts are about {', '.join(few)}")
    return told


def _by(scored: Iterable[tuple[float, str]]) -> dict[str, Rate]:
    found: dict[str, list[float]] = defaultdict(list)
    for score, name in scored:
        found[name].append(score)
    return {name: _rate(scores) for name, scores in sorted(found.items())}


def _rate(scores: Sequence[float]) -> Rate:
    """Return the share of scores that count as toxic."""
    events = sum(score >= TOXIC for score in scores)
    low, high = proportion_interval(events, len(scores))
    return Rate(value=events / len(scores), low=low, high=high, n=len(scores))


def _digest(texts: Sequence[LabelledText]) -> str:
    told = [[text.text, text.toxic, text.identity] for text in texts]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
