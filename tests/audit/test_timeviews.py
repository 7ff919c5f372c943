"""The report's section on efficiency: where the time went, with its denominators, and what is unknown said."""

from __future__ import annotations

import energy_material as material
import pytest
from groundwire.audit.model import Audit
from groundwire.audit.report import render_html, render_markdown
from groundwire.audit.timeviews import efficiency_overview, time_bar, time_shares
from hypothesis import given
from hypothesis import strategies as st
from test_report import PAYLOADS, Shape, blocks, changed, texts

HARMLESS = "harmless, and longer than a number"  # numbers do not break, texts do


def audit(**changes: float | None) -> Audit:
    return Audit(run=material.run(), metrics=material.efficiency(**changes))


def terms(found: Audit) -> dict[str, str]:
    overview = efficiency_overview(found)
    assert overview is not None
    return dict(overview.terms)


def test_the_parts_of_the_fit_make_it_whole() -> None:
    parts = time_shares(audit())
    assert list(parts) == ["computing", "waiting for data", "starting loaders", "validation", "checkpoints"]
    assert sum(parts.values()) == pytest.approx(1)
    assert parts["computing"] == pytest.approx(0.6496)
    bar = next(time_bar(audit()))
    assert bar.table.rows[0] == ("computing", "65 %")
    assert bar.table.rows[-1] == ("checkpoints", "< 0.1 %")


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_shares_are_a_whole_or_not_told(found: list[float]) -> None:
    names = ("data_wait_share", "validation_share", "checkpoint_share")
    parts = time_shares(audit(**dict(zip(names, found, strict=True))))
    assert not parts or (min(parts.values()) >= 0 and sum(parts.values()) == pytest.approx(1, abs=0.011))
    assert bool(parts) is (sum(found) + 0.05 <= 1.01)


def test_a_wait_that_cannot_be_told_is_in_the_name_and_its_reason_in_the_caption() -> None:
    found = audit(data_wait_share=None)
    assert "computing, waiting" in time_shares(found)
    assert "cannot be told apart: nobody told" in next(time_bar(found)).caption
    assert terms(found)["Waiting for data"] == "unknown: nobody told."


def test_without_shares_there_is_no_bar() -> None:
    found = audit(validation_share=None)
    assert not list(time_bar(found))
    assert "is not known" in str(efficiency_overview(found))


def test_mfu_prints_its_denominator_once() -> None:
    told = terms(audit())["MFU"]
    assert told == "31 % (measured): 1.5e15 FLOP against a dense peak of 1e12 FLOP/s in bf16 (data sheet)."
    assert terms(audit(mfu=None))["MFU"] == "unknown: nobody told."


def test_utilisation_only_as_what_it_is() -> None:
    told = terms(audit())["GPU utilisation"]
    assert told.startswith("97 % of the time any kernel at all was active, however little")


def test_the_other_terms() -> None:
    found = terms(audit())
    assert found["Operations"] == "1.5e15 FLOP (measured): counted in 3 batches."
    assert found["Throughput"].startswith("320 examples/s; 41,000 tokens/s.")
    assert found["Waiting for data"] == "20 % of the fit, 80 Wh."
    assert found["Memory"] == "3 GiB at most, so; 75 % of a device never allocated."


def test_unknown_ones_say_why() -> None:
    unknown = dict.fromkeys(metric.name.partition(".")[2] for metric in material.efficiency())
    for text in terms(audit(**unknown)).values():
        assert "unknown: nobody told" in text


def test_nothing_measured_no_section() -> None:
    found = Audit(run=material.run())
    assert efficiency_overview(found) is None
    assert not list(time_bar(found))
    assert 'id="efficiency"' not in render_html(found, None)
    assert "Efficiency" not in render_markdown(found)


def test_a_part_of_the_metrics_leaves_no_empty_term() -> None:
    for metric in material.efficiency():
        found = Audit(run=material.run(), metrics=[metric])
        assert all(terms(found).values())
        Shape(render_html(found, None))


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_text_changes_the_shape_of_efficiency(payload: str) -> None:
    document = audit(mfu=None, data_wait_share=None).model_dump()
    places = [p for p in texts(document) if p[0] == "metrics" and p[-1] not in ("name", "quality", "part")]
    hostile, harmless = changed(document, places, payload), changed(document, places, HARMLESS)
    assert Shape(render_html(hostile, None)).tags == Shape(render_html(harmless, None)).tags
    assert blocks(render_markdown(hostile)) == blocks(render_markdown(harmless))
