"""An exception lets through what it names, up to its value and its date, and is never forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.gate import Verdict
from groundwire.audit.model import Audit
from groundwire.audit.policy import read_file
from groundwire.audit.waivers import Scope, Waiver, load_waivers
from hypothesis import given
from hypothesis import strategies as st
from policy_material import LOSS, audit_of, judged, metric

TODAY = date(2026, 11, 21)
WAIVER = Waiver(limit="it", up_to=2.5, reason="a new corpus", expires=date(2026, 12, 31), approved_by="Ada")


def with_waivers(
    *waivers: Waiver, audit: Audit | None = None, document: dict[str, Any] | None = None, strict: bool = False,
    branch: str | None = None, **limit: Any,
) -> Verdict:  # fmt: skip
    ask = {"waivers": waivers, "today": TODAY, "strict_waivers": strict, "branch": branch}
    return judged(audit or audit_of(), document, ask=ask, **({"max": 1.9} | limit if document is None else {}))


def test_a_waiver_lets_its_limit_through_and_is_told() -> None:
    verdict = with_waivers(WAIVER)
    assert (verdict.outcome, verdict.exit_code, verdict.summary) == ("pass", 0, "GATE: PASS (1 waived)")
    (limit,) = verdict.limits
    assert limit.outcome == "waived"
    assert limit.waiver == "up to 2.5, until 2026-12-31, 40 days left, approved by Ada: a new corpus"
    assert not verdict.notes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"up_to": 1.95}, "its waiver holds up to 1.95 only"),
        ({"up_to": None}, "its waiver has no up_to"),
        ({"expires": date(2026, 11, 20)}, "its waiver expired on 2026-11-20"),
        ({"granted": date(2026, 11, 22)}, "its waiver holds only from 2026-11-22"),
        ({"models": ("BERT*",)}, ""),
        ({"runs": ("run-2",)}, ""),
        ({"branches": ("main",)}, ""),
        ({"limit": "another"}, ""),
    ],
)
def test_a_waiver_that_does_not_hold_lets_nothing_through(change: dict[str, Any], told: str) -> None:
    verdict = with_waivers(replace(WAIVER, **change))
    assert (verdict.outcome, verdict.exit_code) == ("fail", 1)
    assert told in verdict.limits[0].reason


@given(st.floats(1.9, 1e6, exclude_min=True), st.floats(0, 1e6), st.integers(-400, 400))
def test_only_a_value_within_a_living_waiver_passes(value: float, up_to: float, days: int) -> None:
    waiver = replace(WAIVER, up_to=up_to, expires=TODAY + timedelta(days=days))
    verdict = with_waivers(waiver, audit=audit_of(metric(value=value)))
    assert (verdict.exit_code == 0) == (value <= up_to and days >= 0)


@pytest.mark.parametrize("value", [None, float("nan")])
@pytest.mark.parametrize("on_missing", ["unknown", "fail"])
def test_what_was_not_measured_cannot_be_waived(value: float | None, on_missing: str) -> None:
    verdict = with_waivers(replace(WAIVER, up_to=1e9), audit=audit_of(metric(value=value)), on_missing=on_missing)
    assert verdict.exit_code == (1 if on_missing == "fail" else 3)


def test_a_waiver_of_a_lower_bound_lets_less_through() -> None:
    accuracy = audit_of(metric("logged.val_acc", 0.7))
    limit = {"metric": "logged.val_acc", "max": None, "min": 0.8}
    limit.pop("max")
    document = {"schema": 1, "limits": {"it": limit}}
    for up_to, code in ((0.65, 0), (0.75, 1)):
        assert with_waivers(replace(WAIVER, up_to=up_to), audit=accuracy, document=document).exit_code == code


def test_by_the_interval_the_end_of_it_has_to_be_within_the_waiver() -> None:
    audit = audit_of(metric(value=2.2, low=2.1, high=2.3, confidence=0.95))
    for up_to, code in ((2.25, 1), (2.3, 0)):
        assert with_waivers(replace(WAIVER, up_to=up_to), audit=audit, confidence=0.95).exit_code == code


def test_a_policy_bounds_how_long_an_exception_runs() -> None:
    document = {"schema": 1, "limits": {"it": {"metric": LOSS, "max": 1.9}}, "waivers": {"max_days": 30}}
    assert "runs longer than the 30 days" in with_waivers(WAIVER, document=document).limits[0].reason
    since = replace(WAIVER, granted=date(2026, 12, 1))
    assert with_waivers(since, document=document).exit_code == 1  # not yet
    short = replace(WAIVER, expires=date(2026, 12, 10))
    assert with_waivers(short, document=document).exit_code == 0
    renewed = replace(short, granted=date(2026, 1, 1))
    assert with_waivers(renewed, document=document).exit_code == 1


@pytest.mark.parametrize(
    ("waiver", "value", "note"),
    [
        (WAIVER, 1.8, "the waiver of it is unused: remove it"),
        (replace(WAIVER, limit="gone"), 1.8, "the waiver of gone is unused"),
        (replace(WAIVER, expires=date(2026, 11, 1)), 1.8, "the waiver of it expired on 2026-11-01"),
        (replace(WAIVER, expires=date(2026, 11, 25)), 2.0, "the waiver of it expires in 4 days, on 2026-11-25"),
    ],
)
def test_stale_waivers_are_named_and_fail_where_that_is_wanted(waiver: Waiver, value: float, note: str) -> None:
    audit = audit_of(metric(value=value))
    verdict = with_waivers(waiver, audit=audit)
    assert verdict.exit_code == 0
    assert any(told.startswith(note) for told in verdict.notes)
    strict = with_waivers(waiver, audit=audit, strict=True)
    assert strict.exit_code == (0 if "expires in" in note else 1)


def test_a_waiver_of_another_scope_is_neither_used_nor_stale() -> None:
    verdict = with_waivers(replace(WAIVER, models=("BERT",)), audit=audit_of(metric(value=1.8)), strict=True)
    assert (verdict.exit_code, verdict.notes) == (0, ())


def test_what_is_no_value_is_waived_without_one() -> None:
    document = {"schema": 1, "limits": {"it": {"metric": LOSS, "max": 9}}, "release": {"demand": ["owner"]}}
    waiver = replace(WAIVER, limit="release.owner", up_to=None)
    assert with_waivers(waiver, document=document).exit_code == 0
    assert with_waivers(replace(waiver, up_to=1.0), document=document).exit_code == 1


@given(st.one_of(st.none(), st.text(max_size=5)), st.lists(st.text(min_size=1, max_size=5), max_size=3))
def test_what_is_not_known_is_in_no_scope(branch: str | None, patterns: list[str]) -> None:
    held = Scope(model="m", run="r", branch=branch).holds(branches=tuple(patterns))
    if not patterns:
        assert held
    elif branch is None:
        assert not held
    elif branch in patterns and not set(branch) & set("[]*?!"):
        assert held


FULL = """
schema = 1
[[waiver]]
limit = "it"
up_to = 2.5
reason = "a new corpus"
expires = 2026-12-31
approved_by = "Ada"
"""


def test_a_file_of_waivers_is_read(tmp_path: Path) -> None:
    place = tmp_path / "waivers.toml"
    place.write_text(FULL + 'models = ["GPT*"]\ngranted = 2026-11-01\n')
    (found,) = load_waivers(place, read_file)
    assert found == replace(WAIVER, models=("GPT*",), granted=date(2026, 11, 1))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("up_to = 2.5", "upto = 2.5", "unknown key 'upto'; did you mean 'up_to'"),
        ("up_to = 2.5", "up_to = nan", "up_to must be a finite number"),
        ('reason = "a new corpus"\n', "", "lacks reason"),
        ("expires = 2026-12-31\n", "", "lacks expires"),
        ('approved_by = "Ada"\n', "", "lacks approved_by"),
        ("2026-12-31", '"2026-12-31"', "a date without quotes"),
        ("2026-12-31", "2026-12-31T00:00:00Z", "a date without quotes"),
        ('"it"', '"*"', "the name of one limit"),
        ('"Ada"', '" "', "approved_by must be text"),
        ("schema = 1", "schema = 2", "upgrade groundwire"),
        ("[[waiver]]", "[waiver]", r"\[\[waiver\]\]"),
        ("[[waiver]]", "[[waivers]]", "unknown key 'waivers'"),
        ("schema", "= =", "not valid TOML"),
        ('approved_by = "Ada"', 'approved_by = "Ada"\ngranted = 2027-01-01', "expires before it is granted"),
        ('approved_by = "Ada"', 'approved_by = "Ada"\nmodels = "GPT"', "models must be a list"),
    ],
)
def test_a_wrong_waiver_is_one_sentence(tmp_path: Path, old: str, new: str, told: str) -> None:
    place = tmp_path / "waivers.toml"
    place.write_text(FULL.replace(old, new))
    with pytest.raises(UsageError, match=told):
        load_waivers(place, read_file)
    with pytest.raises(UsageError, match="There are no waivers at"):
        load_waivers(tmp_path / "nowhere.toml", read_file)
