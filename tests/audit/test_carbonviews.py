"""The report's section on energy and carbon: every number with its provenance, and what is unknown said in words."""

from __future__ import annotations

import copy
from typing import Any

import energy_material as material
import pytest
from groundwire.audit.carbonviews import carbon_overview
from groundwire.audit.curves import Reader
from groundwire.audit.figures import carbon
from groundwire.audit.model import Audit
from groundwire.audit.overview import Overview
from groundwire.audit.report import render_html, render_markdown
from record_material import FakeRecord
from test_report import PAYLOADS, Shape, blocks, changed, texts


def overview(record: Any) -> Overview:
    found = carbon_overview(material.audit_of(record), Reader(record))
    assert found is not None
    return found


def table(found: Overview, label: str) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for grid in found.grids if grid.label == label for row in grid.rows}


def test_the_ledger_has_each_component_with_its_provenance_and_share() -> None:
    rows = table(overview(material.one_attempt()), "Where the energy went, and how it is known")
    assert rows["CPU"] == ("load-model: modelled from load and nominal power, ±\u00a040\u00a0%", "0.1", "25 %")
    assert rows["GPU"] == ("counter: read from a counter of the hardware, ±\u00a05\u00a0%", "0.2", "50 %")
    assert rows["Memory"][0].startswith("constant: ")
    assert rows["Sum, before PUE"] == ("modelled", "0.4", "100 %")


def test_two_ways_of_one_component_are_both_told() -> None:
    record = material.resumed()
    record.happened["meter"][1]["provenance"] = material.PROVENANCE | {"cpu": "counter"}
    rows = table(overview(record), "Where the energy went, and how it is known")
    assert rows["CPU"][0].startswith("counter: read")
    assert "; load-model: modelled" in rows["CPU"][0]


def test_a_way_that_nobody_knows_stands_as_it_is() -> None:
    record = material.one_attempt(provenance={"cpu": "a dream"})
    assert table(overview(record), "Where the energy went, and how it is known")["CPU"][0] == "a dream"


def test_boundary_and_range_are_told() -> None:
    terms = dict(overview(material.one_attempt()).terms)
    assert "over all attempts" in terms["Boundary"]
    assert "No confidence interval" in terms["Range"]
    assert "load-model ±\u00a040\u00a0%" in terms["Range"]


def test_what_was_declared_has_rows_and_terms() -> None:
    found = overview(material.one_attempt(**material.DECLARED))
    rows, terms = table(found, "What it came to"), dict(found.terms)
    assert rows["Energy with PUE"][0] == "0.48 kWh"
    assert rows["Cost of the energy"][0] == "0.144 EUR"
    assert rows["Water, cooling on site"] == ("0.16 L", "—", "declared")
    assert "CO2 equivalent of making the hardware, this run's share" in rows
    assert terms["PUE"].startswith("1.2, as declared")
    assert terms["WUE"].startswith("0.4 L/kWh")


def test_what_was_not_declared_has_no_row_and_its_want_is_told() -> None:
    found = overview(material.one_attempt())
    assert set(table(found, "What it came to")) == {"CO2 equivalent", "Per epoch"}
    terms = dict(found.terms)
    assert terms["PUE"].startswith("Not declared")
    assert terms["WUE"].startswith("Not declared, so the water is unknown")
    assert "Lost work" not in terms


def test_the_grid_is_named_with_its_source() -> None:
    grid = dict(overview(material.one_attempt()).terms)["Grid"]
    assert "0.05 kg" in grid
    assert "grid of FRA, codecarbon 3.3.2, mean of a year; place declared." in grid


def test_an_unknown_location_is_said_and_no_emission_is_shown() -> None:
    found = overview(material.one_attempt(known=False))
    assert "Emissions: location unknown: name it" in found.lead
    assert table(found, "What it came to")["CO2 equivalent"][0].startswith("location unknown")
    assert "differ a hundredfold" in dict(found.terms)["Grid"]


