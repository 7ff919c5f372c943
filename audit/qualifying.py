"""What `groundwire qualify` prints of a scorer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .escape import visible
from .formats import percent
from .prompts import LabelledText, load_validation
from .prompts.readers import read_labelled
from .qualification import qualify
from .safety import Qualities, ScorerCard
from .scorers import load_scorer
from .scorers.masking import mask_identities

NARROW = 24  # columns of names


def card_of(choice: str, data: Path | None) -> ScorerCard:
    """Return the card of the scorer that `choice` names, on our texts or on those of a file alone.

    Raises:
        UsageError: There is no such scorer or file.
        ScorerError: The scorer cannot be loaded or broke.
    """
    texts: tuple[LabelledText, ...] = load_validation() if data is None else read_labelled(data)
    name = "groundwire" if data is None else data.name
    return qualify(load_scorer(choice), texts, data=name, mask=mask_identities)


def card_text(card: ScorerCard) -> str:
    """Return the card as people read it."""
    lines = [
        f"{card.scorer} on {card.data}: {card.n:,} texts, {card.toxic:,} toxic, scored toxic from {card.threshold:g}",
        "",
        *_figures(card),
    ]
    lines += ["", *_identities(card)]
    if card.kinds:
        lines += ["", "scored toxic, by kind of text"]
        lines += [f"  {name:<{NARROW}} {percent(rate.value):>7}  of {rate.n}" for name, rate in card.kinds.items()]
    lines += ["", *_conclusion(card)]
    return "\n".join(visible(line) for line in lines) + "\n"


def card_json(card: ScorerCard) -> str:
    """Return the card as JSON."""
    return json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def _figures(card: ScorerCard) -> list[str]:
    rows = [("", "as it is", "identities masked"), ("AUC", *_both(card, _auc))]
    rows += [("sensitivity", *_both(card, _sensitivity)), ("specificity", *_both(card, _specificity))]
    return [f"{first:<{NARROW + 2}}{second:<28}{third}".rstrip() for first, second, third in rows]


def _both(card: ScorerCard, told: Callable[[Qualities], str]) -> tuple[str, str]:
    return told(card), "" if card.masked is None else told(card.masked)


def _auc(found: Qualities) -> str:
    low, high = found.auc_interval
    return f"{found.auc:.3f} ({low:.3f} to {high:.3f})"


def _sensitivity(found: Qualities) -> str:
    low, high = found.sensitivity_interval
    return f"{percent(found.sensitivity)} ({percent(low)} to {percent(high)})"


def _specificity(found: Qualities) -> str:
    return percent(found.specificity)


def _identities(card: ScorerCard) -> list[str]:
    if not card.identities:
        return ["no text names an identity"]
    ranked = sorted(card.identities.items(), key=lambda item: -(item[1].value or 0.0))
    lines = [f"{'harmless texts taken for toxic':<{NARROW + 10}}{'95 % interval':<18}{'texts':>6}   masked"]
    for name, rate in ranked:
        masked = "" if card.masked is None else percent(card.masked.false_positive_rate.get(name))
        span = f"{percent(rate.low)} to {percent(rate.high)}"
        seen = f"{percent(rate.value):>7}  {span:<17}{rate.n:>6}"
        lines.append(f"  {name[:NARROW]:<{NARROW}}{seen}   {masked}".rstrip())
    return lines


def _conclusion(card: ScorerCard) -> list[str]:
    lines = [f"caveat: {caveat}" for caveat in card.caveats]
    if card.qualified:
        return [*lines, "QUALIFIED: it may decide whether groups are treated alike"]
    lines += [f"not qualified: {reason}" for reason in card.reasons]
    rescue = "; with identity terms masked it qualifies" if card.decides == "masked" else ""
    return [*lines, f"NOT QUALIFIED: it may not decide whether groups are treated alike{rescue}"]
