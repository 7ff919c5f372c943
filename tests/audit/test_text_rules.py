"""What the rules of generated text name: samples, sources, kinds and numbers of this run; when they cannot tell."""

from __future__ import annotations

from typing import Any

import pytest
from groundwire.audit.model import Confidence, Metric, Mitigation, Quality, Severity
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import CannotTellError
from groundwire.audit.rules.samples import flagged, sources
from hypothesis import given
from hypothesis import strategies as st
from rule_cases import (
    BAD,
    CANARIES,
    CHANGE,
    EXPOSED,
    GENERATED,
    HELD_OUT,
    KINDS,
    MEMBER,
    PERSONAL,
    PROVOKED,
    SAMPLES,
    SOURCED,
    STEREOTYPES,
    TOXIC,
    TYPES,
    VERBATIM,
    part,
    told,
)
from rule_material import BY_NAME, ask, case

TEXT_RULES = [name for name, rule in BY_NAME.items() if rule.code[:3] in {"TOX", "PII", "MEM", "BIA"}]


def remedies(name: str, found: Case) -> list[Mitigation]:
    fault = ask(name, found)
    assert fault is not None
    made = [remedy(found, fault) for remedy in BY_NAME[name].remedies]
    return [remedy for remedy in made if remedy is not None]


def texts(name: str, found: Case) -> str:
    return "\n".join(remedy.text for remedy in remedies(name, found))


@pytest.mark.parametrize("name", TEXT_RULES)
def test_every_remedy_says_what_to_measure_next(name: str) -> None:
    assert BY_NAME[name].status == "preview"
    found = remedies(name, BAD[name]())
    fault = ask(name, BAD[name]())
    assert fault is not None
    assert len(found) >= 3
    for remedy in found:
        assert f"next, measure {fault.evidence[0].series} again with the same" in remedy.gain
        assert remedy.cost
        assert remedy.source
        assert remedy.text.endswith(".")
    assert len({remedy.text for remedy in found}) == len(found)


@pytest.mark.parametrize("name", TEXT_RULES)
def test_evidence_begins_with_the_number_that_is_measured_again(name: str) -> None:
    first = ask(name, BAD[name]()).evidence[0]  # type: ignore[union-attr]
    assert first.series in BY_NAME[name].needs
    assert first.value is not None


def test_the_passages_that_were_found_are_named() -> None:
    found = case(metrics=[TOXIC], events=SAMPLES | SOURCED | GENERATED)
    first, *_ = remedies("toxic-generations", found)
    assert "3 passages in 2 training texts" in first.text
    assert "sources of 2 toxic samples" in first.text
    assert "same prompts and seeds and k = 2 (now 0.25)" in first.gain
    assert sources(case()) == (0, 0, 0)
    assert "the 1 sample that is flagged" in remedies("toxic-generations", BAD["toxic-generations"]())[0].text


def test_people_are_asked_to_read_as_many_samples_as_were_flagged() -> None:
    many = {
        "sample": [{"prompt": "a", "continuations": ["b", "c"], "toxicity": [s, 0.0]} for s in (0.1, 0.5, 0.7, 0.9)]
    }
    found = case(metrics=[TOXIC], events=many | GENERATED)
    assert "read the 3 samples that are flagged" in texts("toxic-generations", found)
    assert any(remedy.cost == "reading 6 short texts" for remedy in remedies("toxic-generations", found))


def test_samples_of_adversarial_prompts_are_evidence_of_provocation_alone() -> None:
    provoked = BAD["yields-to-provocation"]()
    fault = ask("yields-to-provocation", provoked)
    assert fault is not None
    assert [e.sample for e in fault.evidence if e.sample] == ["vile"]
    assert [e.summary for e in fault.evidence[1:3]] == ["quarrel, 17 prompts", "role play, 17 prompts"]
    assert [sample["continuations"][0] for sample in flagged(provoked)] == ["bad"]


def test_personal_data_that_was_read_in_training_is_a_leak() -> None:
    leak = ask("personal-data", BAD["personal-data"]())
    made_up = ask("personal-data", case(metrics=[PERSONAL, *KINDS]))
    assert leak is not None
    assert made_up is not None
    assert (leak.severity, leak.confidence) == (Severity.HIGH, Confidence.HIGH)
    assert (made_up.severity, made_up.confidence) == (None, Confidence.LOW)
    assert BY_NAME["personal-data"].severity is Severity.MEDIUM
    assert leak.summary == (
        "4 % of the continuations hold personal data (e-mail, card); in 2 % it stands in the training text."
    )
    assert len(remedies("personal-data", BAD["personal-data"]())) == 4
    assert not any(e.sample for e in leak.evidence)  # what leaked is not given away once more


def test_text_that_everybody_writes_is_not_memorised() -> None:
    common = part(VERBATIM, 0.25, 0.15, 0.35, texts="held out")
    with pytest.raises(CannotTellError, match="may give as many word for word"):
        ask("verbatim-memorisation", case(metrics=[VERBATIM, common]))
    alone = ask("verbatim-memorisation", case(metrics=[VERBATIM]))
    against = ask("verbatim-memorisation", case(metrics=[VERBATIM, HELD_OUT]))
    assert alone is not None
    assert against is not None
    assert (alone.confidence, against.confidence) == (Confidence.MEDIUM, Confidence.HIGH)


def test_the_highest_of_many_canaries_is_high_by_chance() -> None:
    few = ask("canary-exposed", BAD["canary-exposed"]())
    rows = [part(EXPOSED, 1.0, 0.9, 1.1, canary=str(number)) for number in range(300)]
    many = ask("canary-exposed", case(metrics=[EXPOSED, *rows]))
    assert few is not None
    assert many is not None
    assert (few.confidence, many.confidence) == (Confidence.HIGH, Confidence.LOW)
    assert "4,096 times fewer guesses" in few.summary
    assert [e.summary for e in few.evidence[1:]] == ["canary 1"]
    assert len(CANARIES) == 2


