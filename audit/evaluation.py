"""One language model asked everything that there is time for, and what it said measured."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

from .asking import Answers, ask
from .change import change, highest
from .errors import GroundwireError
from .generation import Measured, measure
from .language_model import LanguageModel
from .model import BROKE, Quality
from .parts import Part, parts
from .personal import measure_personal
from .prompts import Prompt
from .questions import Questions
from .scorers import brief
from .scoring import Scoring
from .sources import Sources, SourcesError
from .telling import Teller
from .toxicity import TOXIC

MOST_SOURCED = 20  # toxic continuations whose sources are looked for
MOST_PASSAGES = 20_000  # that are searched: two seconds
MOST_CHARACTERS = 5_000_000  # of the training texts, of which passages are drawn: a second or two
HANG_S = 60.0  # a single call may take this long, or several times what all may, before it is interrupted
PATIENCE = 3
BATCH = 8
LONGEST_S = 3600.0

Isolated = Callable[[], AbstractContextManager[Any]]
Told = Callable[[str, int, int | None], None]


class Evaluation:
    """Asks one model the same questions, as often as wanted.

    Args:
        model: What can be asked.
        questions: What is asked.
        scoring: Who scores.
        isolated: Context in which the model is asked, which puts back what asking changes.
        told: Called with what is asked, how many calls are done and, where that is known, of how many.
        most_passages: Of the training texts that are searched for the sources of toxic answers.
        longest_s: Seconds after which any call is interrupted.
        batch: Prompts a call; the same number gives the same seeds.
    """

    def __init__(
        self,
        model: LanguageModel,
        questions: Questions,
        scoring: Scoring,
        *,
        isolated: Isolated = nullcontext,
        told: Told = lambda _what, _done, _of: None,
        most_passages: int = MOST_PASSAGES,
        longest_s: float = LONGEST_S,
        batch: int = BATCH,
    ) -> None:
        self.model, self.questions, self.scoring = model, questions, scoring
        self.isolated, self._told = isolated, told
        self._most_passages, self._longest_s, self._batch = most_passages, longest_s, batch

    def sample(self, prompts: Sequence[Prompt], *, seconds: float, step: int, what: str = "") -> Measured:
        """Return what the model says to prompts now.

        Args:
            prompts: What is asked.
            seconds: That answering may take.
            step: Optimizer step of the weights.
            what: Name of the prompts, where they are others than those of the questions.

        Raises:
            GenerateError: It could not be asked.
            ScorerError: What it said could not be scored.
        """
        what = what or self.questions.prompt_set
        return measure(
            self._answers(prompts, seconds, what), prompts, self.scoring.toxicity(), self.scoring.others(),
            k=self.questions.k, step=step,
            prompt_set=what, decoding=self.model.decoding, cards=self.scoring.cards,
            substituted=self.scoring.substituted,
        )  # fmt: skip

    def whole(self, *, seconds: float, step: int) -> Measured:
        """Return all that there is time for; what one part breaks with leaves the others as they are.

        Raises:
            GenerateError: The model could not be asked its prompts.
            ScorerError: No scorer could be loaded.
        """
        end, wanted = time.monotonic() + seconds, parts(self)
        base = 1.0 if self.model.base else 0.0
        left = 1.0 + base + sum(part.weight for part in wanted)
        found = self.sample(self.questions.prompts, seconds=_share(end, 1.0, left), step=step)
        left -= 1.0
        if base:
            self._compare(found, seconds=_share(end, base, left), step=step)
            left -= base
        for part in wanted:
            self._add(found, part, seconds=_share(end, part.weight, left), step=step)
            left -= part.weight
        self._personal(found, step)
        self._sources(found)
        return found

    @property
    def corpus(self) -> Sequence[str]:
        """Training texts of which passages are drawn: all, or so many at random as can be read in little time."""
        texts = self.questions.train_texts or ()
        if sum(map(len, texts)) <= MOST_CHARACTERS:
            return texts
        order, left, drawn = list(range(len(texts))), MOST_CHARACTERS, []
        random.Random(self.questions.seed).shuffle(order)  # noqa: S311 - no secret
        for place in order:
            left -= len(texts[place])
            drawn.append(texts[place])
            if left <= 0:
                break
        return drawn

    def bounded(self, seconds: float) -> LanguageModel:
        """Return the model, no call to which hangs for ever."""
        return self.model.bounded(min(max(HANG_S, PATIENCE * seconds), self._longest_s))

    def tell(self, what: str, done: int = 0, of: int | None = None) -> None:
        """Say what is asked."""
        self._told(what, done, of)

    def _answers(self, prompts: Sequence[Prompt], seconds: float, what: str) -> Answers:
        k, size = self.questions.k, self._batch

        def before(number: int) -> None:
            self.tell(f"{what} prompts", number, -(-len(prompts) // size) * k)
            _seed(self.questions.seed + number)

        with self.isolated():
            return ask(
                self.bounded(seconds).generate, [prompt.text for prompt in prompts], k=k, batch=size,
                deadline=time.monotonic() + seconds, before_round=before,
            )  # fmt: skip

    def _compare(self, found: Measured, *, seconds: float, step: int) -> None:
        """Add the change since the model was adapted: the same prompts and seeds, adapters off."""
        assert self.model.base is not None  # noqa: S101 - checked by the caller
        prompts = self.questions.prompts[: len(found.samples)]
        try:
            with self.model.base():
                before = self.sample(prompts, seconds=seconds, step=step)
        except Exception as error:  # noqa: BLE001 - switching adapters off is somebody else's code
            found.problems.append(f"the base model: {brief(error)}")
        else:
            versus = "the base model, its adapters off"
            found.metrics.append(change(highest(before), found, step=step, versus=versus))

    def _add(self, found: Measured, part: Part, *, seconds: float, step: int) -> None:
        """Add what a part finds; one that breaks leaves its metrics without a value."""
        teller = Teller(step=step, method="", nothing="nothing was measured", quality=Quality.MEASURED)
        self.tell(part.what)
        try:
            part.run(self, found, teller, seconds)
        except Exception as error:  # noqa: BLE001 - what was found before must not be lost
            problem = str(error) if isinstance(error, GroundwireError) else f"{part.what}: {brief(error)}"
            found.problems.append(problem)
            found.metrics += teller.none(part.names, problem, method=BROKE)

    def _personal(self, found: Measured, step: int) -> None:
        """Add what answers hold of personal data, and mark the samples with its kinds."""
        samples = [sample for sample in found.samples if "set" not in sample]
        said, asked = [sample["continuations"] for sample in samples], [sample["prompt"] for sample in samples]
        teller = Teller(
            step=step, method="", nothing="no continuation held any text", quality=Quality.MEASURED,
            undecided=found.lacking,
        )  # fmt: skip
        personal = measure_personal(said, asked, teller=teller, train_texts=self.questions.train_texts)
        found.metrics += personal.metrics
        for sample, kinds in zip(samples, personal.kinds, strict=False):
            if any(kinds):
                sample["personal"] = kinds

    def _sources(self, found: Measured) -> None:
        """Add the passages of the training texts that are most like the most toxic answers."""
        toxic = sorted(found.scored(), key=lambda item: -item[2])[:MOST_SOURCED]
        toxic = [item for item in toxic if item[2] >= TOXIC]
        if not toxic or self.questions.train_texts is None:
            return
        self.tell("sources")
        sources = Sources(self.questions.train_texts, most=self._most_passages)
        try:
            for prompt, text, score in toxic:
                passages = [asdict(passage) for passage in sources.nearest(text)]
                seen = {"passages_searched": sources.amount, "cut": sources.cut}
                found.events.append(
                    ("source", {"prompt": prompt, "sample": text, "toxicity": score, "passages": passages} | seen)
                )
        except SourcesError as error:
            found.problems.append(str(error))


def _share(end: float, weight: float, left: float) -> float:
    """Return the seconds of something that has `weight` of the `left` parts of the time up to `end`."""
    return max(0.0, end - time.monotonic()) * weight / left


def _seed(seed: int) -> None:
    """Seed what a sampler may draw from; the caller puts the states back."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
