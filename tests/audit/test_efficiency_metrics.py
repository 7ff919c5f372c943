"""Efficiency is summed over attempts and ranks as it was told, and what is not known is said so."""

from __future__ import annotations

from typing import Any

import pytest
from groundwire.audit.efficiency import ENERGY, NAMES, measure
from groundwire.audit.hardware import peak
from groundwire.audit.model import Metric, Quality
from groundwire.audit.registry import metric as registered
from hypothesis import given
from hypothesis import strategies as st

H100 = "NVIDIA H100 80GB HBM3"
PHASES = {"training": 80.0, "validation": 15.0, "generation": 50.0, "checkpoint": 5.0}


def facts(**other: Any) -> dict[str, Any]:
    return {
        "attempt": 1, "rank": 0, "device": "cuda", "device_name": H100, "devices": 1, "precision": "bf16-mixed",
        "tf32": False, "peak_flop_per_s": None, "parameters": 1100, "trainable_parameters": 1100,
        "product_parameters": 1000, "trainable_product_parameters": 1000,
    } | other  # fmt: skip


def totals(**other: Any) -> dict[str, Any]:
    return {
        "attempt": 1, "rank": 0, "batches": 100, "seconds": PHASES, "samples": 3200, "no_samples": None,
        "tokens": 64000, "tokens_method": "elements of input_ids", "no_tokens": None, "waited_s": 20.0,
        "startup_s": 2.0, "epochs": 2, "flop": {"bf16": 4e15}, "no_flop": None, "counted_batches": 6,
        "scaled_batches": 0, "recomputed": 0.0, "uncounted": [], "peak_bytes": 60 * 2**30, "total_bytes": 80 * 2**30,
        "memory_method": "most memory that torch had allocated", "active_sum": 9.0, "active_readings": 10,
        "no_activity": None,
    } | other  # fmt: skip


class Told:
    """A record of events alone."""

    def __init__(self, *events: dict[str, Any], facts: tuple[dict[str, Any], ...]) -> None:
        self.kinds = {"efficiency": list(events), "efficiency.facts": list(facts)}

    def events(self, kind: str, *, replayed: bool = False) -> list[dict[str, Any]]:
        assert replayed  # work that was done twice was done
        return self.kinds[kind]


def measured(*events: dict[str, Any], ran: tuple[dict[str, Any], ...] = (), ledger: Any = ()) -> dict[str, Metric]:
    found = list(measure(Told(*events, facts=ran or (facts(),)), ledger))
    rows = {(m.name, *m.labels.values()): m for m in found}
    assert len(rows) == len(found)
    return {".".join(key).removeprefix("efficiency."): metric for key, metric in rows.items()}


def energy(value: float | None, **other: Any) -> Metric:
    fields: dict[str, Any] = {"unit": "kWh", "quality": Quality.MEASURED, "method": "counter", "monitor": "carbon"}
    return Metric(name=ENERGY, value=value, **fields | other)


def test_a_run_is_told_in_its_own_seconds() -> None:
    found = measured(totals())
    assert {f"efficiency.{name.removesuffix('.startup')}" for name in found} == set(NAMES)
    assert all(registered(metric.name) and metric.unit == registered(metric.name).unit for metric in found.values())
    assert found["samples_per_s"].value == 32.0  # what the audit asked of the model is no part of the fit
    assert found["tokens_per_s"].value == 640.0
    assert "elements of input_ids" in found["tokens_per_s"].method
    assert (found["training_flop"].value, found["training_flop"].n) == (4e15, 6)
    assert found["data_wait_share"].value == pytest.approx(0.2)
    assert found["data_wait_share.startup"].value == pytest.approx(0.02)
    assert found["validation_share"].value == pytest.approx(0.15)
    assert found["checkpoint_share"].value == pytest.approx(0.05)
    assert found["peak_memory"].value == 60 * 2**30
    assert found["memory_headroom"].value == pytest.approx(0.25)
    assert (found["gpu_utilisation"].value, found["gpu_utilisation"].n) == (pytest.approx(0.9), 10)
    assert "any kernel was active" in found["gpu_utilisation"].method
    assert found["wasted_kwh"].value is None


