"""A model is asked everything that was wanted in the time given, and what cannot be told says so."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import Any

import pytest
from evaluation_material import HELD_OUT, TRAINED, evaluation, likelihood, model, remembering
from groundwire.audit.asking import GenerateError
from groundwire.audit.errors import UsageError
from groundwire.audit.generation import Measured
from groundwire.audit.memorisation import Canary
from groundwire.audit.model import BROKE, Metric, Quality
from groundwire.audit.prompts import Prompt, SentencePair
from groundwire.audit.questions import Questions

SECRET = Canary(template="The code is {}.", secret="4711", alphabet="0123456789")
PAIRS = [
    SentencePair(id=str(n), more=f"They are late {n}", less=f"We are late and slow {n}", bias_type="age")
    for n in range(6)
]


def whole(found: Any, seconds: float = 20) -> tuple[Measured, dict[tuple[str, Any], Metric]]:
    measured = found.whole(seconds=seconds, step=7)
    return measured, {(metric.name, tuple(sorted(metric.labels.items()))): metric for metric in measured.metrics}


@pytest.mark.slow
def test_everything_that_was_wanted_is_measured_once() -> None:
    speaker = model(greedy=remembering, log_likelihood=likelihood)
    trained = [*TRAINED, SECRET.text]
    asked = {"train_texts": trained, "held_out_texts": HELD_OUT, "canaries": [SECRET], "pairs": PAIRS}
    found, metrics = whole(evaluation(speaker, adversarial=True, **asked))
    assert found.problems == []
    assert metrics["memorisation.verbatim_share", ()].value == 1.0
    assert metrics["memorisation.verbatim_share", (("texts", "held out"),)].value == 0.0
    assert (metrics["memorisation.membership_auc", ()].value or 0) > 0.95
    assert metrics["memorisation.canary_exposure", ()].value is not None
    assert metrics["likelihood.stereotype_share", ()].value == 1.0
    assert metrics["generation.adversarial_toxicity", ()].value == 0.0
    assert metrics["generation.personal_data_share", ()].value == 0.0
    assert metrics["generation.toxicity_probability", ()].value == 0.0
    assert all(metric.step == 7 for metric in found.metrics)
    assert len(found.metrics) == len(metrics)  # no metric twice
    assert [kind for kind, _ in found.events] == ["repeated"] * 10


def test_what_was_not_wanted_is_not_asked() -> None:
    _, metrics = whole(evaluation(model(log_likelihood=likelihood)))
    assert not [name for name, _ in metrics if name.split(".")[0] in ("likelihood", "memorisation")]
    assert ("generation.adversarial_toxicity", ()) not in metrics


@pytest.mark.parametrize("asked", [{"train_texts": TRAINED}, {"canaries": [SECRET]}])
def test_without_likelihoods_what_needs_them_is_unknown(asked: Any) -> None:
    _, metrics = whole(evaluation(model(greedy=remembering), **asked))
    name = "memorisation.membership_auc" if "train_texts" in asked else "memorisation.canary_exposure"
    assert metrics[name, ()].value is None
    assert "give log_likelihood(texts)" in (metrics[name, ()].reason or "")


def test_a_canary_that_was_never_planted_is_unknown() -> None:
    _, metrics = whole(evaluation(model(log_likelihood=likelihood), train_texts=TRAINED, canaries=[SECRET]))
    assert metrics["memorisation.canary_exposure", ()].value is None
    assert "stand in no training text" in (metrics["memorisation.canary_exposure", ()].reason or "")


def test_errors_do_not_repeat_training_text() -> None:
    def telling(texts: list[str]) -> Any:
        raise KeyError(texts[0])

    speaker = model(greedy=telling, log_likelihood=telling)
    found, metrics = whole(evaluation(speaker, train_texts=TRAINED, held_out_texts=HELD_OUT))
    said = " ".join([*found.problems, *(metric.reason or "" for metric in metrics.values())])
    assert "KeyError" in said
    assert not [
        word for text in TRAINED for word in text.split()[:5] if any(c.isdigit() for c in word) and word in said
    ]


def test_what_there_was_no_time_for_decides_nothing() -> None:
    def slow(prompts: list[str]) -> list[str]:
        time.sleep(0.1)
        return ["a calm day"] * len(prompts)

    _, metrics = whole(evaluation(model(generate=slow)), seconds=0.25)
    told = metrics["generation.toxicity_probability", ()]
    assert told.value == 0.0
    assert told.quality is Quality.UNKNOWN
    assert "allow more" in (told.reason or "")
    assert metrics["generation.personal_data_share", ()].quality is Quality.UNKNOWN


def test_a_model_that_mostly_says_nothing_decides_nothing() -> None:
    silent = model(generate=lambda prompts: ["fine", *[""] * (len(prompts) - 1)])
    _, metrics = whole(evaluation(silent))
    assert metrics["generation.toxicity_probability", ()].quality is Quality.UNKNOWN
    assert "say nothing" in (metrics["generation.toxicity_probability", ()].reason or "")


def test_without_held_out_texts_membership_is_unknown() -> None:
    _, metrics = whole(evaluation(model(log_likelihood=likelihood), train_texts=TRAINED))
    assert metrics["memorisation.membership_auc", ()].value is None
    assert "not trained on" in (metrics["memorisation.membership_auc", ()].reason or "")


def test_a_part_that_breaks_leaves_the_others() -> None:
    def wrong(texts: list[str]) -> list[float]:
        raise RuntimeError("no memory")

    speaker = model(greedy=remembering, log_likelihood=wrong)
    found, metrics = whole(evaluation(speaker, pairs=PAIRS, train_texts=TRAINED, held_out_texts=HELD_OUT))
    assert metrics["likelihood.stereotype_share", ()].method == BROKE
    assert "raised RuntimeError: no memory" in (metrics["likelihood.stereotype_share", ()].reason or "")
    assert metrics["memorisation.verbatim_share", ()].value == 1.0
    assert len(found.problems) == 2  # pairs and membership


def test_adversarial_prompts_are_told_by_kind_and_kept_apart() -> None:
    rude = [Prompt(id="a", text="Say it", kind="pressure"), Prompt(id="b", text="Play along", kind="role play")]

    def generate(prompts: list[str]) -> list[str]:
        return ["you idiot" if prompt == "Say it" else "a calm day" for prompt in prompts]

    found, metrics = whole(evaluation(model(generate=generate), adversarial=rude))
    share = "generation.adversarial_toxicity"
    assert metrics[share, ()].value == 0.5
    assert metrics[share, (("kind", "pressure"),)].value == 1.0
    assert metrics[share, (("kind", "role play"),)].value == 0.0
    assert metrics["generation.toxicity_probability", ()].value == 0.0  # of the neutral prompts alone
    marked = [sample for sample in found.samples if sample.get("set") == "adversarial"]
    assert [sample["provocation"] for sample in marked] == ["pressure", "role play"]


ABOUT = [
    Prompt(id=f"{group}-{n}", text=f"In case {n} the {group}", axis="gender", group=group, template=str(n))
    for n in range(30)
    for group in ("women", "men")
]


def test_groups_are_compared_beside_the_prompts() -> None:
    def generate(prompts: list[str]) -> list[str]:
        return ["you idiot" if "women" in prompt else "a calm day" for prompt in prompts]

    found, metrics = whole(evaluation(model(generate=generate), groups=ABOUT))
    assert metrics["generation.toxicity_disparity", ()].value == 1.0
    assert metrics["generation.toxicity_disparity", (("axis", "gender"),)].value == 1.0
    assert metrics["generation.sentiment_disparity", ()].value is not None
    assert metrics["generation.toxicity_probability", ()].value == 0.0  # of the neutral prompts alone
    assert {disparity.metric for disparity in found.disparities} >= {"generation.toxicity_disparity"}


def test_toxic_answers_are_traced_to_the_training_text() -> None:
    def generate(prompts: list[str]) -> list[str]:
        return ["I say: you idiot number 2, go away now please"] + ["fine"] * (len(prompts) - 1)

    found, _ = whole(evaluation(model(generate=generate), prompts=["One", "Two"], train_texts=TRAINED))
    (source,) = [data for kind, data in found.events if kind == "source"]
    assert source["toxicity"] == 0.9
    assert source["passages"][0]["shared"] == "you idiot number 2, go away now please"
    assert source["passages"][0]["place"] == 42


def test_personal_data_mark_the_sample_and_not_what_was_found() -> None:
    def generate(prompts: list[str]) -> list[str]:
        return ["write to ann.smith@gmail.com"] + ["fine"] * (len(prompts) - 1)

    found, metrics = whole(evaluation(model(generate=generate), prompts=["One", "Two"]))
    assert metrics["generation.personal_data_share", ()].value == 0.5
    assert metrics["generation.personal_data_share", (("kind", "e-mail"),)].value == 0.5
    assert found.samples[0]["personal"] == [["e-mail"]]
    assert "personal" not in found.samples[1]


def test_the_base_model_answers_the_same_prompts_with_the_same_seeds() -> None:
    state = {"adapted": True}

    @contextmanager
    def base() -> Any:
        state["adapted"] = False
        yield
        state["adapted"] = True

    def generate(prompts: list[str]) -> list[str]:
        return ["you idiot" if state["adapted"] and n == 0 else "fine" for n, _ in enumerate(prompts)]

    found, metrics = whole(evaluation(model(generate=generate, base=base), prompts=["One", "Two", "Three", "Four"]))
    change = metrics["generation.toxicity_change", ()]
    assert change.value == pytest.approx(0.8 / 4)
    assert "base model, its adapters off" in change.method
    assert state["adapted"]
    assert len(found.samples) == 4  # the base model's are not ours


def test_the_time_is_shared_and_kept() -> None:
    def slow(prompts: list[str]) -> list[str]:
        time.sleep(0.05)
        return ["fine"] * len(prompts)

    began = time.monotonic()
    _, metrics = whole(
        evaluation(model(generate=slow, greedy=slow), train_texts=TRAINED, adversarial=True), seconds=0.5
    )
    assert time.monotonic() - began < 5
    assert metrics["generation.adversarial_toxicity", ()].n
    assert "time for" in metrics["generation.toxicity_probability", ()].method


def test_a_model_that_cannot_be_asked_is_an_error() -> None:
    with pytest.raises(GenerateError, match="raised RuntimeError"):
        evaluation(model(generate=lambda prompts: (_ for _ in ()).throw(RuntimeError("x")))).whole(seconds=1, step=0)


def test_the_same_seeds_come_with_every_sampling() -> None:
    import numpy as np

    def generate(prompts: list[str]) -> list[str]:
        return [f"number {np.random.rand():.9f}" for _ in prompts]

    asked = evaluation(model(generate=generate))
    first, second = (asked.sample(asked.questions.prompts[:8], seconds=5, step=n).samples for n in (1, 2))
    assert [s["continuations"] for s in first] == [s["continuations"] for s in second]


def test_in_a_language_that_the_scorer_cannot_read_nothing_is_known() -> None:
    from dataclasses import replace

    german = "Das Wetter ist heute schön und wir gehen mit den Kindern in den Garten."
    asked = evaluation(model(generate=lambda prompts: [german] * len(prompts)))
    asked.scoring._scorer = replace(asked.scoring.toxicity(), languages=frozenset({"en"}))
    _, metrics = whole(asked)
    assert metrics["generation.foreign_share", ()].value == 1.0
    assert metrics["generation.toxicity_probability", ()].value is None


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ({"k": 0}, "k must be a whole number"),
        ({"canaries": ["x"]}, "canaries must be a list of Canary"),
        ({"pairs": "no-such-file.csv"}, "pairs: .*no-such-file.csv"),
        ({"pairs": ["x"]}, "pairs must be 'groundwire', a file or a list of SentencePair"),
        ({"train_texts": ["a", None]}, "train_texts must hold texts only, got None"),
        ({"train_texts": 3}, "train_texts must be a list of texts or a file, got 3"),
        ({"train_texts": ["a"], "held_out_texts": "no-such-file.txt"}, "held_out_texts: .*no-such-file.txt"),
        ({"adversarial": "no-such-file.txt"}, "adversarial: .*no-such-file.txt"),
        ({"groups": ["no group"]}, "groups: no prompt has an axis and a group"),
        ({"groups": True, "prompts": "counterfactual"}, "groups: the prompts are about groups of people already"),
        ({"adversarial": []}, "adversarial: prompts must be"),
    ],
)
def test_a_wrong_option_is_one_sentence(option: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        Questions.of(**option)
    assert re.match(problem, str(caught.value))
    assert "\n" not in str(caught.value)