def test_attempts_with_lost_work() -> None:
    found = overview(material.resumed())
    rows = table(found, "Attempts")
    assert rows["attempt 1"] == ("0.3", "0.1", "1 min", "30")
    assert rows["attempt 2"][:2] == ("0.5", "0")
    assert "0.1 kWh (12 %)" in dict(found.terms)["Lost work"]
    assert table(found, "What it came to")["Energy of work that is not in the last weights"][0] == "0.1 kWh"


def test_an_attempt_without_a_reading_is_a_gap() -> None:
    found = overview(material.resumed(unread=True))
    assert found.lead.startswith("0.5 kWh for CPU, GPU and memory, as far as it was read, of unknown quality.")
    assert table(found, "Attempts")["attempt 1"][0].startswith("unknown")
    assert "attempt 1 broke before its first reading" in dict(found.terms)["Why unknown"]


def test_one_attempt_on_one_node_has_no_table_of_attempts() -> None:
    assert not table(overview(material.one_attempt()), "Attempts")


def test_nodes_are_told_apart() -> None:
    record = material.one_attempt()
    record.happened["meter"].append(material.meter(rank=4))
    record.happened["energy"].append(material.reading(0.4, 100, rank=4))
    assert set(table(overview(record), "Attempts")) == {"attempt 1, node of rank 0", "attempt 1, node of rank 4"}


@pytest.mark.parametrize(("action", "then"), [("stop", "the training was stopped"), ("warn", "it only warned")])
def test_a_budget_that_was_exceeded(action: str, then: str) -> None:
    record = material.one_attempt()
    record.happened["budget"] = [{"attempt": 1, "rank": 0, "at_step": 1200, "action": action, "max_energy_kwh": 0.3}]
    told = dict(overview(record).terms)["Budget"]
    assert told.startswith("max_energy_kwh = 0.3: exceeded at step 1,200 of attempt 1")
    assert then in told


def test_what_was_declared_claims_no_error() -> None:
    record = material.one_attempt(provenance={"cpu": "declared"})
    rows = table(overview(record), "Where the energy went, and how it is known")
    assert rows["CPU"][0] == "declared: as the user gave it"


def test_a_meter_that_read_nothing_is_not_believed() -> None:
    record = material.one_attempt()
    record.happened["energy"] = [material.reading(0.0, 100)]
    assert overview(record).lead.startswith("The meter read 0 kWh, which no run uses")
    Shape(render_html(material.audit_of(record), record))


def test_without_the_record_all_but_attempts_and_budget_stand() -> None:
    record = material.resumed()
    audit = material.audit_of(record)
    with_, without = carbon_overview(audit, Reader(record)), carbon_overview(audit, Reader(None))
    assert with_ is not None and without is not None
    assert without.grids == with_.grids[:-1]
    assert with_.grids[-1].label == "Attempts"
    assert dict(without.terms).keys() == dict(with_.terms).keys()


def test_without_energy_there_is_no_section() -> None:
    audit = Audit(run=material.run())
    assert carbon_overview(audit, Reader(None)) is None
    assert 'id="carbon"' not in render_html(audit, None)


def test_energy_by_phase_is_a_bar_with_all_of_it() -> None:
    record = material.one_attempt()
    bar = next(chart for chart in carbon(Reader(None), material.audit_of(record)) if chart.kind == "shares")
    names = [row[0] for row in bar.table.rows]
    assert names == ["training", "validation", "asking for text", "our measuring"]
    assert bar.title == "Energy by phase"
    assert "Training 80 %, validation 15 %, asking for text 5 %" in bar.caption


def test_energy_that_no_phase_took_is_a_gap() -> None:
    audit = material.audit_of(material.one_attempt())
    phase = {"labels": {"phase": "training"}}
    kept = [m for m in audit.metrics if not m.labels or m.labels == phase["labels"]]
    bar = next(iter(carbon(Reader(None), audit.model_copy(update={"metrics": kept}))))
    assert [row[0] for row in bar.table.rows] == ["training", "not attributed"]
    assert "Training 80 %, not attributed 20 %" in bar.caption


