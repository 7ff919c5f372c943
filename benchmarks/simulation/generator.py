"""How often what is planted in a generator is recovered, from its answers to the metrics of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from groundwire.audit.asking import ask
from groundwire.audit.disparities import TOXICITY
from groundwire.audit.evaluation import Evaluation
from groundwire.audit.generation import Measured, measure
from groundwire.audit.language_model import LanguageModel
from groundwire.audit.prompts import Prompt, load_validation
from groundwire.audit.questions import Questions
from groundwire.audit.scoring import Scoring
from groundwire.audit.toxicity import FRACTION, PROBABILITY
from scipy.special import betaln
from scipy.stats import beta

from .samples import SHARED, Floats, Share, resamples

GROUPS, GAP = "each group's rate", "bounds of the gap"
COLUMNS = (PROBABILITY, FRACTION, GROUPS, GAP)
TEMPLATES = 54  # as many as our own prompts about groups have
TOXIC, HARMLESS = "Something toxic.", "Something harmless."
AMPLE_S = 600.0

Interval = tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is planted.

    Attributes:
        rates: Toxic share of what is said of each group.
        k: Continuations a prompt.
        correlation: Of the continuations of one prompt.
        shared: Whether half of the templates lead all groups into the same; else prompts are independent.
    """

    rates: Sequence[float]
    k: int
    correlation: float
    shared: bool = False

    @property
    def probability(self) -> float:
        """Probability that a prompt has at least one toxic continuation of k, the mean over groups.

        One less that of none: (1 − μ)^k where continuations are independent, else the beta-binomial's,
        B(a, b + k) / B(a, b) with a = μ(1/ρ − 1) and b = (1 − μ)(1/ρ − 1) (Skellam 1948, JRSS B 10).
        """
        rates = np.array(self.rates)
        if self.correlation == 0:
            return float(1 - ((1 - rates) ** self.k).mean())
        a, b = _shapes(rates, self.correlation)
        return float(1 - np.exp(betaln(a, b + self.k) - betaln(a, b)).mean())


class Planted:
    """Says something toxic after each prompt as often as the prompt's own rate wants.

    Args:
        rates: The rate of each prompt, by its text.
        rng: Source of its words.
    """

    def __init__(self, rates: Mapping[str, float], rng: np.random.Generator) -> None:
        self._rates, self._rng = rates, rng

    def generate(self, prompts: list[str]) -> list[str]:
        """Return one continuation for each prompt."""
        return [TOXIC if self._rng.random() < self._rates[prompt] else HARMLESS for prompt in prompts]


def recovered(setting: Setting, *, repeats: int, whole: bool = False, draws: int = 999) -> dict[str, Share]:
    """Return how often the interval of each metric holds what was planted.

    Args:
        setting: What is planted; prompts' own rates are drawn anew each time.
        repeats: Simulations.
        whole: Whether the model is asked by an `Evaluation`, with sentiment and personal data, as in a run.
        draws: Permutations and resamples of a comparison.
    """
    rng = np.random.default_rng([len(setting.rates), setting.k, round(100 * setting.correlation), setting.shared])
    questions = Questions.of(prompts=_prompts(len(setting.rates)), k=setting.k, pairs=None)
    rows = []
    with resamples(draws):
        for _ in range(repeats):
            rates = zip(questions.prompts, own_rates(rng, setting).ravel().tolist(), strict=True)
            planted = Planted({prompt.text: rate for prompt, rate in rates}, rng)
            rows.append(_held((_asked_whole if whole else _asked)(planted, questions), setting))
    return {name: _share([row[name] for row in rows]) for name in COLUMNS}


def own_rates(rng: np.random.Generator, setting: Setting) -> Floats:
    """Return the rate of each prompt, beta-distributed around its group's, shape [groups, templates].

    Of a shared template all groups have the same quantile.
    """
    rates, size = np.array(setting.rates)[:, None], (len(setting.rates), TEMPLATES)
    if setting.correlation == 0:
        return np.broadcast_to(rates, size)
    place = rng.random(size)
    alike = rng.random(TEMPLATES) < SHARED * setting.shared
    return np.asarray(beta.ppf(np.where(alike, place[:1], place), *_shapes(rates, setting.correlation)))


def _shapes(rates: Floats, correlation: float) -> tuple[Floats, Floats]:
    """Return a and b of the beta distributions with these means, whose draws' samples correlate so."""
    scale = 1 / correlation - 1
    return rates * scale, (1 - rates) * scale


def _prompts(groups: int) -> list[Prompt]:
    return [
        Prompt(id=f"{group}-{template}", text=f"Of group {group}, in words {template}, it is said that",
               axis="planted", group=f"group {group}", template=str(template))
        for group in range(groups) for template in range(TEMPLATES)
    ]  # fmt: skip


def _asked(planted: Planted, questions: Questions) -> Measured:
    prompts, scoring = questions.prompts, _scoring()
    answers = ask(planted.generate, [prompt.text for prompt in prompts], k=questions.k)
    return measure(
        answers, prompts, scoring.toxicity(), None, k=questions.k, step=0, prompt_set=questions.prompt_set,
        cards=scoring.cards,
    )  # fmt: skip


def _asked_whole(planted: Planted, questions: Questions) -> Measured:
    model = LanguageModel(generate=planted.generate)
    return Evaluation(model, questions, _scoring()).whole(seconds=AMPLE_S, step=0)


@cache
def _scoring() -> Scoring:
    """Return a scorer that knows the planted continuations and the texts on which scorers qualify."""
    toxic = {TOXIC, *(text.text for text in load_validation() if text.toxic)}
    scoring = Scoring(lambda texts: [float(text in toxic) for text in texts], None, lambda _what, _why: None)
    scoring.preflight()
    return scoring


def _held(found: Measured, setting: Setting) -> dict[str, list[bool]]:
    """Return for each metric whether its interval holds what was planted, for the groups' rates one by one."""
    totals = {metric.name: (metric.low, metric.high) for metric in found.metrics if not metric.labels}
    compared = next(each for each in found.disparities if each.metric == TOXICITY.metric)
    groups = zip(compared.groups, setting.rates, strict=True)
    return {
        PROBABILITY: [_holds(totals[PROBABILITY], setting.probability)],
        FRACTION: [_holds(totals[FRACTION], float(np.mean(setting.rates)))],
        GROUPS: [_holds((group.low, group.high), rate) for group, rate in groups],
        GAP: [_holds(totals[TOXICITY.metric], max(setting.rates) - min(setting.rates))],
    }


def _holds(interval: Interval, truth: float) -> bool:
    low, high = interval
    return low is not None and high is not None and low <= truth <= high


def _share(rows: Sequence[Sequence[bool]]) -> Share:
    return Share(hits=sum(map(sum, rows)), of=sum(map(len, rows)))
