"""What a Hugging Face model card says of a run."""

from __future__ import annotations

import re

import pytest
from card_material import HOSTILE, KNOWN, METER, metric, training, unlocated
from groundwire.audit.exports.huggingface import emissions, section
from groundwire.audit.exports.modelcard import END, ENTRY, START, changed
from groundwire.audit.model import Audit, Quality, RunStatus

# https://huggingface.co/docs/hub/model-cards-co2
FIELDS = {"emissions", "source", "training_type", "geographical_location", "hardware_used"}
TYPES = ("pre-training", "fine-tuning")


def written(audit: Audit, **declared: str | None) -> dict[str, object]:
    found = emissions(audit, **{"training_type": None, "location": None} | declared)
    assert found is not None
    return found


def test_emissions_are_grams_as_the_specification_asks() -> None:
    found = written(training(), training_type="pre-training")
    assert found["emissions"] == 600.0  # .6 kg
    assert set(found) == FIELDS
    assert found["training_type"] in TYPES
    assert found["geographical_location"] == "FRA"
    assert found["hardware_used"] == "2 × NVIDIA H200"
    assert re.match(r"Groundwire \S+, modelled: codecarbon", str(found["source"]))


def test_what_was_not_declared_is_left_out() -> None:
    assert "training_type" not in written(training())
    bare = metric("carbon.emissions_kg", 0.6, "kg", method=METER)
    assert "geographical_location" not in written(training(("carbon.intensity",), bare))
    assert written(training(), location="Quebec, Canada")["geographical_location"] == "Quebec, Canada"


def test_unknown_emissions_write_no_number_and_leave_the_energy_with_the_reason() -> None:
    assert emissions(unlocated(), training_type="pre-training", location="Paris") is None
    told = section(unlocated())
    assert re.search(r"\| Emissions, CO2 equivalent \| not known \| unknown \| location unknown: name it \|", told)
    assert "| Energy | 10 kWh | modelled |" in told


def test_each_number_has_its_provenance() -> None:
    part = metric("carbon.energy_kwh", 8.0, "kWh", labels={"component": "gpu"})
    told = section(training((), part, metric("carbon.cost", 2.5, "EUR", Quality.DECLARED)))
    rows = [line.split(" | ") for line in told.splitlines() if re.match(r"\| (?!-).* \d", line)]
    numbers = [row for row in rows if not row[0].endswith("Hardware")]
    assert len(numbers) == 8
    assert all(row[2] in ("measured", "modelled", "declared") for row in numbers)
    assert "| Energy, gpu | 8 kWh | measured |  |" in told  # the method stands at the total
    assert "| Cost of the energy | 2.5 EUR | declared |" in told


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.CRASHED, RunStatus.INTERRUPTED])
def test_an_unfinished_run_says_so_in_the_metadata_and_in_the_text(status: RunStatus) -> None:
    audit = training(status=status)
    assert "THE RUN IS NOT FINISHED" in str(written(audit)["source"])
    assert "THE RUN IS NOT FINISHED" in section(audit)


def test_text_of_the_model_is_harmless_and_comes_back() -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    hostile = metric(*("carbon.emissions_kg", 0.6, "kg"), method=f"{HOSTILE}; grid of {HOSTILE}")
    audit = training(("carbon.intensity",), hostile, environment={"gpus": [HOSTILE]}, id=HOSTILE)
    entry, text = written(audit, location=HOSTILE), section(audit, location=HOSTILE)
    new = changed("# x\n", entry, text, where="x").text
    body = new.partition("\n---\n")[2]
    assert (body.count(START), body.count(END)) == (1, 1)
    assert not re.search("[\u202e@]|(?<!\\\\)\\[x|http://", body)
    assert hub.ModelCard(new).data.to_dict() == {ENTRY: entry}
    assert changed(new, entry, text, where="x").text == new


def test_model_card_data_of_the_hub_holds_the_entry() -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    entry = written(training(), training_type="fine-tuning")
    text = hub.ModelCardData(**{ENTRY: entry}).to_yaml()
    assert hub.ModelCard(f"---\n{text}\n---\n").data.to_dict() == {ENTRY: entry}


@pytest.mark.parametrize("kilograms", [1e-12, 4.5678e-7, 0.123456, 123456.0])
def test_small_and_large_emissions_keep_four_digits(kilograms: float) -> None:
    found = written(training((), metric("carbon.emissions_kg", kilograms, "kg")))
    assert found["emissions"] == pytest.approx(1000 * kilograms, rel=5e-4)


def test_the_range_of_a_figure_stands_beside_it() -> None:
    told = section(training((), metric("carbon.emissions_kg", 0.6, "kg", low=0.45, high=0.75)))
    assert "| Emissions, CO2 equivalent | 600 g \\(450 to 750\\) | measured |" in told


def test_an_audit_without_any_metric_says_what_is_missing() -> None:
    bare = training(tuple(KNOWN), duration_s=None)
    assert emissions(bare, training_type=None, location=None) is None
    assert "carbon.energy\\_kwh was not measured" in section(bare)
    assert "| Training time | not known | unknown |" in section(bare)
