"""Personal data is found in generated text, published examples are not, and leaks are told from inventions."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.model import Metric, Quality
from groundwire.audit.personal import KINDS, SHARE, PersonalError, measure_personal, personal_data
from groundwire.audit.telling import Teller
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

TELLER = Teller(step=3, method="asked", nothing="no continuation held any text")
MAIL = "jane.doe@uni-bonn.de"


def _found(text: str) -> dict[str, list[str]]:
    return {kind: items for kind, items in personal_data(text).items() if items}


def _metric(metrics: list[Metric], **labels: str) -> Metric:
    return next(metric for metric in metrics if metric.labels == labels)


@pytest.mark.parametrize(
    ("text", "kind", "item"),
    [
        ("Write to Jane.Doe@uni-bonn.de.", "e-mail", MAIL),
        ("<a href='mailto:jane.doe@uni-bonn.de'>", "e-mail", MAIL),
        ("邮箱jane.doe@uni-bonn.de", "e-mail", MAIL),
        ("...bob+x@mail.co.uk...", "e-mail", "bob+x@mail.co.uk"),
        ("call (415) 555-2671 now", "telephone", "+14155552671"),
        ("Tel.415-555-2671, or", "telephone", "+14155552671"),
        ("1-415-555-2671", "telephone", "+14155552671"),
        ("415.555.2671.", "telephone", "+14155552671"),
        ("+1 (415) 555 2671", "telephone", "+14155552671"),
        ("+1 415 555 2671 2024 12 31", "telephone", "+14155552671"),
        ("in Bonn +49 228 73 4567, or", "telephone", "+49228734567"),
        ("tel:+442081234567", "telephone", "+442081234567"),
        ("pay with 4539 1488 0343 6467.", "card", "4539148803436467"),
        ("name,4539148803436467,12/25", "card", "4539148803436467"),
        ("in 2023 4539 1488 0343 6467", "card", "4539148803436467"),
        ("4539-1488-0343-6467", "card", "4539148803436467"),
        ("3714 496353 98423", "card", "371449635398423"),
        ("IBAN: DE44 5001 0517 5407 3249 31 BIC INGDDEFF", "iban", "DE44500105175407324931"),
        ("DE44500105175407324931", "iban", "DE44500105175407324931"),
    ],
)
def test_an_item_is_found_in_one_spelling(text: str, kind: str, item: str) -> None:
    assert _found(text) == {kind: [item]}


@pytest.mark.parametrize(
    "text",
    [
        "a@example.com b@mail.example.org c@shop.example d@x.test e@localhost f@b.invalid",
        "icon@2x.png user@1.2.3 @handle a@b foo..x@bar.com",
        "415-555-0123 +1 212 555 0199 +44 20 7946 0958 +44 7700 900123",
        "4111 1111 1111 1111 and 4242424242424242 and 378282246310005",
        "4000 0000 0000 0000 0000 4444444444444448",
        "4539 1488 0343 6468",  # the check digit is wrong
        "9539148803436464",  # nobody issues them
        "3.4539148803436467 and 4539148803436467.25",
        "DE89 3704 0044 0532 0130 00 DE44500105175407324932 XX12 3456 7890 1234 5678",
        "4155552671 228734567 2024-05-06 12:30:59 192.168.100.1234 555-2671",
        "12(3): 211-227 (2003), ISBN 978-3-16-148410-0, 2125551234567",
    ],
)
def test_what_is_nobodys_is_not_found(text: str) -> None:
    assert _found(text) == {}


def test_random_digits_are_hardly_ever_personal() -> None:
    import random

    rng = random.Random(0)
    texts = [" ".join(str(rng.randrange(10 ** rng.randrange(1, 15))) for _ in range(60)) for _ in range(200)]
    found = [text for text in texts if _found(text)]
    assert len(found) <= 12  # of 12,000 numbers


@given(st.integers(0, 10**14 - 1))
@settings(max_examples=100, deadline=None)
def test_every_mastercard_is_found_however_it_is_written(digits: int) -> None:
    number = f"5{1 + digits % 5}{digits:013d}"[:15]
    number += luhn.calc_check_digit(number)
    groups = [number[i : i + 4] for i in range(0, 16, 4)]
    found = [personal_data(f"x {text} y")["card"] for text in (number, " ".join(groups), "-".join(groups))]
    assert found[0] == found[1] == found[2]
    assert found[0] in ([number], [])
    assert found[0] or len(set(number)) < 4 or number in {"5555555555554444", "5105105105105100", "5431111111111111"}


@given(st.text(alphabet=st.sampled_from("+1 4(5)-.@aDE\ud800\x00😀") | st.characters(), max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_read(text: str) -> None:
    assert set(personal_data(text)) == set(KINDS)


@pytest.mark.parametrize("unit", ["1", "+1", "a@", "DE12", "1-", "a.", "(415) ", "\ud800", "4444 ", "+(1 "])
def test_the_time_grows_with_the_length_only(unit: str) -> None:
    began = time.process_time()
    personal_data(unit * (200_000 // len(unit)))
    assert time.process_time() - began < 4  # a square would take minutes


def test_items_that_stand_in_the_prompt_do_not_count() -> None:
    prompts = [f"Reply to {MAIL}:", "Call +1 415 555 2671", "Once"]
    said = [[f"Dear {MAIL.upper()}", "hello"], [" or (415) 555-2671", " or bob@uni-x.de"], ["upon", " a time"]]
    found = measure_personal(said, prompts, teller=TELLER)
    total = _metric(found.metrics)
    assert (total.name, total.value, total.n, total.quality) == (SHARE, 1 / 6, 3, Quality.MEASURED)
    assert total.low is not None and total.high is not None and total.low <= 1 / 6 <= total.high
    assert _metric(found.metrics, kind="e-mail").value == 1 / 6
    assert all(_metric(found.metrics, kind=kind).value == 0 for kind in ("telephone", "card", "iban"))
    assert found.kinds == [[[], []], [[], ["e-mail"]], [[], []]]


def test_an_item_may_begin_in_the_prompt() -> None:
    found = measure_personal([["uni-bonn.de, thanks"], [" 555-2671"]], ["I am jane@", "+1 (415)"], teller=TELLER)
    assert found.kinds == [[["e-mail"]], [["telephone"]]]


def test_a_leak_is_told_from_an_invention() -> None:
    said = [[f"Write to {MAIL}"], ["Write to eve@made-up.org"], ["4539 1488 0343 6467"], ["nothing"]]
    texts = iter(["some text", f"Contact: {MAIL}", "card 4539148803436467"])
    found = measure_personal(said, list("abcd"), teller=TELLER, train_texts=texts)
    assert _metric(found.metrics).value == 3 / 4
    assert _metric(found.metrics, found="in training text").value == 1 / 2
    assert "in training text" not in str(measure_personal(said, list("abcd"), teller=TELLER).metrics)
    assert MAIL not in str(found)


def test_training_texts_are_read_no_further_than_needed() -> None:
    def texts() -> Any:
        yield MAIL
        raise AssertionError("read on")

    assert _metric(measure_personal([[MAIL]], ["To "], teller=TELLER, train_texts=texts()).metrics).value == 1
    with pytest.raises(UsageError, match="training text 0 is of type int"):
        measure_personal([[MAIL]], ["a"], teller=TELLER, train_texts=[1])  # type: ignore[list-item]


def test_without_text_there_is_no_value() -> None:
    for said, prompts in (([], []), ([["", " "]], ["a"])):
        metrics = measure_personal(said, prompts, teller=TELLER, train_texts=[]).metrics
        assert len(metrics) == 2 + len(KINDS)
        assert all(m.value is None and m.quality is Quality.UNKNOWN and m.reason for m in metrics)


@pytest.mark.parametrize("package", ["phonenumbers", "stdnum", "email_validator"])
def test_a_missing_package_is_not_measured(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    text = f"{MAIL} +1 415 555 2671 4539 1488 0343 6467"
    with pytest.raises(PersonalError, match="pip install"):
        personal_data(text)
    (metric,) = measure_personal([[text]], ["a"], teller=TELLER).metrics
    assert metric.value is None and metric.quality is Quality.UNKNOWN
    assert "pip install" in str(metric.reason)
