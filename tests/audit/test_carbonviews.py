"""The report's section on energy and carbon: every number with its provenance, and what is unknown said in words."""

from __future__ import annotations

import copy
from typing import Any

import energy_material as material
import pytest
from groundwire.audit.carbonviews import carbon_overview
from groundwire.audit.curves import Reader
from groundwire.audit.exports.facts import zone
from groundwire.audit.figures import carbon
from groundwire.audit.model import Audit
from groundwire.audit.overview import Overview
from groundwire.audit.report import render_html, render_markdown
from record_material import FakeRecord
from run_material import attempt, run_file
from test_report import PAYLOADS, Shape, blocks, changed, texts


def overview(record: Any) -> Overview:
    found = carbon_overview(material.audit_of(record), Reader(record))
    assert found is not None
    return found


def table(found: Overview, label: str) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for grid in found.grids if grid.label == label for row in grid.rows}


def test_the_ledger_has_each_component_with_its_provenance_and_share() -> None:
    rows = table(overview(material.one_attempt()), "Where the energy went, and how it is known")
    assert rows["CPU"] == ("load-model: modelled from load and nominal power, ±\u00a040\u00a0%", "0.1 kWh", "25 %")
    assert rows["GPU"] == ("counter: read from a counter of the hardware, ±\u00a05\u00a0%", "0.2 kWh", "50 %")
    assert rows["Memory"][0].startswith("constant: ")
    assert rows["Sum, before PUE"] == ("modelled", "0.4 kWh", "100 %")


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
    assert rows["attempt 1"] == ("0.3 kWh", "0.1 kWh", "1 min", "30")
    assert rows["attempt 2"][:2] == ("0.5 kWh", "0 kWh")
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
    assert [row[-1] for row in chart.table.rows] == ["0.4 kWh", "0.4 kWh"]


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


@pytest.mark.slow
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_text_changes_the_shape_of_the_section(payload: str) -> None:
    hostile, harmless = changed(AUDIT, PLACES, payload), changed(AUDIT, PLACES, HARMLESS)
    assert Shape(render_html(hostile, FULL)).tags == Shape(render_html(harmless, FULL)).tags
    assert blocks(render_markdown(hostile, FULL)) == blocks(render_markdown(harmless, FULL))


@pytest.mark.slow
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


# What is said of each number


def measured(record: Any, name: str) -> Any:
    return next((m for m in material.audit_of(record).metrics if m.name == name and not m.labels), None)


def test_a_pue_is_in_emissions_and_cost_only_where_one_was_declared() -> None:
    price = {"price_per_kwh": 0.3, "currency": "EUR"}
    for name in ("carbon.emissions_kg", "carbon.cost"):
        assert measured(material.one_attempt(**price), name).method.endswith("; without PUE: none declared")
        assert measured(material.one_attempt(**price, pue=1.2), name).method.endswith("; with PUE 1.2")
    some = material.resumed()
    some.happened["meter"][0]["pue"] = 1.3
    assert measured(some, "carbon.emissions_kg").method.endswith("; with PUE 1.3, where one was declared")
    assert zone(material.audit_of(material.one_attempt(pue=1.2))) == "FRA"


@pytest.mark.parametrize(
    ("began", "each", "count"),
    [
        ({}, 0.1, 4), ({"first_step": 75, "first_epoch": 3}, 0.4, 1), ({"first_step": 75}, None, None),
        ({"first_step": 0, "first_epoch": 0}, 0.1, 4),
    ],
)  # fmt: skip
def test_energy_per_epoch_is_over_the_epochs_of_this_run(
    began: dict[str, int], each: float | None, count: int | None
) -> None:
    record = material.one_attempt()
    record.run = run_file(attempt(epochs=4, **began))
    found = measured(record, "carbon.energy_per_epoch_kwh")
    assert (found.value, found.n) == (each, count)
    assert (found.reason is None) == (each is not None)


def test_a_run_that_began_with_all_its_epochs_has_no_energy_per_epoch() -> None:
    record = material.one_attempt()
    record.run = run_file(attempt(epochs=4, first_step=100, first_epoch=4))
    assert measured(record, "carbon.energy_per_epoch_kwh") is None


def told(rank: int, number: int = 1, **more: Any) -> dict[str, Any]:
    counted = {"samples": 100, "no_samples": None, "tokens": None, "no_tokens": "a table"}
    return {"attempt": number, "rank": rank} | counted | more


def test_a_rank_that_told_nothing_trained_as_the_others() -> None:
    record = material.one_attempt()
    record.happened["efficiency.facts"] = [{"attempt": 1, "rank": 0, "devices": 2}]
    record.happened["efficiency"] = [told(0), told(1)]
    both = measured(record, "carbon.energy_per_sample")
    assert (both.value, both.n) == (pytest.approx(0.4 * 3.6e6 / 200), 200)
    record.happened["efficiency"].pop()
    one = measured(record, "carbon.energy_per_sample")
    assert (one.value, one.n) == (both.value, 200)
    assert "ranks that told nothing (1)" in one.method and "told nothing" not in both.method
    assert measured(record, "carbon.energy_per_token") is None


def test_an_attempt_that_could_not_count_leaves_the_share_out() -> None:
    record = material.resumed()
    record.happened["efficiency.facts"] = [{"attempt": number, "rank": 0, "devices": 1} for number in (1, 2)]
    record.happened["efficiency"] = [told(0), told(0, 2, samples=None, no_samples="nothing to see")]
    assert measured(record, "carbon.energy_per_sample") is None
    record.happened["efficiency"].pop()
    assert measured(record, "carbon.energy_per_sample") is None
