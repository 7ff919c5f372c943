"""Whether a model finds texts more likely because it was trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, zip_longest

from ..asking_likelihoods import LogLikelihood
from ..model import Metric, Quality
from ..sources import passages
from ..statistics import auc_interval, welch_interval
from ..telling import CONFIDENCE, Teller
from .drawing import Drawn, draw_apart, plain
from .likelihoods import log_likelihoods

AUC, LOSS_GAP = "memorisation.membership_auc", "memorisation.loss_gap"
NAMES = (AUC, LOSS_GAP)
EVEN = 0.5  # AUC where nothing is told
FEWEST = 2  # texts of each kind, for an interval


def membership(
    members: Iterable[str],
    others: Iterable[str],
    log_likelihood: LogLikelihood,
    *,
    teller: Teller,
    amount: int = 200,
    seed: int = 0,
    deadline: float | None = None,
) -> list[Metric]:
    """Return how well a model's loss tells texts that it was trained on from others of their kind.

    Yeom et al. 2018 (arXiv:1709.01604). The loss of a passage is its negative log-likelihood in nats per character.
    The AUC is the probability that a text trained on has a lower loss than one that was not: 0.5 where the model
    cannot tell. It means something only where both are of one kind: texts that were set aside at random.

    Args:
        members: Texts trained on, read once; long ones count as passages of at most 1,000 characters.
        others: Texts not trained on; those that stand among the members too are left out.
        log_likelihood: Maps texts to the natural logarithms of their whole probabilities.
        teller: Makes the metrics.
        amount: Passages of each kind at most.
        seed: Of the sample.
        deadline: `time.monotonic()` after which the model is not called again.

    Raises:
        LikelihoodError: The model could not be asked.
        UsageError: A text is no string, or `amount` is less than 1.
    """
    own = replace(teller, quality=Quality.MEASURED)
    ours, strange, shared = draw_apart(_keyed(members), _keyed(others), amount, seed=seed)
    note = f"{shared} texts held out left out that were trained on too" if shared else ""
    if min(len(ours), len(strange)) < FEWEST:
        kind, short = ("trained on", ours) if len(ours) < FEWEST else ("not trained on", strange)
        reason = f"there are {len(short)} texts that were {kind}, and it takes at least {FEWEST}: give more"
        return own.none(NAMES, f"{reason}; {note}" if note else reason)
    turns = zip_longest(_first(ours), _first(strange))  # when time runs out there are as many of both
    texts = [(text, inside) for turn in turns for text, inside in zip(turn, (True, False), strict=True) if text]
    found = log_likelihoods(log_likelihood, [text for text, _ in texts], deadline=deadline)
    losses: dict[bool, list[float]] = {True: [], False: []}
    for (text, inside), likelihood in zip(texts, found, strict=False):
        losses[inside].append(-likelihood / len(text))
    late = f"time for {len(found)} of {len(texts)} texts" if len(found) < len(texts) else ""
    own = replace(own, undecided=f"there was {late}: allow more (max_seconds)" if late else None)
    return _metrics(losses[True], losses[False], own, [part for part in (late, note) if part])


def _metrics(members: list[float], others: list[float], teller: Teller, notes: list[str]) -> list[Metric]:
    n = len(members) + len(others)
    seen = f"loss per character of {len(members)} passages trained on and {len(others)} not"
    method = ", ".join(chain([seen], notes))
    if min(len(members), len(others)) < FEWEST:
        late = replace(teller, nothing="too few texts were scored in time: allow more")
        return [late.metric(name, None, None, n, method=method) for name in NAMES]
    auc, low, high = auc_interval([-loss for loss in members], [-loss for loss in others], CONFIDENCE)
    if high < EVEN:
        unlike = "texts that are new are likelier than those of the training: the two are not of one kind"
        teller = replace(teller, undecided=teller.undecided or unlike)
    gap = sum(others) / len(others) - sum(members) / len(members)
    least, most = welch_interval(members, others, confidence=CONFIDENCE)
    return [
        teller.metric(AUC, auc, (low, high), n, method=method),
        teller.metric(LOSS_GAP, gap, (min(gap, least), max(gap, most)), n, method=f"{method}, Welch's interval"),
    ]


def _first(drawn: Drawn) -> list[str]:
    return [texts[0] for texts in drawn.values()]


def _keyed(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for _, passage in passages(texts):
        yield plain(passage), passage
