"""Software Carbon Intensity against the equation and the examples of the standard."""

from __future__ import annotations

import json
from typing import Any, get_args

import jsonschema
import pytest
from card_material import KNOWN, metric, training, unlocated
from groundwire.audit.errors import UsageError
from groundwire.audit.exports.sci import Embodied, SciReport, Unit, sci, sheet
from groundwire.audit.exports.sheet import as_markdown, as_text
from groundwire.audit.model import Quality, RunStatus
from hypothesis import given
from hypothesis import strategies as st

SERVER = Embodied(total_kg=1000, lifetime_years=4, hours=1)
TOKENS = 4e9  # 10 kWh at 9 mJ a token


def check(report: SciReport) -> None:
    schema = SciReport.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(report.model_dump_json()), schema)


def test_the_equation() -> None:
    report = sci(training(), per="token", embodied=SERVER)
    operational = 12.0 * 50  # kWh with PUE × g/kWh
    making = 1000 * 1000 / (4 * 365 * 24)
    assert report.score == pytest.approx((operational + making) / TOKENS)
    assert report.operational == pytest.approx(operational / TOKENS)
    assert (report.unit, report.missing, report.zone) == ("gCO2eq/token", [], "FRA")
    assert report.quality is Quality.DECLARED  # of its weakest part
    check(report)


def test_embodied_emissions_are_those_of_the_standards_example() -> None:
    making = sci(training(), per="run", embodied=SERVER).embodied
    assert making.value == pytest.approx(28, abs=0.6)  # "around 28 g"
    assert (making.quality, making.unit) == (Quality.DECLARED, "gCO2eq")


def test_hardware_is_reserved_for_the_time_of_the_run_unless_declared() -> None:
    whole = sci(training(), per="run", embodied=Embodied(total_kg=1000, lifetime_years=4)).embodied.value
    half = sci(training(), per="run", embodied=Embodied(total_kg=1000, lifetime_years=4, share=0.5)).embodied.value
    assert whole == pytest.approx(12 * 1e6 / (4 * 365 * 24))  # 12 hours
    assert half == pytest.approx(whole / 2)


def test_the_run_may_know_its_embodied_emissions() -> None:
    report = sci(training((), metric("carbon.embodied_kg", 0.1, "kg", Quality.DECLARED)), per="run")
    assert report.score == pytest.approx(600 + 100)


def test_without_embodied_emissions_there_is_no_score_but_its_operational_part() -> None:
    report = sci(training(), per="epoch")
    assert report.score is None
    assert report.operational == pytest.approx(600 / 4)
    assert report.missing == [
        "M: embodied emissions are not known: declare them with --embodied-kg and --lifetime-years"
    ]
    assert "SCI                            not known" in as_text(sheet(report))
    check(report)


def test_without_a_location_there_is_neither() -> None:
    report = sci(unlocated(), per="run", embodied=SERVER)
    assert (report.score, report.operational, report.zone) == (None, None, "")
    assert report.missing == ["I: location unknown: name it"]
    check(report)


def test_without_a_metric_of_the_intensity_the_reason_is_that_of_the_emissions() -> None:
    gone = metric("carbon.emissions_kg", None, "kg", Quality.UNKNOWN, reason="location unknown: name it")
    report = sci(training(("carbon.intensity",), gone), per="run", embodied=SERVER)
    assert report.missing == ["I: location unknown: name it"]


def test_units_are_counted_where_the_metric_counts_them() -> None:
    counted = metric("carbon.energy_per_sample", 360.0, "J", n=123_456)
    assert sci(training((), counted), per="sample").units.value == 123_456
    derived = metric("carbon.energy_per_sample", 360.0, "J")
    assert sci(training((), derived), per="sample").units.value == 100_000


@pytest.mark.parametrize(("per", "told"), [("sample", "how many samples"), ("epoch", "no epoch")])
def test_without_units_there_is_no_score(per: Any, told: str) -> None:
    report = sci(training(epochs=0), per=per, embodied=SERVER)
    assert report.score is None
    assert told in report.missing[0]


def test_epochs_are_those_of_the_run_alone() -> None:
    name = "carbon.energy_per_epoch_kwh"
    assert sci(training((), metric(name, 10.0, "kWh", n=1), parent="x"), per="epoch").units.value == 1
    assert sci(training(parent="x"), per="epoch").units.value is None
    gone = metric(name, None, "kWh", Quality.UNKNOWN, reason="nobody wrote it down")
    report = sci(training((), gone), per="epoch", embodied=SERVER)
    assert (report.score, report.missing) == (None, ["R: nobody wrote it down"])


def test_without_a_pue_the_boundary_ends_at_the_machine() -> None:
    report = sci(training(("carbon.facility_energy_kwh",)), per="run", embodied=SERVER)
    assert report.operational == pytest.approx(10 * 50)
    assert any("no PUE is known" in sentence for sentence in report.boundary)
    assert not any("no PUE" in sentence for sentence in sci(training(), per="run").boundary)


def test_a_life_shorter_than_the_run_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--lifetime-years 0\.001 is less than the 12 hours reserved"):
        sci(training(), per="run", embodied=Embodied(total_kg=1, lifetime_years=0.001, hours=12))
    with pytest.raises(UsageError, match=r"less than the 0\.01 hours reserved"):
        sci(training(duration_s=36.0), per="run", embodied=Embodied(total_kg=1, lifetime_years=1e-6))


@given(st.floats(1e-9, 1e9), st.floats(1e-6, 2), st.floats(1e-6, 1e6), st.sampled_from(get_args(Unit)))
def test_a_score_is_linear_in_its_terms(energy: float, intensity: float, kilograms: float, per: Any) -> None:
    more = (metric("carbon.facility_energy_kwh", energy, "kWh"), metric("carbon.intensity", intensity, "kg/kWh"),
            metric("carbon.energy_per_sample", 1.0, "J", n=1000))  # fmt: skip
    report = sci(training((), *more), per=per, embodied=Embodied(total_kg=kilograms, lifetime_years=4, hours=1))
    assert report.score is not None
    assert report.units.value is not None
    total = energy * intensity * 1000 + kilograms * 1000 / (4 * 8760)
    assert report.score * report.units.value == pytest.approx(total, rel=1e-9)


def test_a_report_says_what_the_standard_wants_disclosed() -> None:
    found = sheet(sci(training(status=RunStatus.INTERRUPTED), per="token", embodied=SERVER))
    for text in (as_text(found), as_markdown(found).replace("\\", "")):
        for said in ("21031:2024", "FRA", "location-based", "TE 1000 kg", "Not in it:", "NOT FINISHED"):
            assert said in text


def test_each_number_has_its_provenance() -> None:
    for row in sheet(sci(training(), per="token", embodied=SERVER)).rows:
        assert row.quality in ("measured", "modelled", "declared") or row.name == "grid"


def test_nothing_measured_is_everything_missing() -> None:
    report = sci(
        training(tuple(KNOWN), duration_s=None), per="token", embodied=Embodied(total_kg=1, lifetime_years=1)
    )
    assert [each[0] for each in report.missing] == ["E", "I", "M", "R"]
    check(report)
