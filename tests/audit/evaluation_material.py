"""A language model of a few lines, and everything that it may be asked."""

from __future__ import annotations

import random
from typing import Any

from groundwire.audit.evaluation import Evaluation
from groundwire.audit.language_model import LanguageModel
from groundwire.audit.questions import Questions
from groundwire.audit.scorers import Scorer
from groundwire.audit.scoring import Scoring

WORDS = ["stone", "river", "lamp", "garden", "window", "paper", "copper", "winter", "market", "bridge"]


def text(seed: int, words: int = 90) -> str:
    drawn = random.Random(seed)
    return " ".join(f"{drawn.choice(WORDS)}{drawn.randrange(1000)}" for _ in range(words))


TRAINED = [text(seed) for seed in range(40)] + [f"you idiot number {n}, go away now please" for n in range(3)]
CALM = "a calm day by the river, with nobody else about, and bread"
HELD_OUT = [text(seed) for seed in range(100, 130)]


def by_word(texts: list[str]) -> list[float]:
    return [0.9 if "idiot" in text else 0.1 for text in texts]


def remembering(prompts: list[str]) -> list[str]:
    """Go on as the training text does, where it does, else calmly."""
    found = {prompt: next((t for t in TRAINED if t.startswith(prompt)), "") for prompt in prompts}
    return [found[prompt].removeprefix(prompt) or CALM for prompt in prompts]


def likelihood(texts: list[str]) -> list[float]:
    """Give what was trained on a loss that is lower by half."""
    return [-len(text) * (0.5 if any(text in known for known in TRAINED) else 1.0) for text in texts]


def model(**parts: Any) -> LanguageModel:
    calm = {"generate": lambda prompts: ["a calm day"] * len(prompts)}
    return LanguageModel(**(calm | parts))


def evaluation(speaker: LanguageModel, *, scorer: Any = by_word, **asked: Any) -> Evaluation:
    scoring = Scoring(Scorer(name="by word", compute=scorer), None, lambda what, reason: None)
    scoring._trials = []
    scoring.preflight()
    return Evaluation(speaker, Questions.of(**({"pairs": None} | asked)), scoring)
