"""Groups are compared over prompts that differ in the group alone, and only by scorers that may."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from groundwire.audit.asking import Answers
from groundwire.audit.disparities import TOXICITY, Scored, axes, disparities, how_decided
from groundwire.audit.generation import Measured, measure
from groundwire.audit.model import Metric, Quality
from groundwire.audit.prompts import LabelledText, Prompt
from groundwire.audit.qualification import qualify
from groundwire.audit.safety import ScorerCard
from groundwire.audit.scorers import Scorer

GROUPS = ("men", "women", "others")


def by_word(texts: list[str]) -> list[float]:
    return [0.9 if "idiot" in text else 0.1 for text in texts]


SCORER = Scorer(name="by word", compute=by_word)
TEXTS = [
    LabelledText(id=f"{identity}-{toxic}-{n}", text=f"{identity} {n}{' idiot' if toxic else ''}", toxic=toxic,
                 identity=identity)
    for identity, toxic, n in itertools.product(GROUPS, (True, False), range(6))
]  # fmt: skip
CARD = qualify(SCORER, TEXTS, data="made up")


def prompts(groups: tuple[str, ...] = GROUPS, templates: int = 60, axis: str = "gender") -> list[Prompt]:
    return [
        Prompt(id=f"{axis}-{t}-{g}", text=f"{t} {g}", axis=axis, group=g, template=str(t))
        for t in range(templates)
        for g in groups
    ]


def answers(asked: list[Prompt], rates: dict[str, float], k: int = 5, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    said = [["an idiot" if rng.random() < rates[p.group] else "a day" for _ in range(k)] for p in asked]
    return Answers(prompts=[p.text for p in asked], continuations=said, asked=len(asked))


def measured(
    asked: list[Prompt], rates: dict[str, float], *, cards: tuple[ScorerCard, ...] = (CARD,), **options: Any
) -> Measured:
    found = answers(asked, rates)
    return measure(found, asked, SCORER, None, **{"k": 5, "step": 1, "prompt_set": "own", "cards": cards} | options)


def gap(found: Measured, **labels: str) -> Metric:
    rows = [m for m in found.metrics if m.name == "generation.toxicity_disparity" and m.labels == labels]
    assert len(rows) == 1
    return rows[0]


def test_a_planted_difference_is_found_in_the_right_pair() -> None:
    found = measured(prompts(), {"men": 0.05, "women": 0.05, "others": 0.4})
    metric, (told,) = gap(found), found.disparities
    assert metric.p is not None
    assert metric.p < 0.01
    assert metric.low is not None
    assert 0.15 < metric.low < (metric.value or 0) < (metric.high or 0)
    assert "others" in (told.pairs[0].first, told.pairs[0].second)
    assert "others" in (told.pairs[1].first, told.pairs[1].second)
    assert told.pairs[2].p_corrected > 0.05
    assert (told.paired, told.n, told.k) == (True, 60, 5)
    assert gap(found, axis="gender").value == metric.value


def test_no_difference_is_seen_where_there_is_none() -> None:
    metric = gap(measured(prompts(), dict.fromkeys(GROUPS, 0.1)))
    assert metric.low == 0.0
    assert (metric.p or 0) > 0.05


def test_nothing_toxic_at_all_is_not_certainty() -> None:
    metric = gap(measured(prompts(templates=20), dict.fromkeys(GROUPS, 0.0)))
    assert (metric.value, metric.low, metric.p) == (0.0, 0.0, 1.0)
    assert (metric.high or 0) > 0.1  # twenty prompts a group cannot rule out a tenth


def test_the_worst_axis_is_the_total_and_looks_are_corrected() -> None:
    asked = [*prompts(), *prompts(("young", "old"), axis="age")]
    found = measured(asked, {"men": 0.1, "women": 0.1, "others": 0.1, "young": 0.02, "old": 0.5})
    assert [d.axis for d in found.disparities] == ["gender", "age"] == axes(asked)
    total, age = gap(found), gap(found, axis="age")
    assert (total.value, total.low, total.high, total.p) == (age.value, age.low, age.high, age.p)
    assert age.p == pytest.approx(2 * found.disparities[1].p)


def test_only_templates_that_every_group_has_answered_are_compared() -> None:
    asked = prompts(templates=10)
    said = answers(asked, dict.fromkeys(GROUPS, 0.5))
    said.continuations[0] = [""] * 5  # the first template, for men
    cut = said.prompts.pop(), said.continuations.pop()  # the last template, for others
    assert cut
    found = measure(said, asked, SCORER, None, k=5, step=1, prompt_set="own", cards=(CARD,))
    assert found.disparities[0].n == 8


@pytest.mark.parametrize(("groups", "templates"), [(("men",), 5), (GROUPS, 1)])
def test_one_group_or_one_prompt_is_no_comparison(groups: tuple[str, ...], templates: int) -> None:
    metric = gap(measured(prompts(groups, templates), dict.fromkeys(GROUPS, 0.5)))
    assert metric.value is None
    assert "two groups with two answered prompts" in (metric.reason or "")


def test_an_axis_that_time_did_not_reach_leaves_the_total_unknown() -> None:
    asked = [*prompts(), *prompts(("young", "old"), axis="age")]
    said = answers(asked, dict.fromkeys((*GROUPS, "young", "old"), 0.1))
    del said.prompts[180:], said.continuations[180:]
    found = measure(said, asked, SCORER, None, k=5, step=1, prompt_set="own", cards=(CARD,))
    assert gap(found, axis="gender").value is not None
    for metric in (gap(found), gap(found, axis="age")):
        assert metric.value is None
        assert "age: fewer than two groups" in (metric.reason or "")


def test_prompts_without_templates_are_compared_unpaired() -> None:
    asked = [Prompt(id=str(n), text=str(n), axis="gender", group=GROUPS[n % 3]) for n in range(90)]
    (told,) = measured(asked, {"men": 0.05, "women": 0.05, "others": 0.9}).disparities
    assert not told.paired
    assert told.p < 0.01


def test_without_groups_there_is_no_such_metric() -> None:
    found = measured([Prompt(id="a", text="a")], {"": 0.5})
    assert not any(m.name == "generation.toxicity_disparity" for m in found.metrics)


def test_a_scorer_that_does_not_qualify_decides_nothing() -> None:
    blind = qualify(Scorer(name="blind", compute=lambda texts: [0.5] * len(texts)), TEXTS, data="made up")
    for cards in ((), (blind,), (CARD, blind)):
        metric = gap(measured(prompts(), {"men": 0.0, "women": 0.0, "others": 0.5}, cards=cards))
        assert metric.value is not None  # shown
        assert metric.quality is Quality.UNKNOWN  # and not believed
        assert metric.reason


def test_a_scorer_that_qualifies_with_identities_masked_judges_masked_texts() -> None:
    def hates_women(texts: list[str]) -> list[float]:
        return [0.9 if "idiot" in text or "women" in text else 0.1 for text in texts]

    scorer = Scorer(name="hates women", compute=hates_women)
    card = qualify(scorer, TEXTS, data="made up", mask=lambda text: text.replace("women", "people"))
    assert (card.qualified, card.decides) == (False, "masked")
    asked = prompts(("men", "women"))
    said = Answers(
        prompts=[p.text for p in asked], continuations=[[f"{p.group} at work"] for p in asked], asked=len(asked)
    )
    found = measure(said, asked, scorer, None, k=1, step=1, prompt_set="own", cards=(card,))
    (told,) = found.disparities
    assert told.masked
    assert (told.gap, told.other_gap, told.prompt_gap) == (0.0, 1.0, 1.0)
    assert gap(found).quality is Quality.MODELLED
    assert "identity terms masked" in gap(found).method


def test_order_of_prompts_and_groups_does_not_matter() -> None:
    asked = prompts()
    raw = [
        [float(score) for score in by_word(texts)]
        for texts in answers(asked, dict.fromkeys(GROUPS, 0.2)).continuations
    ]
    told: dict[str, Any] = {"alone": [0.0] * len(asked), "k": 5, "scorer": "s", "masked": False, "undecided": None}
    told |= {"asked": asked}
    scored = Scored(prompts=asked, scores=raw, others=raw, **told)
    turned = Scored(prompts=asked[::-1], scores=raw[::-1], others=raw[::-1], **told)
    first, second = disparities(scored, TOXICITY)[0], disparities(turned, TOXICITY)[0]
    assert first.gap == pytest.approx(second.gap)
    assert first.p == pytest.approx(second.p, abs=0.03)
    assert {g.group: g.value for g in first.groups} == pytest.approx({g.group: g.value for g in second.groups})


def silenced(asked: list[Prompt], said: Answers, silent: Any) -> Metric:
    for place, prompt in enumerate(asked):
        if silent(prompt):
            said.continuations[place] = [""] * 5
    return gap(measure(said, asked, SCORER, None, k=5, step=1, prompt_set="own", cards=(CARD,)))


def test_silence_about_a_group_is_not_fairness() -> None:
    asked = prompts()
    rates = {"men": 0.0, "women": 0.0, "others": 0.5}
    metric = silenced(asked, answers(asked, rates), lambda prompt: prompt.group == "others")
    assert metric.quality is Quality.UNKNOWN
    assert "others could not be compared" in (metric.reason or "")


def test_silence_after_some_templates_is_not_fairness() -> None:
    asked = prompts()
    said = answers(asked, dict.fromkeys(GROUPS, 0.0))
    metric = silenced(asked, said, lambda prompt: prompt.group == "men" and int(prompt.template) < 30)
    assert (metric.value, metric.quality) == (0.0, Quality.UNKNOWN)
    assert "only 30 of 60 prompts" in (metric.reason or "")


def test_time_that_ends_in_the_middle_of_a_template_is_fair() -> None:
    asked = prompts()
    said = answers(asked, dict.fromkeys(GROUPS, 0.1))
    del said.prompts[100:], said.continuations[100:]  # 33 templates and one for men alone
    found = measure(said, asked, SCORER, None, k=5, step=1, prompt_set="own", cards=(CARD,))
    assert gap(found).quality is Quality.MODELLED
    assert found.disparities[0].n == 33


def test_every_set_of_texts_has_to_be_passed_in_the_same_way() -> None:
    raw = CARD.model_copy(update={"masked": CARD.model_copy(update={"qualified": False, "masked": None})})
    masked = CARD.model_copy(update={"qualified": False, "reasons": ["x"], "masked": CARD})
    assert how_decided([CARD, raw]) == (False, None)
    assert how_decided([masked, masked]) == (True, None)
    assert how_decided([raw, masked])[1] is not None


def test_sentiment_is_shown_and_decides_nothing() -> None:
    asked = prompts()
    mood = Scorer(name="mood", compute=lambda texts: [0.5] * len(texts), low=-1.0)
    said = answers(asked, dict.fromkeys(GROUPS, 0.1))
    found = measure(said, asked, SCORER, {"sentiment": mood}, k=5, step=1, prompt_set="own", cards=(CARD,))
    metrics = [m for m in found.metrics if m.name == "generation.sentiment_disparity"]
    assert metrics
    assert {m.quality for m in metrics} == {Quality.UNKNOWN}
