"""Estimates are the formulas, hold what was published, and say what they rest on and what they do not know."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import RecordError, UsageError
from groundwire.audit.estimation import Estimate, estimate
from groundwire.audit.estimation.asked import Asked
from groundwire.audit.estimation.ranges import MFU, Provenance, Range
from groundwire.audit.estimation.runs import measured_in
from groundwire.audit.model import Audit, Metric, Quality, Run, RunStatus, dump
from hypothesis import given
from hypothesis import strategies as st

# Model, parameters, tokens, device, GPU-hours, and where they are published.
PUBLISHED = (
    ("Llama 2 7B", 7e9, 2e12, "A100 80GB", 184_320, "arXiv:2307.09288, table 2"),
    ("Llama 2 13B", 13e9, 2e12, "A100 80GB", 368_640, "arXiv:2307.09288, table 2"),
    ("Llama 2 70B", 70e9, 2e12, "A100 80GB", 1_720_320, "arXiv:2307.09288, table 2"),
    ("Llama 3 70B", 70e9, 15e12, "H100 SXM", 6.4e6, "model card of Llama 3"),
    ("Llama 3.1 405B", 405e9, 15.6e12, "H100 SXM", 30.84e6, "model card of Llama 3.1; arXiv:2407.21783"),
    ("BLOOM 176B", 176e9, 366e9, "A100 80GB", 1_082_990, "arXiv:2211.02001, table 1; arXiv:2211.05100"),
)
# MFU as published in arXiv:2204.02311, table 3.
PUBLISHED_MFU = {"GPT-3": 0.213, "Gopher": 0.325, "MT-NLG": 0.302, "PaLM": 0.462}


def asked(**more: Any) -> Asked:
    return Asked(**({"parameters": 7e9, "tokens": 1e12, "device": "H100", "devices": 64} | more))


def exactly(**more: Any) -> Asked:
    """Return a question in which nothing is left to assume."""
    given: dict[str, Any] = {
        "mfu": 0.4,
        "power": 600.0,
        "host_power": 200.0,
        "pue": 1.25,
        "intensity": 0.1,
        "wue": 1.8,
    }
    return asked(**(given | more))


def test_gpt_3_takes_the_operations_that_its_paper_prints() -> None:
    # 3.14e23 in arXiv:2005.14165, table D.1, which counts 174.6e9 parameters.
    found = estimate(Asked(parameters=174.6e9, tokens=300e9, device="V100", dtype="fp16"))
    assert found.flop == pytest.approx(3.14e23, rel=0.005)
    assert estimate(Asked(parameters=175e9, tokens=300e9, device="V100", dtype="fp16")).flop == pytest.approx(3.15e23)


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row[0])
def test_published_gpu_hours_lie_in_the_range(row: tuple[str, float, float, str, float, str]) -> None:
    _, parameters, tokens, device, hours, _ = row
    found = estimate(Asked(parameters=parameters, tokens=tokens, device=device, devices=2048)).device_hours
    assert found.low < hours < found.high


def test_the_run_that_lies_outside_is_known() -> None:
    """The model card of Llama 3 8B counts 1.3 million GPU-hours, an MFU of 0.16: docs/estimate.md says so."""
    found = estimate(Asked(parameters=8e9, tokens=15e12, device="H100 SXM"))
    assert found.flop / (1.3e6 * 3600 * 989.4e12) == pytest.approx(0.156, abs=0.001)
    assert found.device_hours.high < 1.3e6


def test_the_typical_utilisation_is_the_median_of_the_published() -> None:
    rows = [*PUBLISHED, ("Llama 3 8B", 8e9, 15e12, "H100 SXM", 1.3e6, "model card of Llama 3")]
    shares = [*PUBLISHED_MFU.values()]
    for _, parameters, tokens, device, hours, _ in rows:
        sure = estimate(Asked(parameters=parameters, tokens=tokens, device=device, mfu=1.0)).device_hours
        shares.append(sure.typical / hours)
    assert len(shares) == 11
    assert MFU.value.typical == pytest.approx(sorted(shares)[5], abs=0.01)
    assert sum(MFU.value.low <= share <= MFU.value.high for share in shares) == 10


def test_the_energy_of_bloom_lies_in_the_range() -> None:
    # 433,196 kWh of its GPUs and 256,646 kWh of the rest of the cluster, arXiv:2211.02001, section 4.
    found = estimate(Asked(parameters=176e9, tokens=366e9, device="A100 80GB", devices=384, pue=1.2, intensity=0.057))
    assert found.energy_kwh is not None
    assert found.energy_kwh.low < 433_196 + 256_646 < found.energy_kwh.high


def test_power_of_a_node_is_what_was_measured() -> None:
    # 8 x H100 training took 76 % of the 10.2 kW of its rating (arXiv:2506.14551), at most 8.4 kW (arXiv:2412.08602).
    found = estimate(asked(mfu=0.4))
    assert found.energy_kwh is not None
    watts = Range(
        low=1000 * found.energy_kwh.low / found.device_hours.low,
        typical=1000 * found.energy_kwh.typical / found.device_hours.typical,
        high=1000 * found.energy_kwh.high / found.device_hours.high,
    )
    assert watts.typical * 8 == pytest.approx(0.76 * 10_200, rel=0.05)
    assert watts.low * 8 < 0.76 * 10_200 < 8_400 < watts.high * 8


def test_results_are_the_formulas() -> None:
    found = estimate(exactly(price_per_kwh=0.2, price_per_hour=2.0, currency="EUR", embodied=150.0, lifetime=4.0))
    flop = 6 * 7e9 * 1e12
    hours = flop / (64 * 989.4e12 * 0.4) / 3600
    energy = hours * 64 * 0.8
    expected = {
        "hours": hours, "device_hours": 64 * hours, "energy_kwh": energy, "facility_energy_kwh": energy * 1.25,
        "emissions_kg": energy * 1.25 * 0.1, "water_l": energy * 1.8, "cost": energy * 1.25 * 0.2 + 64 * hours * 2,
        "embodied_kg": 150 * 64 * hours / (4 * 8766),
    }  # fmt: skip
    for name, value in expected.items():
        part = getattr(found, name)
        assert (part.low, part.typical, part.high) == pytest.approx((value, value, value)), name
    assert found.unknown == {}
    assert {part.provenance for part in found.assumptions} == {Provenance.GIVEN, Provenance.DATA_SHEET}


def test_attention_and_epochs_add_their_operations() -> None:
    plain = estimate(exactly()).flop
    assert estimate(exactly(epochs=4.0)).flop == pytest.approx(4 * plain)
    found = estimate(exactly(layers=32.0, hidden=4096.0, sequence=8192.0))
    assert found.flop - plain == pytest.approx(12 * 32 * 4096 * 8192 * 1e12)
    assert "12·L·H·T" in found.formula


def test_a_location_that_nobody_named_is_unknown_and_no_mean_of_the_world() -> None:
    found = estimate(asked())
    assert found.emissions_kg is None
    assert found.unknown["emissions_kg"].startswith("location unknown")
    assert found.energy_kwh is not None
    assert not any("grid" in part.name for part in found.assumptions)


def test_a_region_has_the_intensity_of_the_bundled_tables() -> None:
    pytest.importorskip("codecarbon")
    found = estimate(exactly(intensity=None, region="FRA"))
    grid = next(part for part in found.assumptions if part.name == "intensity of the grid")
    assert grid.provenance is Provenance.BUNDLED
    assert found.emissions_kg is not None and found.facility_energy_kwh is not None
    assert found.emissions_kg.typical == pytest.approx(found.facility_energy_kwh.typical * grid.value.typical)


def test_a_device_without_a_tdp_has_hours_and_no_energy() -> None:
    found = estimate(asked(device="TPU v5e", intensity=0.1, wue=1.8, price_per_kwh=0.2, price_per_hour=1.0))
    missing = ("energy_kwh", "facility_energy_kwh", "emissions_kg", "water_l", "cost")
    assert [getattr(found, name) for name in missing] == [None] * 5
    assert set(missing) <= set(found.unknown)
    assert "--power" in found.unknown["energy_kwh"]
    assert estimate(asked(device="TPU v5e", power=200.0)).energy_kwh is not None


def test_a_device_that_is_not_in_the_table_takes_its_peak() -> None:
    with pytest.raises(UsageError, match=r"No dense peak is known for device 'H20' \(nearest: NVIDIA H200 SXM"):
        estimate(asked(device="H20"))
    found = estimate(asked(device="H20", peak=148e12, mfu=0.5))
    assert found.device == "H20"
    assert found.device_hours.typical == pytest.approx(4.2e22 / (148e12 * 0.5 * 3600))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"parameters": -7e9}, "--parameters -7e"), ({"parameters": 0.0}, "--parameters 0"),
    ({"parameters": None}, "Give --parameters"), ({"tokens": math.nan}, "--tokens nan"),
    ({"tokens": math.inf}, "--tokens inf"), ({"devices": 0}, "--devices 0"), ({"epochs": -1.0}, "--epochs -1"),
    ({"mfu": 1.01}, "--mfu 1.01 .*as in 0.4"), ({"mfu": 40.0}, "--mfu 40"), ({"mfu": 0.0}, "--mfu 0"),
    ({"pue": 0.9}, "--pue 0.9 .*from 1 to 3"), ({"pue": 3.5}, "--pue 3.5"), ({"pue": math.nan}, "--pue nan"),
    ({"wue": -0.1}, "--wue -0.1"), ({"intensity": 56.0}, "--intensity 56 .*not in grams"),
    ({"power": -1.0}, "--power -1"), ({"host_power": math.inf}, "--host-power inf"),
    ({"price_per_kwh": -0.1}, "--price-per-kwh"), ({"lifetime": 0.0}, "--lifetime 0"),
    ({"layers": 3.0}, "give all or none"), ({"region": "FRA", "intensity": 0.1}, "give one of them"),
    ({"device": None}, "Give --device"),
    ({"device": "T4"}, "no peak in 'bf16': give --dtype as one of fp32, fp16, int8"),
    ({"dtype": "bfloat16"}, "no peak in 'bfloat16'"), ({"region": "XXX"}, "No intensity is known for region 'XXX'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_makes_no_sense_is_one_sentence(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        estimate(asked(**options))
    assert "\n" not in str(refused.value)


shares = st.floats(0.01, 1)


@given(st.floats(1e6, 1e13), st.floats(1e6, 1e15), st.integers(1, 10**6), shares, st.floats(1, 3), st.floats(0, 3))
def test_low_is_never_above_typical_nor_typical_above_high(
    parameters: float, tokens: float, devices: int, mfu: float, pue: float, intensity: float
) -> None:
    for options in ({}, {"mfu": mfu}, {"pue": pue}, {"power": 300.0}):
        found = estimate(asked(parameters=parameters, tokens=tokens, devices=devices, intensity=intensity, **options))
        for part in _ranges(found):
            assert 0 <= part.low <= part.typical <= part.high < math.inf
        assert found.hours.typical * devices == pytest.approx(found.device_hours.typical)


def _ranges(found: Estimate) -> list[Range]:
    values = [getattr(found, field.name) for field in fields(found)]
    return [value for value in values if isinstance(value, Range)]


def run_folder(folder: Path, *, sealed: bool = True, **changed: Any) -> str:
    """Write the audit of a run of 8 H100 for an hour at 8 kW and return its folder."""
    values: dict[str, Any] = {"efficiency.mfu": 0.42, "carbon.energy_kwh": 8.0, "carbon.duration_s": 3600.0} | changed
    environment: dict[str, Any] = {"gpus": ["NVIDIA H100 80GB HBM3"] * 8, "world_size": 8, "precision": "bf16-mixed"}
    quality = values.pop("quality", Quality.MEASURED)
    environment |= {name: values.pop(name) for name in list(values) if name in environment}
    audit = Audit(
        run=Run(id="a", status=RunStatus.FINISHED, model="GPT", started="2026-11-21T00:00:00Z"),
        metrics=[
            Metric(name=name, value=value, unit="", quality=quality, method="counter", monitor="carbon",
                   reason=None if value is not None else "broke")
            for name, value in values.items()
        ],
        environment=environment, configuration={"model": {"parameters": 123_000_000}},
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    text = dump(audit)
    (folder / "audit.json").write_text(text if sealed else text.replace("0.42", "0.43"))
    return str(folder)


def test_a_run_is_scaled_up_by_what_it_measured(tmp_path: Path) -> None:
    run = measured_in(run_folder(tmp_path))
    found = estimate(Asked(tokens=2e9, devices=8, measured=run))
    assert (found.parameters, found.device, found.dtype) == (123e6, "NVIDIA H100 SXM", "bf16")
    assert found.hours == Range.exact(found.hours.typical)
    assert found.energy_kwh is not None
    assert found.energy_kwh.typical == pytest.approx(found.device_hours.typical * 1.0)  # 1 kW a device
    shown = {part.name: part.provenance for part in found.assumptions}
    assert shown["model FLOPs utilisation"] is Provenance.MEASURED
    assert shown["device and its node"] is Provenance.MEASURED
    assert "rest of the node" not in shown
    larger = estimate(Asked(parameters=1e9, tokens=2e9, devices=8, measured=run))
    assert larger.flop == pytest.approx(6e9 * 2e9)


def test_another_device_does_not_inherit_utilisation_and_power(tmp_path: Path) -> None:
    found = estimate(Asked(tokens=2e9, device="A100", measured=measured_in(run_folder(tmp_path))))
    assert {part.provenance for part in found.assumptions} == {Provenance.ASSUMED, Provenance.DATA_SHEET}
    assert found.parameters == 123e6


@pytest.mark.parametrize(
    "changed",
    [{"carbon.energy_kwh": None}, {"carbon.duration_s": None}, {"world_size": 16}, {"quality": Quality.UNKNOWN}],
)
def test_power_that_was_not_measured_is_assumed(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert measured_in(run_folder(tmp_path, **changed)).power is None


def test_modelled_power_says_so(tmp_path: Path) -> None:
    found = measured_in(run_folder(tmp_path, quality=Quality.MODELLED))
    assert found.power == pytest.approx(1000.0)
    assert found.power_provenance is Provenance.MODELLED


def test_32_bit_floats_do_not_say_whether_they_were_tf32(tmp_path: Path) -> None:
    run = measured_in(run_folder(tmp_path, precision="32-true"))
    assert run.dtype is None
    with pytest.raises(UsageError, match="give --dtype, as in tf32 or fp32"):
        estimate(Asked(tokens=1e9, measured=run))
    found = estimate(Asked(tokens=1e9, measured=run, dtype="tf32"))
    assert MFU in found.assumptions


def test_a_run_without_gpus_needs_a_device(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Give --device"):
        estimate(Asked(tokens=1e9, measured=measured_in(run_folder(tmp_path, gpus=[]))))


def test_an_audit_that_was_changed_is_no_ground(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="has been changed"):
        measured_in(run_folder(tmp_path, sealed=False))


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'codecarbon', 'pandas', 'numpy', 'pydantic'}"
    code = f"import sys, groundwire.audit.estimation; print({heavy} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"
