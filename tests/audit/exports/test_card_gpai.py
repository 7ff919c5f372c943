"""Evidence for the EU's form: figures rounded as it asks, the boundary, and no claim."""

from __future__ import annotations

import json

import jsonschema
import pytest
from card_material import KNOWN, metric, training
from groundwire.audit.exports.gpai import Field, GpaiReport, gpai, sheet, significant
from groundwire.audit.exports.sheet import as_markdown, as_text
from groundwire.audit.model import Audit, Quality
from hypothesis import given
from hypothesis import strategies as st


def fields(audit: Audit) -> dict[str, Field]:
    return {field.name: field for field in gpai(audit).fields}


def test_the_fields_of_a_run() -> None:
    found = fields(training())
    assert found["Training time, range"].text == "less than 1 month"
    assert found["Training time, wall clock"].text == "0.50 wall clock days"
    assert found["Training time, hardware"].text == "1.0 NVIDIA H200 days"
    assert found["Training time, hardware"].quality is Quality.MODELLED  # which GPUs it used is assumed
    assert found["Amount of computation used for training"].text == "3.5*10^21 FLOP"
    assert found["Amount of computation, order of magnitude"].text == "10^21 FLOP"
    energy = found["Amount of energy used for training"]
    assert (energy.text, energy.value, energy.quality) == ("0.010 MWh", 0.01, Quality.MODELLED)
    assert energy.method.startswith("estimated: codecarbon")
    assert found["Amount of energy, with what the data centre adds"].text == "0.012 MWh"
    assert found["Benchmarked computation used for inference"].value is None


def test_measured_energy_is_called_measured() -> None:
    found = fields(training((), metric("carbon.energy_kwh", 2_345_678.0, "kWh")))
    energy = found["Amount of energy used for training"]
    assert (energy.text, energy.value) == ("2.3*10^3 MWh", 2300.0)
    assert energy.method.startswith("measured: ")


def test_what_is_unknown_is_said() -> None:
    found = fields(training(tuple(KNOWN), duration_s=None, ended=None))
    for name in ("Training time, wall clock", "Amount of computation used for training"):
        assert (found[name].text, found[name].value) == ("not known", None)
    assert "not measured" in found["Amount of energy used for training"].method
    assert "Training time, range" not in found


@pytest.mark.parametrize(
    ("days", "told"),
    [(30, "less than 1 month"), (31, "1 to 3 months"), (100, "3 to 6 months"), (200, "more than 6 months")],
)
def test_the_range_of_the_training_time(days: int, told: str) -> None:
    assert fields(training(duration_s=days * 86400.0))["Training time, range"].text == told


@pytest.mark.slow
@given(st.floats(1e-12, 1e30))
def test_two_significant_figures(value: float) -> None:
    text = significant(value)
    mantissa, _, power = text.partition("*10^")
    assert float(mantissa) * 10.0 ** int(power or 0) == pytest.approx(value, rel=0.051)
    assert len(mantissa.replace(".", "").lstrip("0")) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50"), (99.6, "1.0*10^2"), (9.96, "10"), (42.0, "42"), (7.3e10, "7.3*10^10"), (0.0099, "9.9*10^-3")],
)
def test_figures_are_written_as_the_form_writes_them(value: float, text: str) -> None:
    assert significant(value) == text


def test_it_is_evidence_with_a_boundary_and_never_a_claim() -> None:
    report = gpai(training(parent="20261120T0000-aaaa"))
    for text in (as_text(sheet(report)), as_markdown(sheet(report)).replace("\\", ""), report.model_dump_json()):
        assert "vidence for" in text
        assert "compliant" not in text.lower()
        for said in ("Not in it:", "20261120T0000-aaaa", "10^23", "10^25", "Annex XI"):
            assert said in text


def test_the_report_fits_its_schema() -> None:
    schema = GpaiReport.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(gpai(training()).model_dump_json()), schema)
