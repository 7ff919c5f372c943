"""The comparison as a page: what changed, which findings are gone and why, and that no text changes its shape."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compared_material import audit, losses, metric, write
from gate_material import Gated, Release
from groundwire.audit import compared_curves
from groundwire.audit.candidates import Candidate, candidate_of
from groundwire.audit.compared_curves import MOST
from groundwire.audit.compared_curves import compared_curves as curves_of
from groundwire.audit.compared_findings import finding_changes, same, story
from groundwire.audit.compared_headline import headline
from groundwire.audit.compared_moves import direction, letter, moved
from groundwire.audit.compared_page import compared_page
from groundwire.audit.compared_rows import Asked
from groundwire.audit.compared_text import compared_text
from groundwire.audit.comparing import Comparison, compared
from groundwire.audit.curves import Curve, added_up
from groundwire.audit.model import Audit, Confidence, Finding, Mitigation, Outcome, RuleOutcome, Severity
from hypothesis import given
from hypothesis import strategies as st
from record_material import record
from test_comparing import release  # noqa: F401 - a fixture

ASKED = Asked(runs=())
PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onfocus=alert(1) x='",
    "</title></style></svg></details><!-- --><h1>",
    "{{ 7*7 }}{% raw %} {0} {x!r}",
    "\x1b[31m\x00\u202e\ud800\n# x\r",
    "A" * 5_000,
)
VOID = {"meta", "link", "br"}


def finding(rule: str = "OPT006", name: str = "updates-too-large", **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "severity": Severity.HIGH, "confidence": Confidence.HIGH, "status": "stable", "edition": "2026.11",
        "summary": "Updates are too large.", "evidence": [],
        "mitigations": [Mitigation(text="Lower", settings={"optimizer.lr": 0.001}, gain="g", cost="c", source="s")],
    }  # fmt: skip
    return Finding(rule=rule, name=name, **(fields | changes))


def judged(base: Audit, *found: Finding, **outcomes: str) -> Audit:
    fired = [RuleOutcome(rule=each.rule, name=each.name, outcome=Outcome.FIRED) for each in found]
    others = [
        RuleOutcome(rule=rule, name=rule, outcome=Outcome(told), reason="why") for rule, told in outcomes.items()
    ]
    return base.model_copy(update={"findings": list(found), "rules": [*fired, *others]})


def gap(value: float, half: float | None = None) -> Any:
    ends = {} if half is None else {"low": value - half, "high": value + half, "confidence": 0.95, "n": 12}
    return metric("overfitting.gap", value, unit="loss", **ends)


def faulty(**changes: Any) -> Audit:
    return judged(audit(1, gap(1.8, 0.3), metric("carbon.energy_kwh", 3e-4, unit="kWh"), **changes), finding())


def repaired(*found: Finding, lr: float = 0.001, rule: str = "clear", **changes: Any) -> Audit:
    metrics = gap(0.6, 0.2), metric("carbon.energy_kwh", 4e-4, unit="kWh")
    return judged(audit(2, *metrics, optimizer={"lr": lr}, **changes), *found, OPT006=rule)


def candidates(*audits: Audit) -> tuple[Candidate, ...]:
    found = [candidate_of(each, url=f"/nowhere/{place}") for place, each in enumerate(audits)]
    return tuple(
        Candidate(label=str(place), url=each.url, audit=each.audit, excluded=each.excluded, settings=each.settings)
        for place, each in enumerate(found)
    )


def comparison(*audits: Audit) -> Comparison:
    return compared(candidates(*audits), ASKED)


def first_line(*audits: Audit) -> str:
    runs = candidates(*audits)
    changes = [finding_changes(runs, place) for place in range(1, len(runs))]
    return headline(compared(runs, ASKED), moved(runs, ASKED), changes).text


# What changed


def test_the_recommended_setting_was_applied_and_the_finding_is_gone() -> None:
    (change,) = finding_changes(candidates(faulty(), repaired()), 1)
    assert (change.state, [str(each) for each in change.applied]) == ("gone", ["optimizer.lr = 0.001"])
    assert story(change, "B") == "Applied in B: optimizer.lr = 0.001."
    page = compared_page(comparison(faulty(), repaired()))
    assert "Applied in B: optimizer.lr = 0.001." in page
    assert re.search(r'0\.001 by <a href="#finding-1-1">OPT006</a>', page)


@pytest.mark.parametrize(
    ("lr", "told"),
    [
        (0.01, "Recommended and not applied: optimizer.lr = 0.001."),
        (0.005, "Changed to another value than recommended: optimizer.lr = 0.001 (is 0.005)."),
        (0.0010000000001, "Applied in B: optimizer.lr = 0.001."),
    ],
)
def test_what_was_not_applied_is_not_said_to_be(lr: float, told: str) -> None:
    (change,) = finding_changes(candidates(faulty(), repaired(finding(), lr=lr)), 1)
    assert (change.state, story(change, "B")) == ("persisting", told)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (repaired(rule="unknown"), "the rule could not judge B: why"),
        (repaired(rule="error"), "the rule could not judge B: why"),
        (repaired(status="crashed"), "B does not have it, and does not count: the run is crashed, not finished"),
        (repaired(damage=("x",)), "B does not have it, and does not count: the record is damaged: x"),
        (judged(audit(2)), "the rule was not run on B"),
    ],
)
def test_only_a_rule_that_looked_makes_a_finding_gone(other: Audit, why: str) -> None:
    (change,) = finding_changes(candidates(faulty(), other), 1)
    assert (change.state, change.reason) == ("open", why)


def test_a_new_finding_names_the_setting_that_was_changed() -> None:
    before = judged(audit(1, optimizer={"lr": 0.001}), OPT006="clear")
    (change,) = finding_changes(candidates(before, judged(audit(2), finding())), 1)
    assert change.state == "new"
    assert story(change, "B") == "Its remedy names what was changed: optimizer.lr (changed from 0.001 to 0.01)."
    assert finding_changes(candidates(judged(audit(1)), judged(audit(2), finding())), 1)[0].state == "open"


@pytest.mark.parametrize(
    ("value", "told", "expected"),
    [(1, "1.0", True), (True, "1", False), (1, "true", False), ("cosine", '"cosine"', True), (0.1, "not set", False)],
)
def test_settings_are_the_same_as_values_not_as_texts(value: Any, told: str, expected: bool) -> None:
    assert same(value, told) is expected


# Differences


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (gap(1.8, 0.3), gap(0.6, 0.2), "better"),
        (gap(0.6, 0.2), gap(1.8, 0.3), "worse"),
        (gap(0.6, 0.5), gap(0.7, 0.5), "within"),
        (gap(0.6, 0.5), gap(0.6, 0.5), "same"),
        (gap(0.6), gap(0.7, 0.5), "open"),
        (gap(0.6), gap(0.6), "same"),
    ],
)
def test_beyond_the_noise_takes_an_interval_that_does_not_hold_zero(one: Any, other: Any, expected: str) -> None:
    (row,) = moved(candidates(audit(1, one), audit(2, other)), ASKED)
    assert row.moves[0].judged == expected


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_difference_turns_round_with_its_runs(a: float, b: float, half_a: float, half_b: float) -> None:
    one, other = audit(1, gap(a, half_a)), audit(2, gap(b, half_b))
    (there,), (back,) = (moved(candidates(*pair), ASKED) for pair in ((one, other), (other, one)))
    move, turned = there.moves[0], back.moves[0]
    assert move.low is not None
    assert move.high is not None
    assert move.low <= move.value <= move.high
    assert (turned.value, turned.low, turned.high) == (-move.value, -move.high, -move.low)
    swapped = {"better": "worse", "worse": "better"}
    assert turned.judged == swapped.get(move.judged, move.judged)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (audit(2, gap(0.6, 0.2), status="crashed"), "B does not count"),
        (audit(2, gap(0.6, 0.2), data={"sha256": "abd"}), 'data.sha256 differs: "abc" and "abd"'),
        (audit(2, metric("overfitting.gap", None, unit="loss", reason="too short")), "too short (B)"),
        (audit(2), "it was not measured (B)"),
    ],
)
def test_what_cannot_be_told_has_its_reason(other: Audit, why: str) -> None:
    (row,) = moved(candidates(audit(1, gap(1.8, 0.3)), other), ASKED)
    assert (row.moves[0].value, row.moves[0].judged, row.moves[0].reason) == (None, "open", why)
    assert why.replace('"', "&#34;") in compared_page(comparison(audit(1, gap(1.8, 0.3)), other))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("overfitting.gap", ("lower", False)),
        ("logged.val_loss", ("lower", True)),
        ("logged.val/top-5 Acc", ("higher", True)),
        ("logged.glossary", ("neither", False)),
        ("logged.loss_accuracy", ("neither", False)),
        ("overfitting.best_step", ("neither", False)),
    ],
)
def test_a_direction_is_that_of_the_registry_or_of_the_words_in_a_name(name: str, expected: tuple[str, bool]) -> None:
    assert direction(name) == expected


# The first line


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (faulty(), repaired(), "B is better than A in overfitting gap, beyond the noise; 1 finding gone"),
        (repaired(), faulty(), "B is worse than A in overfitting gap, beyond the noise; 1 new finding"),
        (faulty(), repaired(status="crashed"), "Cannot tell which run is better: B does not count"),
        (audit(1, gap(1.0, 1.0)), audit(2, gap(1.1, 1.0)),
         "No difference between A and B beyond the noise, where that can be told"),
        (audit(1), audit(2), "Cannot tell whether B is better than A: they have no number that can be compared"),
        (*losses(2.5, 2.0), "B is better than A in logged.val_loss; whether beyond the noise, cannot be told"),
    ],
)  # fmt: skip
def test_the_first_line_says_which_run_is_better(one: Audit, other: Audit, told: str) -> None:
    assert first_line(one, other) == told
    assert told in compared_page(comparison(one, other))
    assert told in compared_text(comparison(one, other), "markdown").replace("\\", "")


def test_several_runs_are_held_against_the_first() -> None:
    found = [
        audit(n, gap(value, 0.1), model={"dropout": n / 10}) for n, value in ((1, 1.0), (2, 0.5), (3, 2.0), (4, 1.1))
    ]
    assert first_line(*found) == "Against A, in overfitting gap: B better, C worse, beyond the noise"
    assert first_line(*losses(1.0, 2.0, 3.0)).startswith("3 repeats: logged.val_loss is 2 on average, [")


# The page


class Shape(HTMLParser):
    """The tree of a page without its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[Any, ...]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        acting = sorted((k, v) for k, v in attrs if k in ("id", "class", "href", "http-equiv", "content", "scope"))
        self.tags.append((tag, sorted(name for name, _ in attrs), acting))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, sorted(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile(text: str) -> Comparison:
    """Return a comparison with a text wherever a run may have brought it."""

    def one(number: int) -> Audit:
        named = metric(f"logged.loss {text}", float(number), low=number - 0.1, high=number + 0.1, confidence=0.95)
        lost = metric("carbon.emissions_kg", None, unit="kg", reason=text)
        base = audit(number, named, lost, gap(1.0 * number, 0.1), model={f"key {text}": f"{text}{number}"},
                     environment={"git": {"commit": f"{text}{number}"}})  # fmt: skip
        advice = Mitigation(text=text, settings={f"model.key {text}": f"{text}2"}, gain=text, cost=text, source=text)
        told = finding(f"X{text}", text, summary=text, mitigations=[advice])
        found = judged(base, *([told] if number == 1 else []), **{f"X{text}": "unknown" if number == 2 else "clear"})
        run = {"id": f"{number}{text}", "model": text, "exception": text, "notes": [text]}
        return found.model_copy(update={"run": found.run.model_copy(update=run)})

    return comparison(*(one(number) for number in (1, 2, 3)))


@pytest.fixture(scope="module")
def harmless() -> Shape:
    return Shape(compared_page(hostile("x")))


@pytest.mark.parametrize("text", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_text_changes_the_tree(harmless: Shape, text: str) -> None:
    page = compared_page(hostile(text))
    assert [tag[:2] for tag in Shape(page).tags] == [tag[:2] for tag in harmless.tags]
    assert not re.search(r"<script|\son\w+=\"|javascript:", re.sub(r"&lt;.*?&gt;", "", page))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", page)
    assert "A" * 2_001 not in page


def test_the_page_is_in_order() -> None:
    page = compared_page(hostile("x"))
    tags = Shape(page).tags
    levels = [int(tag[0][1]) for tag in tags if re.fullmatch(r"h[1-6]", tag[0])]
    assert levels[0] == levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all("scope" in tag[1] for tag in tags if tag[0] == "th")
    assert not [tag for tag in tags if "style" in tag[1]]
    ids = [value for tag in tags if len(tag) > 2 for key, value in tag[2] if key == "id"]
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="(.*?)"', page)
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_the_policy_allows_the_one_style_sheet() -> None:
    page = compared_page(comparison(faulty(), repaired()))
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#39;sha256-{digest}&#39;" in page.replace("&#43;", "+")
    assert page.index("Content-Security-Policy") < page.index("<meta charset")


def test_missing_pieces_are_named() -> None:
    page = compared_page(comparison(audit(1), audit(2)))
    for told in (
        "The runs have no metric beside those of energy and time.",
        "No run metered energy or time",
        "No rule fired in A or in B",
        "A: its record cannot be read, only audit.json.",
        "Python, packages, hardware and commit are the same",
    ):
        assert told in page
    nothing = audit(1).model_copy(update={"run": audit(1).run.model_copy(update={"steps": 0})})
    assert "A took no optimizer step" in compared_page(comparison(nothing, audit(2)))


def test_more_runs_than_can_be_told_apart_are_cut_and_it_is_said() -> None:
    page = compared_page(comparison(*losses(*map(float, range(1, 13)))))
    assert f"This page shows the first {MOST} of 12 runs" in page
    assert f"Curves of the first {MOST} of 12 runs are drawn" in page
    assert letter(MOST) not in re.findall(r'<span class="run">(\w)</span>', page)


# Curves


def test_curves_lie_over_each_other_with_names_and_dashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared_curves, "_record", lambda _: record(steps=300, layers=2))
    found = curves_of(candidates(audit(1), audit(2), audit(3)))
    assert len(found.charts) == 4
    assert found.missing == []
    for chart in found.charts:
        for panel in chart.panels:
            assert [line.label for line in panel.lines] == ["A", "B", "C"]
            assert len({line.dash for line in panel.lines}) == len({line.colour for line in panel.lines}) == 3
    assert "A " in found.charts[0].caption


def test_a_meter_that_began_again_goes_on_where_it_was() -> None:
    curve = Curve(np.array([1, 2, 3, 4]), np.array([1.0, 2.0, 0.5, 1.0]), "kWh")
    assert added_up(curve).value.tolist() == [1.0, 2.0, 2.5, 3.0]


# The command


def compare(release: Release, *arguments: object) -> Gated:  # noqa: F811
    return release.command("compare", *arguments)


def test_the_command_writes_a_page(release: Release, tmp_path: Path) -> None:  # noqa: F811
    runs, page = write(tmp_path, faulty(), repaired()), tmp_path / "page.html"
    done = compare(release, *runs, "--format", "html", "--output", page)
    assert (done.code, done.out, done.err) == (0, f"{page}\n", "")
    assert page.read_text().startswith("<!doctype html>")
    assert compare(release, *runs, "--format", "html").out == page.read_text()


def test_a_page_of_runs_that_do_not_count_is_written_and_ends_with_three(
    release: Release, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    crashed, broken = write(tmp_path, repaired(status="crashed"), audit(5))
    (broken / "audit.json").write_text("{")
    for other in (crashed, broken):
        done = compare(release, *write(tmp_path / other.name, faulty()), other, "--format", "html")
        assert done.code == 3
        assert "B does not count" in done.out
        assert "1 run of 2 can be compared" in done.err


def test_a_run_without_a_finite_value_has_its_gaps_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = record(steps=300, layers=2)
    for key, (step, value) in broken.tables.items():
        broken.tables[key] = (step, np.full(len(value), np.nan))
    monkeypatch.setattr(compared_curves, "_record", lambda _: broken)
    found = curves_of(candidates(audit(1), audit(2)))
    assert all("no finite value" in chart.caption for chart in found.charts)
    assert len(found.charts) == 4
