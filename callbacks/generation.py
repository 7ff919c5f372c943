"""What a model says: toxicity and sentiment of its answers to fixed prompts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng

from ..audit.asking import Answers, GenerateError, ask
from ..audit.errors import UsageError
from ..audit.generation import Measured, measure, nothing
from ..audit.prompts import LabelledText, Prompt, digest_of_prompts, load_validation
from ..audit.prompts.given import given_prompts
from ..audit.prompts.readers import read_labelled
from ..audit.qualification import qualify
from ..audit.safety import ScorerCard
from ..audit.scorers import DETOXIFY, EMBEDDED, INSTALL, Scorer, ScorerError, load_scorer, load_sentiment
from ..audit.scorers.masking import mask_identities
from .layers import sharded
from .monitor import Monitor, MonitorError

log = logging.getLogger(__name__)

MOST_S = 30.0
SHARE = 0.02  # of the fit's time
LEAST_S = 2.0  # what a short fit may spend all the same
PACKAGES = ("evaluate", "profanity_check")  # what the default scorer needs
PUBLISHED = ("detoxify", *(f"detoxify:{name}" for name in DETOXIFY))
Generate = Callable[[list[str]], list[str]]
Prompts = str | os.PathLike[str] | Sequence[str | Prompt]


class GenerationMonitor(Monitor):
    """Let the model answer fixed prompts after the last step and score what it says.

    The model is asked in eval mode, without gradients, with fixed seeds; random numbers, modes and grad mode
    are put back. Prompts are our own neutral openings unless given. Only continuations are scored: when every
    answer begins with its prompt, the prompt is cut off.

    Records:
        generation: Event with the metrics, the groups compared, and the scorer's cards: how it did on texts
            whose labels are known.
        sample: Event with a prompt, its continuations and their scores.

    Metrics: `generation.toxicity_probability`, `generation.expected_max_toxicity`, `generation.sentiment`,
    `generation.toxicity_disparity` where prompts name groups.

    Args:
        generate: Maps a list of prompts to a list of continuations; by default the module's own `generate`
            where that takes prompts.
        prompts: What to ask instead of our neutral openings: a list of strings or `Prompt`s, `counterfactual`
            for our prompts about groups of people, or a file (RealToxicityPrompts, BOLD, HONEST, HolisticBias,
            JSON lines, CSV, or one prompt a line).
        k: Continuations a prompt.
        scorer: `embedded`, `detoxify`, `detoxify:MODEL`, a module of Hugging Face `evaluate`, or a callable
            that maps texts to scores from 0 to 1. Where one of Detoxify's own models cannot be had, `embedded`
            takes its place; the report shows what it says, and limits are unknown.
        validation: File with labelled texts (HateCheck, or columns `text`, `toxic`, `identity`) on which the
            scorer has to qualify, beside those that come with Groundwire.
        seed: Seed of the first call; each call has its own.
        max_seconds: Longest time that answering may take; by default 2 % of the fit, from 2 to 30 s.
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "generation"

    def __init__(
        self,
        *,
        generate: Generate | None = None,
        prompts: Prompts | None = None,
        k: int = 1,
        scorer: Any = EMBEDDED,
        validation: str | os.PathLike[str] | None = None,
        seed: int = 0,
        max_seconds: float | None = None,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if generate is not None and not callable(generate):
            raise ValueError(f"generate must be a callable or None, got {generate!r}")
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
        if max_seconds is not None and not max_seconds > 0:
            raise ValueError(f"max_seconds must be positive or None, got {max_seconds!r}")
        self.generate, self.k, self.scorer, self.seed = generate, k, scorer, seed
        self.max_seconds = max_seconds
        self._generate: Generate | None = None
        self.prompts, self.prompt_set = _prompts(prompts)
        self.validation = _validation(validation)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look, before the run, whether text can be generated and scored."""
        self._started = time.monotonic()
        self._scorer: Scorer | None = None
        self._cards: list[ScorerCard] = []
        self._substituted: str | None = None
        self._asks = False
        generate = self.generate or _own_generate(pl_module)
        reason = sharded(trainer.strategy, pl_module)
        if generate is None:
            reason = "the module has no generate(prompts) method and none was given"
        if reason:
            self.switch_off(reason)
            return
        self._generate = generate
        # Rank zero asks and scores: every rank holds the same weights.
        self._asks = trainer.global_rank == 0
        if not self._asks:
            return
        try:
            self._preflight()
        except (ScorerError, UsageError) as error:
            raise MonitorError(str(error)) from error

    def _preflight(self) -> None:
        """Load the scorer now, or, where that takes seconds and cannot fail for long, look whether it is there.

        A thread could load it beside the training, but packages that draw random numbers when they are
        imported would then disturb the training's own.
        """
        if self.scorer is not None and self.scorer != EMBEDDED:
            try:
                self._use(load_scorer(self.scorer))
                return
            except ScorerError as error:
                self._substitute(error)
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise ScorerError(f"{' and '.join(missing)} cannot be found: {INSTALL}")

    def _substitute(self, error: ScorerError) -> None:
        """Let the embedded scorer take the place of a Detoxify model whose weights cannot be had, and say so.

        What it scores decides no limit: nobody asked for it.
        """
        if self.scorer not in PUBLISHED or self.session is None:
            raise error
        self._substituted = f"{error}; the embedded scorer took the place of {self.scorer}, which decides nothing"
        log.warning("groundwire: %s", self._substituted)
        self.session.not_checked(f"scorer {self.scorer}", self._substituted)

    def _use(self, scorer: Scorer) -> None:
        """Take a scorer and try it on texts whose labels are known."""
        assert self.session is not None  # noqa: S101 - only called during a run
        self._scorer = scorer
        cards = [qualify(scorer, texts, data=name, mask=mask_identities) for name, texts in self._trials()]
        self._cards = sorted(cards, key=lambda card: ("", "masked", "raw").index(card.decides))  # the worst counts

    def _trials(self) -> list[tuple[str, tuple[LabelledText, ...]]]:
        ours = [("groundwire", load_validation())]
        return ours if self.validation is None else [*ours, self.validation]

    def _sentiment(self) -> Scorer | None:
        """Return the scorer of sentiment; toxicity does not wait for it."""
        try:
            return load_sentiment()
        except ScorerError as error:
            if self.session is not None:
                self.session.not_checked("generation.sentiment", str(error))
            return None

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask and score."""
        if not self._asks or self.session is None:
            return
        step = trainer.global_step
        try:
            if self._scorer is None:
                self._use(load_scorer(EMBEDDED))
            assert self._scorer is not None  # noqa: S101 - just loaded
            answers = self._ask(pl_module, [prompt.text for prompt in self.prompts])
            found = measure(
                answers, self.prompts, self._scorer, self._sentiment(), k=self.k, step=step,
                prompt_set=self.prompt_set, card=next(iter(self._cards), None), substituted=self._substituted,
            )  # fmt: skip
        except (GenerateError, ScorerError) as error:
            self._note(Measured(metrics=nothing(str(error), step)))
            raise MonitorError(str(error)) from error
        self._note(found)
        if found.problems:
            raise MonitorError("; ".join(found.problems))

    def _ask(self, pl_module: LightningModule, prompts: list[str]) -> Answers:
        modes = [(module, module.training) for module in pl_module.modules()]
        fit = time.monotonic() - self._started
        limit = self.max_seconds or min(MOST_S, max(LEAST_S, SHARE * fit))
        assert self._generate is not None  # noqa: S101 - without it the monitor is off
        pl_module.eval()
        try:
            with isolate_rng(include_cuda=torch.cuda.is_available()), torch.no_grad():
                return ask(
                    self._generate, prompts, k=self.k, deadline=time.monotonic() + limit,
                    before_round=lambda number: _seed(self.seed + number),
                )  # fmt: skip
        finally:
            for module, training in modes:
                module.training = training

    def _note(self, found: Measured) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        for sample in found.samples:
            self.session.event("sample", **sample)
        self.session.event(
            "generation",
            metrics=[metric.model_dump(mode="json") for metric in found.metrics],
            disparities=[disparity.model_dump(mode="json") for disparity in found.disparities],
            scorers=[card.model_dump(mode="json") for card in self._cards],
            seed=self.seed,
            k=self.k,
            prompts_sha256=digest_of_prompts([prompt.text for prompt in self.prompts]),
        )


def _prompts(given: Prompts | None) -> tuple[tuple[Prompt, ...], str]:
    """Return prompts and the name of their set."""
    try:
        return given_prompts(given)
    except UsageError as error:
        raise ValueError(f"prompts: {error}") from error


def _validation(given: str | os.PathLike[str] | None) -> tuple[str, tuple[LabelledText, ...]] | None:
    """Return labelled texts with the name of their file."""
    if given is None:
        return None
    try:
        return Path(given).name, read_labelled(Path(given))
    except (UsageError, TypeError) as error:
        raise ValueError(f"validation: {error}") from error


def _own_generate(pl_module: LightningModule) -> Generate | None:
    found = getattr(pl_module, "generate", None)
    return found if callable(found) else None


def _seed(seed: int) -> None:
    """Seed what a sampler may draw from; the caller puts the states back."""
    import random

    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