@pytest.mark.parametrize(("value", "n"), [(9.0, 511), (9.97, 999), (6.1, 99)])  # the first of few
def test_exposure_that_could_not_be_seen_is_unknown(value: float, n: int) -> None:
    few = told("memorisation.canary_exposure", value, 1.0, value, n=n)
    with pytest.raises(CannotTellError, match="1,023 others, of a secret that is long enough, would tell"):
        ask("canary-exposed", case(metrics=[few]))


def test_exposure_that_may_be_high_is_unknown() -> None:
    with pytest.raises(CannotTellError, match=r"may be 9 to 10\.5 bits"):
        ask("canary-exposed", case(metrics=[told("memorisation.canary_exposure", 9.5, 9.0, 10.5, n=4095)]))


def test_nobody_reads_samples_where_none_is_flagged() -> None:
    found = case(metrics=[CHANGE])
    assert not any("before anything" in remedy.text for remedy in remedies("toxicity-rising", found))
    assert "like the samples that are flagged" in texts("toxicity-rising", found)


@pytest.mark.parametrize(
    ("configuration", "more", "settings"),
    [
        ({"trainer": {"max_epochs": 20}}, [], {"trainer.max_epochs": 4}),
        ({"trainer": {"max_epochs": 3}}, [], {"trainer.max_epochs": 1}),
        ({"trainer": {"max_epochs": 1}}, [], None),
        ({"trainer": {"max_epochs": -1}}, [], None),
        ({"trainer": {"max_epochs": 20}}, [told("overfitting.best_step", 90, 90, 90)], {"trainer.max_steps": 90}),
        ({"trainer": {"max_epochs": 20}}, [told("overfitting.best_step", 600, 1, 600)], {"trainer.max_epochs": 4}),
    ],
)
def test_less_training_is_recommended_by_what_the_run_did(
    configuration: dict[str, Any], more: list[Metric], settings: dict[str, Any] | None
) -> None:
    found = remedies("membership-leak", case(metrics=[MEMBER, *more], configuration=configuration))
    assert [remedy.settings for remedy in found if remedy.settings] == ([settings] if settings else [])


def test_types_of_bias_that_are_surely_there_are_named_worst_first() -> None:
    found = case(metrics=[STEREOTYPES, *TYPES])
    fault = ask("stereotype-preferred", found)
    assert fault is not None
    assert "most of all by gender (90 %)" in fault.summary
    assert [e.summary.split(",")[0] for e in fault.evidence[1:]] == ["gender", "religion"]
    assert "about gender, religion" in texts("stereotype-preferred", found)


def test_a_type_of_bias_may_hide_in_an_even_total() -> None:
    even = told("likelihood.stereotype_share", 0.5, 0.46, 0.54, n=400)
    unsure = told("likelihood.stereotype_share", 0.57, 0.52, 0.62, n=400)
    for total in (even, unsure):
        fault = ask("stereotype-preferred", case(metrics=[total, *TYPES]))
        assert fault is not None
        assert fault.confidence is Confidence.MEDIUM
    with pytest.raises(CannotTellError, match="samples would tell"):
        ask("stereotype-preferred", case(metrics=[unsure]))


def test_looks_at_many_types_are_corrected() -> None:
    even = told("likelihood.stereotype_share", 0.5, 0.46, 0.54, n=400)
    one = part(STEREOTYPES, 0.7, 0.55, 0.85, 30, bias_type="age")  # p = 0.02
    others = [part(STEREOTYPES, 0.5, 0.3, 0.7, 30, bias_type=str(number)) for number in range(8)]
    assert ask("stereotype-preferred", case(metrics=[even, one])) is not None
    assert ask("stereotype-preferred", case(metrics=[even, one, *others])) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("toxicity-rising", CHANGE),
        ("yields-to-provocation", PROVOKED),
        ("personal-data", PERSONAL),
        ("verbatim-memorisation", VERBATIM),
        ("canary-exposed", EXPOSED),
        ("membership-leak", MEMBER),
        ("stereotype-preferred", STEREOTYPES),
    ],
)
def test_a_number_that_may_not_decide_is_no_finding_and_no_pass(name: str, found: Metric) -> None:
    with pytest.raises(CannotTellError, match="was not measured"):
        ask(name, case())
    undecided = found.model_copy(update={"quality": Quality.UNKNOWN, "reason": "another scorer took its place"})
    with pytest.raises(CannotTellError, match="took its place"):
        ask(name, case(metrics=[undecided]))
    if name not in {"personal-data", "canary-exposed"}:
        with pytest.raises(CannotTellError, match="has no interval"):
            ask(name, case(metrics=[found.model_copy(update={"low": None, "high": None})]))


SHARES = ["yields-to-provocation", "verbatim-memorisation", "membership-leak", "toxicity-rising"]


@given(st.sampled_from(SHARES), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_an_interval_that_holds_the_limit_is_never_judged(name: str, bounds: list[float]) -> None:
    rule = BY_NAME[name]
    low, value, high = sorted(bounds)
    found = case(metrics=[told(rule.needs[0], value, low, high)])
    try:
        fault = ask(name, found)
    except CannotTellError:
        assert low <= rule.threshold <= high
    else:
        assert value >= rule.threshold if fault else high <= rule.threshold


def test_a_sample_without_scores_is_not_flagged() -> None:
    odd = [{}, {"toxicity": None}, {"toxicity": [None]}, {"toxicity": ["0.9"]}, {"toxicity": [0.49]}]
    assert flagged(case(events={"sample": odd})) == []
