"""Scorers of a run: looked for before it, tried on labelled texts before they are believed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from .prompts import LabelledText, load_validation
from .qualification import qualify
from .safety import ScorerCard
from .scorers import DETOXIFY, EMBEDDED, INSTALL, Scorer, ScorerError, load_scorer, load_sentiment
from .scorers.masking import mask_identities

log = logging.getLogger(__name__)

PACKAGES = ("evaluate", "profanity_check")  # what the default scorer needs
PUBLISHED = ("detoxify", *(f"detoxify:{name}" for name in DETOXIFY))
Trial = tuple[str, tuple[LabelledText, ...]]


class Scoring:
    """The scorers of one run.

    Attributes:
        cards: How the toxicity scorer did, the worst card first.
        substituted: Why another scorer took the place of the one that was asked for, None where none did.
    """

    def __init__(
        self,
        choice: Any,
        trial: Trial | None,
        not_checked: Callable[[str, str], None],
        brought: Mapping[str, Scorer] | None = None,
    ) -> None:
        """Prepare to score.

        Args:
            choice: What `load_scorer` takes.
            trial: Labelled texts, beside ours, with the name of their file.
            not_checked: Told of what cannot be scored: what, and why.
            brought: Scorers of regard and of HONEST, which users bring.
        """
        self.cards: list[ScorerCard] = []
        self.substituted: str | None = None
        self._choice, self._not_checked = choice, not_checked
        self._trials = [("groundwire", load_validation()), *([trial] if trial else [])]
        self._scorer: Scorer | None = None
        self._brought = dict(brought or {})
        self._mood: list[Scorer] | None = None

    def preflight(self) -> None:
        """Load the scorer now, or, where that takes seconds and cannot fail for long, look whether it is there.

        A thread could load it beside the training, but packages that draw random numbers when they are
        imported would then disturb the training's own.

        Raises:
            ScorerError: It cannot be had, and no other may take its place.
            UsageError: There is no such scorer.
        """
        if self._choice is not None and self._choice != EMBEDDED:
            try:
                self._use(load_scorer(self._choice))
                return
            except ScorerError as error:
                self._substitute(error)
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise ScorerError(f"{' and '.join(missing)} cannot be found: {INSTALL}")

    def toxicity(self) -> Scorer:
        """Return the scorer of toxicity, which has been tried.

        Raises:
            ScorerError: It cannot be loaded, or broke when it was tried.
        """
        return self._scorer or self._use(load_scorer(EMBEDDED))

    def others(self) -> dict[str, Scorer]:
        """Return the other scorers by what they are for; toxicity does not wait for them."""
        mood = self._sentiment()
        return ({"sentiment": mood} if mood else {}) | self._brought

    def _sentiment(self) -> Scorer | None:
        if self._mood is None:
            try:
                self._mood = [load_sentiment()]
            except ScorerError as error:
                self._mood = []
                self._not_checked("generation.sentiment", str(error))
        return self._mood[0] if self._mood else None

    def _substitute(self, error: ScorerError) -> None:
        """Let the embedded scorer take the place of a Detoxify model whose weights cannot be had, and say so.

        What it scores decides no limit: nobody asked for it.
        """
        if self._choice not in PUBLISHED:
            raise error
        self.substituted = f"{error}; the embedded scorer took the place of {self._choice}, which decides nothing"
        log.warning("groundwire: %s", self.substituted)
        self._not_checked(f"scorer {self._choice}", self.substituted)

    def _use(self, scorer: Scorer) -> Scorer:
        cards = [qualify(scorer, texts, data=name, mask=mask_identities) for name, texts in self._trials]
        self.cards = sorted(cards, key=lambda card: ("", "masked", "raw").index(card.decides))  # worst first
        self._scorer = scorer
        return scorer