def test_utilisation_is_against_the_dense_peak_which_is_told_with_its_source() -> None:
    found, known = measured(totals())["mfu"], peak(H100, "bf16")
    assert known is not None
    assert found.value == pytest.approx(4e15 / 80.0 / known.flop_per_s)
    assert found.quality is Quality.MEASURED
    assert known.source in found.method and f"{known.flop_per_s:.3g}" in found.method


def test_several_types_of_numbers_have_each_their_own_peak() -> None:
    ran = facts(peak_flop_per_s=None)
    found = measured(totals(flop={"bf16": 4e15, "fp32": 1e15}), ran=(ran,))["mfu"]
    half, single = peak(H100, "bf16"), peak(H100, "fp32")
    assert half and single
    assert found.value == pytest.approx((4e15 / half.flop_per_s + 1e15 / single.flop_per_s) / 80.0)


def test_a_declared_peak_makes_a_declared_share() -> None:
    found = measured(totals(), ran=(facts(device="cpu", device_name="", peak_flop_per_s=1e14),))["mfu"]
    assert found.value == pytest.approx(4e15 / 80.0 / 1e14)
    assert found.quality is Quality.DECLARED
    assert "declared" in found.method


@pytest.mark.parametrize(
    ("ran", "why"),
    [
        (facts(device="cpu", device_name=""), "on no GPU"),
        (facts(device_name="NVIDIA Imaginary 9000"), "Imaginary 9000 in bf16"),
        (facts(device_name=f"{H100} MIG 1g.10gb"), "MIG"),
    ],
)
def test_a_peak_that_is_not_known_is_not_guessed(ran: dict[str, Any], why: str) -> None:
    found = measured(totals(), ran=(ran,))["mfu"]
    assert (found.value, found.quality) == (None, Quality.UNKNOWN)
    assert why in str(found.reason) and "peak_flop_per_s=" in str(found.reason)


def test_a_device_without_tf32_computes_in_float32() -> None:
    v100 = "Tesla V100-SXM2-16GB"
    single = peak(v100, "fp32")
    if single is None or peak(v100, "tf32") is not None:
        pytest.skip("the table has no V100 without TF32")
    found = measured(totals(flop={"tf32": 1e15}), ran=(facts(device_name=v100),))["mfu"]
    assert found.value == pytest.approx(1e15 / 80.0 / single.flop_per_s)


@given(st.integers(1, 5), st.integers(1, 4))
def test_work_of_all_attempts_and_ranks_counts(attempts: int, ranks: int) -> None:
    """Also that which a crash threw away; ranks work at the same time, attempts after one another."""
    ran = tuple(facts(attempt=n + 1, devices=ranks) for n in range(attempts))
    told = [totals(attempt=n + 1, rank=rank) for n in range(attempts) for rank in range(ranks)]
    older = [totals(attempt=n + 1, samples=1, flop=None, waited_s=0.0) for n in range(attempts)]
    found = measured(*older, *told, ran=ran)
    assert found["training_flop"].value == pytest.approx(attempts * ranks * 4e15)
    assert found["samples_per_s"].value == pytest.approx(ranks * 32.0)
    assert found["data_wait_share"].value == pytest.approx(0.2)
    assert found["mfu"].value == pytest.approx(measured(totals())["mfu"].value)
    assert (f"{attempts} attempts" in found["samples_per_s"].method) == (attempts > 1)


def test_ranks_that_have_told_nothing_are_taken_to_be_as_the_others() -> None:
    found = measured(totals(), totals(rank=1), ran=(facts(devices=4),))
    assert found["training_flop"].value == pytest.approx(4 * 4e15)
    assert found["tokens_per_s"].value == pytest.approx(4 * 640.0)


def test_an_attempt_that_ended_before_its_first_totals_is_named() -> None:
    found = measured(totals(attempt=2), ran=(facts(), facts(attempt=2)))
    assert "attempt 1 ended before its first totals" in found["samples_per_s"].method


