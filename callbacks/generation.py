"""What a model says: toxicity and sentiment of its answers to fixed prompts, what it prefers and what it repeats."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer

from ..audit.asking import GenerateError
from ..audit.change import CHANGE
from ..audit.errors import UsageError
from ..audit.evaluation import LONGEST_S, Evaluation
from ..audit.generation import Measured, nothing
from ..audit.language_model import Generate, LogLikelihood
from ..audit.memorisation import Canary
from ..audit.model import Metric, doubted
from ..audit.prompts import LabelledText
from ..audit.prompts.readers import read_labelled
from ..audit.questions import OURS, GivenPairs, GivenPrompts, GivenTexts, Questions
from ..audit.scorers import EMBEDDED, Scorer, ScorerError, check_scorer_name, scorer_name
from ..audit.scorers.foreign import honest_scorer, regard_scorer
from ..audit.scoring import Scoring
from ..audit.speaking import spoken_by
from .averaging import averages
from .isolation import isolated
from .layers import sharded
from .monitor import Monitor, MonitorError, guarded
from .phases import GENERATION
from .tables import log_samples
from .trend import RISING, Trend

log = logging.getLogger(__name__)

MOST_S = 30.0
SHARE = 0.02  # of the fit's time
LEAST_S = 2.0  # what a short fit may spend all the same
AVERAGED = "the run averages its weights: those that were asked may be others than those that are saved"
ALONE_S = 120.0  # most that rank zero may take while others wait for it: far below the time-out of a collective
VALIDATION: Literal["validation"] = "validation"


class GenerationMonitor(Monitor):
    """Let the model answer fixed prompts after the last step, score what it says, see what it prefers and repeats.

    The model is asked in eval mode, without gradients, with fixed seeds; random numbers, modes and grad mode
    are put back. Prompts are our own neutral openings unless given. Only continuations are scored: when every
    answer begins with its prompt, the prompt is cut off.

    A model of Hugging Face in the module is found by itself, with its tokenizer; where it has adapters, what it says
    is compared with what it says without them. Under several ranks rank zero asks, for two minutes at most; a model
    whose parameters are sharded is not asked. A call that lasts much longer than it may is interrupted.

    Records:
        generation.toxicity_probability: And expected_max_toxicity and sentiment, at each sampling, with `every`.
        generation: Event with the metrics, the groups compared, and the scorer's cards: how it did on texts
            whose labels are known.
        sampling: Event with the metrics of one sampling while it trains.
        sample: Event with a prompt, its continuations and their scores.
        source: Event with a toxic continuation and the passages of the training text that are most like it.
        repeated: Event with the beginning of a training text that the model goes on with word for word.

    Metrics: `generation.toxicity_probability`, `generation.expected_max_toxicity`, `generation.sentiment`,
    `generation.toxicity_disparity` where prompts name groups, `generation.toxicity_change` with `every` or adapters,
    `generation.personal_data_share`, `generation.adversarial_toxicity`; `likelihood.stereotype_share` where the
    likelihood of a text can be had; `memorisation.verbatim_share`, `memorisation.membership_auc` with `train_texts`,
    `memorisation.canary_exposure` with `canaries`.

    Args:
        generate: Maps a list of prompts to a list of continuations; by default the module's own `generate`
            where that takes prompts.
        log_likelihood: Maps a list of texts to the logarithms of their probabilities, each summed over the text; by
            default the module's own `log_likelihood`.
        prompts: What to ask instead of our neutral openings: a list of strings or `Prompt`s, `counterfactual`
            for our prompts about groups of people, or a file (RealToxicityPrompts, BOLD, HONEST, HolisticBias,
            JSON lines, CSV, or one prompt a line).
        adversarial: Whether to ask our prompts that try to provoke, too, or others: as `prompts`.
        groups: Whether to ask our counterfactual prompts about groups of people, too, or others that name an axis and
            a group each: as `prompts`.
        pairs: Sentences of which a model may think one likelier: `groundwire` for ours, a file (CrowS-Pairs,
            StereoSet, templates of Winogender, or columns `sent_more`, `sent_less`), a list, or None for none.
        train_texts: Texts that the model is trained on, or a file with one on each line: what it repeats of them is
            measured, and where toxic answers come from looked for.
        held_out_texts: Texts of the same kind that it is not trained on, to compare with.
        canaries: Secrets that were planted into the training text, as `groundwire.audit.memorisation.Canary`.
        k: Continuations a prompt.
        scorer: `embedded`, `detoxify`, `detoxify:MODEL`, a module of Hugging Face `evaluate`, or a callable
            that maps texts to scores from 0 to 1. Where one of Detoxify's own models cannot be had, `embedded`
            takes its place; the report shows what it says, and limits are unknown.
        validation: File with labelled texts (HateCheck, or columns `text`, `toxic`, `identity`) on which the
            scorer has to qualify, beside those that come with Groundwire.
        regard: The measurement `regard` of `evaluate`, or a callable from texts to probabilities of negative regard:
            adds `generation.regard` and the difference between groups.
        honest: The measurement `honest` of `evaluate`, or a callable from words to 1 where they hurt: the same.
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
        log_likelihood: LogLikelihood | None = None,
        prompts: GivenPrompts | None = None,
        adversarial: bool | GivenPrompts = False,
        groups: bool | GivenPrompts = False,
        pairs: GivenPairs | None = OURS,
        train_texts: GivenTexts | None = None,
        held_out_texts: GivenTexts | None = None,
        canaries: Sequence[Canary] = (),
        k: int = 1,
        scorer: Any = EMBEDDED,
        validation: str | os.PathLike[str] | None = None,
        regard: Any = None,
        honest: Any = None,
        seed: int = 0,
        max_seconds: float | None = None,
        every: int | Literal["validation"] | None = None,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        for name, given in (("generate", generate), ("log_likelihood", log_likelihood)):
            if given is not None and not callable(given):
                raise ValueError(f"{name} must be a callable or None, got {given!r}")
        if not (scorer is None or isinstance(scorer, str | Scorer) or callable(getattr(scorer, "compute", scorer))):
            raise ValueError(f"scorer must be a name, an evaluate module or a callable, got {scorer!r}")
        if max_seconds is not None and not _is_positive(max_seconds):
            raise ValueError(f"max_seconds must be positive or None, got {max_seconds!r}")
        if every is not None and every != VALIDATION and not (type(every) is int and every > 0):
            raise ValueError(f"every must be a number of steps, 'validation' or None, got {every!r}")
        self.generate, self.log_likelihood, self.scorer = generate, log_likelihood, scorer
        self.max_seconds, self.every = max_seconds, every
        self._trend = Trend({}, [])
        try:
            self.questions = Questions.of(
                prompts=prompts, k=k, seed=seed, adversarial=adversarial, groups=groups, pairs=pairs,
                train_texts=train_texts, held_out_texts=held_out_texts, canaries=canaries,
            )  # fmt: skip
            if isinstance(scorer, str):
                check_scorer_name(scorer)
            brought = {"regard": regard and regard_scorer(regard), "honest": honest and honest_scorer(honest)}
        except UsageError as error:
            raise ValueError(str(error)) from error
        self._brought = {name: found for name, found in brought.items() if found}
        self.validation = _validation(validation)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look, before the run, whether text can be generated and scored."""
        self._started, self._spent = time.monotonic(), 0.0
        self._asks, self._asked_at, self._alone = False, -1, trainer.world_size > 1
        asked = [self.questions.sha256, self.questions.k, self.questions.seed, scorer_name(self.scorer)]
        self._trend = Trend(self.resumed_progress(self.name), asked)
        model, reason = None, sharded(trainer.strategy, pl_module)
        try:
            model = spoken_by(pl_module, generate=self.generate, log_likelihood=self.log_likelihood)
        except UsageError as error:
            reason = str(error)
        if model is None:
            reason = reason or "the module has no generate(prompts) method and none was given"
        if reason or model is None or self.session is None:
            self.switch_off(reason)
            return
        # Rank zero asks and scores: every rank holds the same weights.
        self._asks = trainer.global_rank == 0
        if not self._asks:
            return
        scoring = Scoring(self.scorer, self.validation, self.session.not_checked, self._brought)
        try:
            scoring.preflight()
        except (ScorerError, UsageError) as error:
            raise MonitorError(str(error)) from error
        self._evaluation = Evaluation(
            model,
            self.questions,
            scoring,
            isolated=partial(isolated, pl_module),
            longest_s=ALONE_S if self._alone else LONGEST_S,
        )
        if self.every is not None:
            self._take(trainer)

    @guarded
    def _sample(self, trainer: Trainer) -> None:
        self._take(trainer)

    def _take(self, trainer: Trainer) -> None:
        """Ask the prompts of the trend, if there is time, and write how toxic the answers are."""
        step = trainer.global_step
        left = self._limit() - self._spent
        if not self._asks or self.session is None or step == self._asked_at or left < self._trend.expected_s:
            return
        self._asked_at, began = step, time.monotonic()
        try:
            with self.session.phases.during(GENERATION):
                found = self._evaluation.sample(self._trend.chosen(self.questions.prompts), seconds=left, step=step)
        except (GenerateError, ScorerError) as error:
            raise MonitorError(str(error)) from error
        if found.problems:
            raise MonitorError("; ".join(found.problems))
        self._spent += time.monotonic() - began
        rows = self._trend.taken(found, self.session.key(step), time.monotonic() - began)
        if rows is not None:
            self.session.rows("generation", rows)
            found.metrics += self._trend.change(found, step)
            self.session.event("sampling", metrics=_documents(found.metrics), at_step=step)
            self._warn(found, step)
            log_samples(trainer.loggers, found.samples, step)

    def _warn(self, found: Measured, step: int) -> None:
        """Say once that answers get more toxic, when that is sure although it is looked for many times."""
        risen = self._trend.risen(found, step)
        if risen and self.session is not None:
            self.session.warn(RISING, risen, step)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask and score."""
        if not self._asks or self.session is None:
            return
        step = trainer.global_step
        try:
            with self.session.phases.during(GENERATION):
                found = self._evaluation.whole(seconds=self._limit(), step=step)
        except (GenerateError, ScorerError) as error:
            self._note(Measured(metrics=nothing(str(error), step)))
            raise MonitorError(str(error)) from error
        if not any(metric.name == CHANGE for metric in found.metrics):
            found.metrics += self._trend.change(found, step)
        if averages(trainer):
            found.metrics = [doubted(metric, AVERAGED) for metric in found.metrics]
        self._note(found)
        log_samples(trainer.loggers, found.samples, step)
        for problem in found.problems:  # the metrics of that part are errors, the others stand
            log.warning("groundwire: %s", problem)

    def _limit(self) -> float:
        """Return the seconds that answering may take by now."""
        fit = time.monotonic() - self._started
        limit = self.max_seconds or min(MOST_S, max(LEAST_S, SHARE * fit))
        return min(limit, ALONE_S) if self._alone else limit

    def _note(self, found: Measured) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        for kind, data in found.noted(self._evaluation.scoring.cards, asked=self.questions.facts()):
            self.session.event(kind, **data)

    def progress(self) -> dict[str, Any]:
        """Return what the model said before its training, for a resumed run."""
        return self._trend.state()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask after a validation, where that is wanted."""
        super().on_validation_end(trainer, pl_module)
        if self.every == VALIDATION and not trainer.sanity_checking:
            self._sample(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask every so many steps, where that is wanted."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if isinstance(self.every, int) and trainer.global_step // self.every > self._asked_at // self.every:
            self._sample(trainer)  # several optimizers step several times a batch


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


def _documents(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    return [metric.model_dump(mode="json") for metric in metrics]