def test_forecasts_stand_against_what_it_came_to() -> None:
    record = material.one_attempt()
    chart = next(c for c in carbon(Reader(record), material.audit_of(record)) if "foretold" in c.title)
    assert "it came to 0.4 kWh" in chart.caption
    assert "2 forecasts, of all attempts: 50 % of the bands held what came" in chart.caption
    assert [row[-1] for row in chart.table.rows] == ["0.4", "0.4"]


def test_a_run_that_did_not_reach_its_last_step_says_so() -> None:
    record = material.one_attempt()
    record.happened["energy"].pop()
    chart = next(c for c in carbon(Reader(record), material.audit_of(record)) if "foretold" in c.title)
    assert "the last step was not reached" in chart.caption
    assert [row[-1] for row in chart.table.rows] == ["—", "—"]


ODD: list[dict[str, Any]] = [{}, {"attempt": "x", "rank": None}, {"attempt": 1, "rank": 0, "at_step": "<b>"}]


@pytest.mark.parametrize("kind", ["meter", "energy", "energy_forecast", "budget"])
@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_odd_events_cost_their_part_alone(kind: str, event: dict[str, Any]) -> None:
    record = material.one_attempt()
    audit = material.audit_of(record)
    record.happened = copy.deepcopy(record.happened) | {kind: [event]}
    page = render_html(audit, record)
    Shape(page)
    assert "Sum, before PUE" in page
    assert "Sum, before PUE" in render_markdown(audit, record)


HARMLESS = "harmless, and longer than a number"  # numbers do not break, texts do
FULL = material.one_attempt(**material.DECLARED)
FULL.happened["budget"] = [{"attempt": 1, "rank": 0, "at_step": 7, "action": "warn", "max_energy_kwh": 0.3}]
AUDIT = material.audit_of(FULL).model_dump()
PLACES = [place for place in texts(AUDIT) if place[0] == "metrics" and place[-1] not in ("name", "quality", "phase")]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_text_changes_the_shape_of_the_section(payload: str) -> None:
    hostile, harmless = changed(AUDIT, PLACES, payload), changed(AUDIT, PLACES, HARMLESS)
    assert Shape(render_html(hostile, FULL)).tags == Shape(render_html(harmless, FULL)).tags
    assert blocks(render_markdown(hostile, FULL)) == blocks(render_markdown(harmless, FULL))


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_event_changes_the_shape_of_the_section(payload: str) -> None:
    def told(text: str) -> tuple[Shape, list[str]]:
        record = copy.deepcopy(FULL)
        record.happened["meter"][0] |= {"location": text, "location_source": text, "version": text}
        record.happened["budget"][0] |= {"action": text}
        audit = material.audit_of(FULL)
        return Shape(render_html(audit, record)), blocks(render_markdown(audit, record))

    hostile, harmless = told(payload), told("harmless")
    assert hostile[0].tags == harmless[0].tags
    assert hostile[1] == harmless[1]


def test_both_forms_tell_the_same() -> None:
    audit = material.audit_of(FULL)
    html, text = "".join(Shape(render_html(audit, FULL)).text), render_markdown(audit, FULL).replace("\\", "")
    for said in (
        "0.48 kWh",
        "25 %",
        "No confidence interval",
        "Energy by phase",
        "exceeded at step 7",
        "asking for text",
    ):
        assert said in html
        assert said in text


def test_no_table_and_no_list_is_empty() -> None:
    for record in (material.one_attempt(known=False), material.resumed(unread=True), FakeRecord()):
        audit = material.audit_of(record) if isinstance(record, material.EnergyRecord) else Audit(run=material.run())
        page = render_html(audit, record)
        for empty in ("<tbody>\n</tbody>", "</h3>\n<h3>", "<dd></dd>", '<p class="lead"></p>'):
            assert empty not in page