def test_an_attempt_of_one_batch_does_not_hide_what_the_other_counted() -> None:
    short = totals(attempt=2, batches=1, flop=None, no_flop="the run ended before a step was counted")
    found = measured(totals(), short, ran=(facts(), facts(attempt=2)))
    assert found["training_flop"].value == 4e15
    assert measured(short, ran=(facts(attempt=2),))["training_flop"].value is not None  # by its tokens


def test_attempts_on_different_devices_have_no_common_peak() -> None:
    found = measured(totals(), totals(attempt=2), ran=(facts(), facts(attempt=2, devices=8)))
    assert "different devices" in str(found["mfu"].reason)


def test_what_cannot_be_counted_is_estimated_from_tokens_and_said_so() -> None:
    found = measured(totals(flop=None, no_flop="the model is compiled"))
    assert found["training_flop"].value == 6 * 1000 * 64000
    assert found["training_flop"].quality is Quality.MODELLED
    assert "the model is compiled" in found["training_flop"].method
    assert found["mfu"].quality is Quality.MODELLED
    frozen = measured(totals(flop=None, no_flop="why"), ran=(facts(trainable_product_parameters=10),))
    assert frozen["training_flop"].value == (2 * 1000 + 4 * 10) * 64000


def test_without_tokens_either_operations_are_unknown_for_both_reasons() -> None:
    found = measured(totals(flop=None, no_flop="it is compiled", tokens=None, no_tokens="no ids"))
    for name in ("training_flop", "mfu"):
        assert found[name].value is None
        assert "it is compiled" in str(found[name].reason) and "no ids" in str(found[name].reason)
    assert found["tokens_per_s"].reason == "no ids"


def test_batches_of_other_shapes_make_a_model_of_the_sum() -> None:
    assert measured(totals(scaled_batches=5))["training_flop"].quality is Quality.MEASURED
    found = measured(totals(scaled_batches=50, uncounted=["flash_attn.forward"]))["training_flop"]
    assert found.quality is Quality.MODELLED
    assert "50 % of the batches" in found.method and "not counted: flash_attn.forward" in found.method


def test_waiting_costs_its_part_of_the_energy_of_training() -> None:
    phase = energy(8.0, labels={"phase": "training"})
    found = measured(totals(), ledger=[energy(10.0), phase])["wasted_kwh"]
    assert found.value == pytest.approx(8.0 * 20 / 80)
    assert found.quality is Quality.MODELLED
    whole = measured(totals(), ledger=[energy(10.0)])["wasted_kwh"]
    assert whole.value == pytest.approx(10.0 * 20 / 100)
    for ledger in ([], [energy(None, quality=Quality.UNKNOWN, reason="its monitor broke")]):
        unknown = measured(totals(), ledger=ledger)["wasted_kwh"]
        assert unknown.value is None
        assert unknown.reason == ("its monitor broke" if ledger else "the energy was not measured")


def test_an_energy_that_is_doubted_makes_a_doubted_waste() -> None:
    doubted = energy(10.0, quality=Quality.UNKNOWN, reason="attempt 1 was not read")
    assert measured(totals(), ledger=[doubted])["wasted_kwh"].quality is Quality.UNKNOWN


def test_a_step_that_fetches_its_own_data_has_no_wait() -> None:
    found = measured(totals(waited_s=None))
    assert "dataloader_iter" in str(found["data_wait_share"].reason)
    assert found["wasted_kwh"].value is None


def test_a_processor_has_memory_and_no_headroom() -> None:
    ran = facts(device="cpu", device_name="")
    told = totals(total_bytes=None, active_readings=0, active_sum=0, no_activity="the run is on no GPU")
    found = measured(told, ran=(ran,))
    assert found["peak_memory"].value == 60 * 2**30
    assert found["memory_headroom"].value is None
    assert found["gpu_utilisation"].reason == "the run is on no GPU"
    assert measured(totals(peak_bytes=None))["peak_memory"].value is None


def test_a_record_without_totals_says_nothing() -> None:
    assert list(measure(Told(facts=(facts(),)))) == []
    assert list(measure(Told(totals(seconds=dict.fromkeys(PHASES, 0.0)), facts=(facts(),)))) == []
