"""What a model says is asked within the time, cut to the continuation, and measured over prompts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from groundwire.audit.asking import LONGEST, Answers, GenerateError, ask
from groundwire.audit.generation import measure
from groundwire.audit.model import Metric, Quality
from groundwire.audit.prompts import Prompt
from groundwire.audit.scorers import Labelled, Scorer, load_scorer, load_sentiment
from hypothesis import given, settings
from hypothesis import strategies as st

anything = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)  # surrogates, controls and all
RUBBISH = [
    "x" * 3_000_000,
    "\x00\x01\x1b[2J",
    "\ud800 lone \udfff",
    "\u202eesrever\u202c",
    "😀" * 5000,
    " \t\n\u00a0",
    "</script><b>",
]


def _by_word(texts: list[str]) -> list[float]:
    return [0.9 if "idiot" in text else 0.1 for text in texts]


SCORER = Scorer(name="by word", compute=_by_word)
MOOD = Scorer(name="mood", compute=lambda texts: [0.5] * len(texts), low=-1.0)


def _measured(answers: Answers, scorer: Scorer = SCORER, sentiment: Scorer | None = MOOD, **options: Any) -> Any:
    prompts = [Prompt(id=str(place), text=text) for place, text in enumerate(answers.prompts)]
    others = {"sentiment": sentiment} if sentiment else {}
    return measure(answers, prompts, scorer, others, **({"k": 1, "step": 7, "prompt_set": "own"} | options))


def _answers(*continuations: list[str]) -> Answers:
    prompts = [f"prompt {place}" for place in range(len(continuations))]
    return Answers(prompts=prompts, continuations=list(continuations), asked=len(prompts))


def _metrics(found: Any) -> dict[str, Metric]:
    return {metric.name.removeprefix("generation."): metric for metric in found.metrics}


def test_k_continuations_of_each_prompt_in_order() -> None:
    rounds: list[int] = []
    answers = ask(
        lambda prompts: [f"{prompt}/{rounds[-1]}" for prompt in prompts],
        ["a", "b", "c"], k=2, batch=2, before_round=rounds.append,
    )  # fmt: skip
    assert rounds == [0, 1, 2, 3]  # each call can have a seed of its own
    assert answers.prompts == ["a", "b", "c"]
    assert answers.continuations == [["/0", "/1"], ["/0", "/1"], ["/2", "/3"]]


def test_prompts_are_cut_off_only_when_every_answer_repeats_its_own() -> None:
    replies = {"a": "a dog", "b": "b cat", "c": ""}
    every = ask(lambda prompts: [replies[prompt] for prompt in prompts], list(replies), k=1)
    assert every.echo_cut
    assert every.continuations == [[" dog"], [" cat"], [""]]
    replies["b"] = "a cat"
    some = ask(lambda prompts: [replies[prompt] for prompt in prompts], list(replies), k=1)
    assert not some.echo_cut
    assert some.continuations == [["a dog"], ["a cat"], [""]]
    method = _metrics(_measured(some))["sentiment"].method
    assert "1 answers begin with their prompt and were not cut" in method


@given(st.lists(anything, min_size=1, max_size=8), st.data())
@settings(max_examples=50, deadline=None)
def test_an_echo_changes_nothing_but_the_note(prompts: list[str], data: st.DataObject) -> None:
    said = data.draw(st.lists(st.text(min_size=1), min_size=len(prompts), max_size=len(prompts)))
    plain = ask(lambda asked: ["§" + text for text in said], prompts, k=1, batch=8)
    echoed = ask(lambda asked: [a + "§" + text for a, text in zip(asked, said, strict=True)], prompts, k=1, batch=8)
    if all(prompts) and not plain.echoes:
        assert echoed.echo_cut
        assert echoed.continuations == plain.continuations


@pytest.mark.parametrize("echo", ["", "prompt"])
@pytest.mark.parametrize(("length", "truncated"), [(LONGEST, 0), (LONGEST + 1, 1), (2_000_000, 1)])
def test_long_answers_are_cut_and_counted(echo: str, length: int, truncated: int) -> None:
    answers = ask(lambda prompts: [echo + "x" * length], ["prompt"], k=1)
    assert answers.truncated == truncated
    assert answers.continuations == [["x" * LONGEST]]


@pytest.mark.parametrize(
    ("generate", "problem"),
    [
        (lambda prompts: 1 / 0, "generate raised ZeroDivisionError: division by zero"),
        (lambda prompts: [], "returned 0 answers to 2 prompts: return one for each"),
        (lambda prompts: ["a"] * 3, "returned 3 answers to 2 prompts"),
        (lambda prompts: [1, 2], "returned int where a string belongs: decode it"),
        (lambda prompts: ["a", None], "returned NoneType where a string belongs"),
        (lambda prompts: ["a", b"b"], "returned bytes where a string belongs"),
        (lambda prompts: "ab", "returned str: return a list"),
        (lambda prompts: {"a": 1, "b": 2}, "returned dict: return a list"),
        (lambda prompts: (text for text in "ab"), "returned generator: return a list"),
    ],
)
def test_a_bad_answer_is_one_sentence(generate: Callable[[list[str]], Any], problem: str) -> None:
    with pytest.raises(GenerateError, match=problem) as caught:
        ask(generate, ["p", "q"], k=1)
    assert "\n" not in str(caught.value)


def test_the_message_of_somebody_else_is_kept_short() -> None:
    def generate(prompts: list[str]) -> list[str]:
        raise RuntimeError("first\nsecond" + "x" * 10**6)

    with pytest.raises(GenerateError) as caught:
        ask(generate, ["p"], k=1)
    assert "first" in str(caught.value)
    assert "second" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_stopping_is_not_an_error_of_generate() -> None:
    def generate(prompts: list[str]) -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(generate, ["p"], k=1)


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 1, "batch": 0}])
def test_asking_for_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="k and batch must be at least 1"):
        ask(lambda prompts: prompts, ["p"], **options)


def test_time_that_runs_out_drops_what_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    answers = ask(lambda prompts: ["ok"] * len(prompts), list("abcdef"), k=2, batch=2, deadline=4)
    assert answers.prompts == ["a", "b", "c", "d"]  # the fifth call was made, the sixth was too late
    assert answers.asked == 6
    assert "time for 4 of 6 prompts" in _metrics(_measured(answers, k=2))["sentiment"].method


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (Answers(prompts=[], continuations=[], asked=0), "no prompts were given"),
        (Answers(prompts=[], continuations=[], asked=6), "none of 6 prompts was answered in time: allow more"),
        (_answers([""], [" \n"]), "no continuation held any text"),
    ],
)
def test_nothing_said_is_unknown_and_says_why(answers: Answers, reason: str) -> None:
    metrics = _metrics(_measured(answers))
    for name in ("toxicity_probability", "expected_max_toxicity", "toxicity_fraction", "sentiment"):
        metric = metrics[name]
        assert (metric.value, metric.low, metric.high, metric.confidence) == (None, None, None, None)
        assert (metric.reason, metric.n, metric.quality) == (reason, 0, Quality.UNKNOWN)
    assert metrics["empty_share"].value == (1.0 if answers.prompts else None)


def test_metrics_are_over_prompts_and_not_over_continuations() -> None:
    found = _measured(_answers(["idiot", "fine", "fine"], ["fine", "", "fine"], ["", "", ""], ["a", "b", "c"]), k=3)
    metrics = _metrics(found)
    probability = metrics["toxicity_probability"]
    assert probability.value == pytest.approx(1 / 3)  # the third prompt got no text
    assert (probability.n, probability.step, probability.monitor) == (3, 7, "generation")
    assert (probability.scorer, probability.quality, probability.labels) == ("by word", Quality.MODELLED, {})
    assert (probability.low, probability.high) == pytest.approx((0.00840, 0.90570), abs=1e-4)
    assert "k=3 continuations of 4 own prompts" in probability.method
    assert "33 % empty and not scored" in probability.method
    assert "38 % duplicates" in probability.method
    assert probability.method.endswith("scored 0.5 or more")
    assert metrics["expected_max_toxicity"].value == pytest.approx((0.9 + 0.1 + 0.1) / 3)
    assert (metrics["sentiment"].value, metrics["sentiment"].scorer) == (0.5, "mood")


def test_no_toxic_answer_still_leaves_room_for_some() -> None:
    metrics = _metrics(_measured(_answers(*[["fine"]] * 48)))
    assert metrics["toxicity_probability"].value == 0
    assert metrics["toxicity_probability"].high == pytest.approx(0.074, abs=1e-3)
    assert metrics["expected_max_toxicity"].high > 0.15


def test_samples_have_the_shape_that_the_report_reads() -> None:
    found = _measured(_answers(["idiot", ""]), k=2)
    assert found.samples == [
        {
            "prompt": "prompt 0", "continuations": ["idiot", ""], "toxicity": [0.9, None], "step": 7,
            "prompt_toxicity": 0.1, "sentiment": [0.5, None],
        }
    ]  # fmt: skip


def test_without_sentiment_there_is_no_metric_of_it() -> None:
    found = _measured(_answers(["fine"]), sentiment=None)
    assert "sentiment" not in _metrics(found)
    assert "sentiment" not in found.samples[0]


@pytest.mark.slow
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_the_order_of_prompts_and_the_metrics_limits(scores: list[list[float]]) -> None:
    scorer = Scorer(name="given", compute=lambda texts: [float(t) if t[0].isdigit() else 0.0 for t in texts])

    def metrics(rows: list[list[float]]) -> list[Metric]:
        return _measured(_answers(*[[repr(score) for score in row] for row in rows]), scorer, None, k=3).metrics[:3]

    found = metrics(scores)
    assert found[0].value == sum(max(row) >= 0.5 for row in scores) / len(scores)
    assert found[1].value == pytest.approx(sum(max(row) for row in scores) / len(scores))
    assert found[2].value == pytest.approx(sum(score >= 0.5 for row in scores for score in row) / len(scores) / 3)
    for metric, turned in zip(found, metrics(scores[::-1]), strict=True):
        assert 0 <= metric.low <= metric.value + 1e-12
        assert metric.value <= metric.high + 1e-12 <= 1 + 1e-9
        assert (turned.value, turned.low, turned.high) == pytest.approx((metric.value, metric.low, metric.high))


def test_rubbish_is_scored_and_can_be_written() -> None:
    answers = ask(lambda prompts: RUBBISH, RUBBISH, k=1, batch=len(RUBBISH))
    answers.continuations = [[text[:LONGEST]] for text in answers.prompts]
    found = _measured(answers, load_scorer(), load_sentiment())
    json.dumps(found.samples, ensure_ascii=False, allow_nan=False).encode()
    assert _metrics(found)["toxicity_probability"].n == len(RUBBISH) - 1  # one is only blanks


@pytest.mark.slow
@given(st.lists(anything, min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_any_text_can_be_asked_scored_and_written(texts: list[str]) -> None:
    answers = ask(lambda prompts: texts, texts[::-1], k=1, batch=len(texts))
    json.dumps(_measured(answers, load_scorer(), load_sentiment()).samples, ensure_ascii=False).encode()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1.5, None, "0.5"])
def test_a_scorer_that_fails_is_an_error_and_never_zero(bad: Any) -> None:
    found = _measured(_answers(["fine"]), Scorer(name="broken", compute=lambda texts: [bad] * len(texts)))
    metrics = _metrics(found)
    assert "scorer broken returned" in found.problems[0]
    for name in ("toxicity_probability", "expected_max_toxicity"):
        assert (metrics[name].value, metrics[name].quality) == (None, Quality.UNKNOWN)
        assert metrics[name].reason == found.problems[0]
    assert metrics["sentiment"].value == 0.5  # the rest goes on
    assert "toxicity" not in found.samples[0]


def test_a_scorer_that_breaks_late_leaves_no_half_of_a_number() -> None:
    def compute(texts: list[str]) -> list[float]:
        return [0.1] * 300 + [1 / 0 for _ in texts[300:]]

    found = _measured(_answers(*[["fine"]] * 400), Scorer(name="late", compute=compute))
    assert found.problems == ["scorer late raised ZeroDivisionError: division by zero"]
    assert _metrics(found)["toxicity_probability"].value is None
    assert _metrics(found)["sentiment"].n == 400


def test_sentiment_that_breaks_leaves_toxicity() -> None:
    mood = Scorer(name="mood", compute=lambda texts: [float("nan")] * len(texts), low=-1.0)
    found = _measured(_answers(["an idiot"]), SCORER, mood)
    assert _metrics(found)["toxicity_probability"].value == 1.0
    assert _metrics(found)["sentiment"].value is None
    assert len(found.problems) == 1


def test_labels_and_kinds_of_prompts_have_rows_of_their_own() -> None:
    def compute(texts: list[str]) -> Labelled:
        return Labelled(toxicity=_by_word(texts), insult=[0.7 if "idiot" in text else 0.0 for text in texts])

    answers = _answers(["idiot", "idiot"], ["fine", "idiot"], ["fine", "fine"], ["fine", "fine"])
    prompts = [Prompt(id=str(place), text="x", toxicity=0.9 if place < 2 else 0.1) for place in range(4)]
    scorer = Scorer(name="two labels", compute=compute)
    found = measure(answers, prompts, scorer, None, k=2, step=7, prompt_set="own").metrics
    fraction = {tuple(m.labels.items()): m.value for m in found if m.name == "generation.toxicity_fraction"}
    assert fraction == {
        (): 3 / 8, (("prompts", "toxic"),): 3 / 4, (("prompts", "non-toxic"),): 0.0, (("label", "insult"),): 3 / 8
    }  # fmt: skip


def test_what_is_not_said_is_counted() -> None:
    metrics = _metrics(_measured(_answers(["a", ""], ["a", "b"], ["", ""]), k=2))
    assert metrics["empty_share"].value == 0.5
    assert metrics["duplicate_share"].value == pytest.approx(1 / 3)
    assert metrics["truncated_share"].value == 0.0
    assert metrics["prompt_toxicity"].value == pytest.approx(0.1)
