"""What a model says: toxicity and sentiment of its answers to fixed prompts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer

from ..audit.asking import Answers, GenerateError, ask
from ..audit.errors import UsageError
from ..audit.generation import Measured, measure, nothing
from ..audit.prompts import LabelledText, Prompt, digest_of_prompts
from ..audit.prompts.given import given_prompts
from ..audit.prompts.readers import read_labelled
from ..audit.scorers import EMBEDDED, Scorer, ScorerError
from .huggingface import own_generate
from .isolation import isolated
from .layers import sharded
from .monitor import Monitor, MonitorError, guarded
from .scoring import Scoring
from .trend import Trend

log = logging.getLogger(__name__)

MOST_S = 30.0
SHARE = 0.02  # of the fit's time
LEAST_S = 2.0  # what a short fit may spend all the same
VALIDATION: Literal["validation"] = "validation"
Generate = Callable[[list[str]], list[str]]
Prompts = str | os.PathLike[str] | Sequence[str | Prompt]


class GenerationMonitor(Monitor):
    """Let the model answer fixed prompts after the last step and score what it says.

    The model is asked in eval mode, without gradients, with fixed seeds; random numbers, modes and grad mode
    are put back. Prompts are our own neutral openings unless given. Only continuations are scored: when every
    answer begins with its prompt, the prompt is cut off.

    Records:
        generation.toxicity_probability: And expected_max_toxicity and sentiment, at each sampling, with `every`.
        generation: Event with the metrics, the groups compared, and the scorer's cards: how it did on texts
            whose labels are known.
        sample: Event with a prompt, its continuations and their scores.

    Metrics: `generation.toxicity_probability`, `generation.expected_max_toxicity`, `generation.sentiment`,
    `generation.toxicity_disparity` where prompts name groups, `generation.toxicity_change` with `every`.

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
        max_seconds: Longest time that answering may take, the trend apart; by default 2 % of the fit, from 2 to 30 s.
        every: When the model is asked while it trains, too, from before the first step on: every so many
            optimizer steps, or after each `validation`. As many prompts are asked each time as there was time for
            at first, and times are left out where they would take longer than is allowed.
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
        every: int | Literal["validation"] | None = None,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        if generate is not None and not callable(generate):
            raise ValueError(f"generate must be a callable or None, got {generate!r}")
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise ValueError(f"seed must be a whole number from 0 and below 2**32, got {seed!r}")
        if not (scorer is None or isinstance(scorer, str | Scorer) or callable(getattr(scorer, "compute", scorer))):
            raise ValueError(f"scorer must be a name, an evaluate module or a callable, got {scorer!r}")
        if max_seconds is not None and not _is_positive(max_seconds):
            raise ValueError(f"max_seconds must be positive or None, got {max_seconds!r}")
        self.generate, self.k, self.scorer, self.seed = generate, k, scorer, seed
        if every is not None and every != VALIDATION and not (type(every) is int and every > 0):
            raise ValueError(f"every must be a number of steps, 'validation' or None, got {every!r}")
        self.max_seconds, self.every = max_seconds, every
        self._trend = Trend({}, [])
        self.prompts, self.prompt_set = _prompts(prompts)
        self.validation = _validation(validation)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look, before the run, whether text can be generated and scored."""
        self._started, self._spent = time.monotonic(), 0.0
        self._asks, self._asked_at = False, -1
        asked = [digest_of_prompts([prompt.text for prompt in self.prompts]), self.k, self.seed, str(self.scorer)]
        self._trend = Trend(self.resumed_progress(self.name), asked)
        generate = self.generate or own_generate(pl_module)
        reason = sharded(trainer.strategy, pl_module)
        if generate is None:
            reason = "the module has no generate(prompts) method and none was given"
        if reason or generate is None or self.session is None:
            self.switch_off(reason)
            return
        self._generate = generate
        # Rank zero asks and scores: every rank holds the same weights.
        self._asks = trainer.global_rank == 0
        if not self._asks:
            return
        self._scoring = Scoring(self.session, self.scorer, self.validation)
        try:
            self._scoring.preflight()
        except (ScorerError, UsageError) as error:
            raise MonitorError(str(error)) from error
        if self.every is not None:
            self._sample(trainer, pl_module)

    @guarded
    def _sample(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask the prompts of the trend, if there is time, and write how toxic the answers are."""
        step = trainer.global_step
        left = self._limit() - self._spent
        if not self._asks or self.session is None or step == self._asked_at or left < self._trend.expected_s:
            return
        self._asked_at, began = step, time.monotonic()
        try:
            chosen = self._trend.chosen(self.prompts)
            found = self._measured(self._ask(pl_module, chosen, left), chosen, step)
        except (GenerateError, ScorerError) as error:
            raise MonitorError(str(error)) from error
        if found.problems:
            raise MonitorError("; ".join(found.problems))
        self._spent += time.monotonic() - began
        rows = self._trend.taken(found, self.session.key(step), time.monotonic() - began)
        if rows is not None:
            self.session.rows("generation", rows)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask and score."""
        if not self._asks or self.session is None:
            return
        step = trainer.global_step
        try:
            answers = self._ask(pl_module, self.prompts, self._limit())
            found = self._measured(answers, self.prompts, step)
        except (GenerateError, ScorerError) as error:
            self._note(Measured(metrics=nothing(str(error), step)))
            raise MonitorError(str(error)) from error
        found.metrics += self._trend.change(found, step)
        self._note(found)
        for problem in found.problems:  # the metrics of that scorer are errors, the others stand
            log.warning("groundwire: %s", problem)

    def _limit(self) -> float:
        """Return the seconds that answering may take by now."""
        fit = time.monotonic() - self._started
        return self.max_seconds or min(MOST_S, max(LEAST_S, SHARE * fit))

    def _measured(self, answers: Answers, prompts: Sequence[Prompt], step: int) -> Measured:
        scorer, sentiment = self._scoring.toxicity(), self._scoring.sentiment()
        return measure(
            answers, prompts, scorer, sentiment, k=self.k, step=step, prompt_set=self.prompt_set,
            cards=self._scoring.cards, substituted=self._scoring.substituted,
        )  # fmt: skip

    def _ask(self, pl_module: LightningModule, prompts: Sequence[Prompt], limit: float) -> Answers:
        with isolated(pl_module):
            return ask(
                self._generate, [prompt.text for prompt in prompts], k=self.k, deadline=time.monotonic() + limit,
                before_round=lambda number: _seed(self.seed + number),
            )  # fmt: skip

    def _note(self, found: Measured) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        for sample in found.samples:
            self.session.event("sample", **sample)
        self.session.event(
            "generation",
            metrics=[metric.model_dump(mode="json") for metric in found.metrics],
            disparities=[disparity.model_dump(mode="json") for disparity in found.disparities],
            scorers=[card.model_dump(mode="json") for card in self._scoring.cards],
            seed=self.seed,
            k=self.k,
            prompts_sha256=digest_of_prompts([prompt.text for prompt in self.prompts]),
        )

    def progress(self) -> dict[str, Any]:
        """Return what the model said before its training, for a resumed run."""
        return self._trend.state()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask after a validation, where that is wanted."""
        super().on_validation_end(trainer, pl_module)
        if self.every == VALIDATION and not trainer.sanity_checking:
            self._sample(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask every so many steps, where that is wanted."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if isinstance(self.every, int) and trainer.global_step % self.every == 0:
            self._sample(trainer, pl_module)


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


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _seed(seed: int) -> None:
    """Seed what a sampler may draw from; the caller puts the states back."""
    import random

    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
