"""What the rules of energy and efficiency recommend is computed from the run's own times, and never promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from groundwire.audit.hardware import intensity_of
from groundwire.audit.hourly import Hours
from groundwire.audit.model import Mitigation, Severity
from groundwire.audit.rules import RULES
from groundwire.audit.rules.case import Case
from groundwire.audit.rules.declaration import CannotTellError
from groundwire.audit.rules.efficiency import workers_needed
from groundwire.audit.rules.pace import Pace
from groundwire.audit.rules.pauses import rarer, saved
from groundwire.audit.rules.timing import best_start, spans
from groundwire.audit.rules.utilisation import MOST, larger_batch
from hypothesis import given
from hypothesis import strategies as st
from rule_cases import BAD, DEVICE, ENERGY, HOURLY, LOADER, METERED, MINUTE, SLOW, WAITED, metered, paced, shares
from rule_material import BY_NAME, STEPS, ask, case, metric

# A stall is judged by seconds of its own: a short run may have stood still all the same.
HELD_UP = [rule.name for rule in RULES if rule.code.startswith("EFF") and rule.name != "stall"]
SHARE = st.floats(0.001, 0.999)


def cures(name: str, found: Case) -> list[Mitigation]:
    fault = ask(name, found)
    assert fault is not None
    made = (remedy(found, fault) for remedy in BY_NAME[name].remedies)
    return [cure for cure in made if cure is not None]


def cure(name: str, found: Case) -> Mitigation:
    return cures(name, found)[0]


def went(*, wait_s: float, compute_s: float, workers: int, cpus: int, **more: Any) -> Pace:
    facts = DEVICE | {"cpus": cpus, "dataloader": LOADER | {"num_workers": workers}} | more
    return Pace(
        facts=facts, batch_s=wait_s + compute_s, wait_s=wait_s, startup_s=0.0, epochs=1,
        seconds={"training": 100.0, "validation": 0.0, "checkpoint": 0.0}, flop={},
    )  # fmt: skip


def test_none_weighs_more_than_low() -> None:
    found = [rule for rule in RULES if rule.code.startswith(("EFF", "CO2")) and rule.name != "budget-exceeded"]
    assert len(found) == 12
    assert all(rule.severity in {Severity.LOW, Severity.INFO} and not rule.live for rule in found)


@pytest.mark.parametrize("name", HELD_UP)
def test_a_run_of_less_than_a_minute_is_not_judged(name: str) -> None:
    short = paced(*WAITED, SLOW, shares("validation", 0.5), shares("checkpoint", 0.5), **MINUTE)
    with pytest.raises(CannotTellError, match="too short to judge: 55 of 60 s"):
        ask(name, short)


@pytest.mark.parametrize("name", ["high-intensity-region", "carbon-intensive-hours", "high-pue"])
def test_energy_of_less_than_a_minute_is_not_judged(name: str) -> None:
    short = BAD[name]()
    short._metrics["carbon.duration_s"] = metric("carbon.duration_s", 12.0)
    with pytest.raises(CannotTellError, match="too short to judge: 12 of 60 s"):
        ask(name, short)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("data-bound-input", "data_wait_share"),
        ("low-mfu", "on no GPU"),
        ("frequent-validation", "validation_share: not measured"),
    ],
)
def test_what_was_not_measured_is_no_fault(name: str, told: str) -> None:
    unknown = metric("efficiency.mfu", None).model_copy(update={"reason": "the run is on no GPU"})
    with pytest.raises(CannotTellError, match=told):
        ask(name, paced(unknown))


def test_without_totals_of_the_last_weights_nothing_is_told() -> None:
    with pytest.raises(CannotTellError, match="no attempt"):
        ask("data-bound-input", case(metrics=list(WAITED), events={"efficiency.facts": [DEVICE]}))


# Waiting for data


def test_workers_follow_from_the_wait_of_a_batch() -> None:
    assert workers_needed(went(wait_s=0.25, compute_s=0.1, workers=0, cpus=16)) == (3, 0.0)
    # Two that are always busy bring a batch every 3/8 s, so each takes 3/4 s: six are just enough, seven more.
    assert workers_needed(went(wait_s=0.25, compute_s=0.125, workers=2, cpus=16)) == (7, 0.0)


def test_workers_are_no_more_than_there_are_processors_for() -> None:
    workers, left = workers_needed(went(wait_s=0.2, compute_s=0.1, workers=2, cpus=4)) or (0, 0.0)
    assert workers == 3
    assert left == pytest.approx((0.6 / 3 - 0.1) / 0.2)
    assert workers_needed(went(wait_s=0.2, compute_s=0.1, workers=3, cpus=4)) is None
    assert workers_needed(went(wait_s=0.2, compute_s=0.1, workers=0, cpus=8, devices=8)) is None
    assert workers_needed(went(wait_s=0.25, compute_s=0.125, workers=0, cpus=16, devices=8)) == (1, 0.5)
    assert workers_needed(went(wait_s=0.2, compute_s=0.1, workers=0, cpus=1)) is None
    assert workers_needed(went(wait_s=0.2, compute_s=0.1, workers=0, cpus=8, dataloader={"loaders": []})) is None


@given(
    wait=st.floats(0.001, 10), compute=st.floats(0.001, 10), now=st.integers(0, 32), cpus=st.integers(1, 64),
    ranks=st.integers(1, 8),
)  # fmt: skip
def test_more_workers_never_wait_longer(wait: float, compute: float, now: int, cpus: int, ranks: int) -> None:
    found = went(wait_s=wait, compute_s=compute, workers=now, cpus=cpus, devices=ranks)
    needed = workers_needed(found)
    if needed is not None:
        workers, left = needed
        assert now < workers <= found.spare_cpus < max(2, cpus)
        assert 0 <= left <= 1
        assert workers == found.spare_cpus or left < 1e-9


def test_the_gain_is_the_energy_of_the_wait_that_goes_away() -> None:
    run = paced(*WAITED, waited_s=360.0)
    workers, *rest = cures("data-bound-input", run)
    assert workers.settings == {"data.num_workers": 2}  # a batch waits 0.6 s and trains 0.4 s
    assert "up to 0.24 kWh and 60 % of the time" in workers.gain
    assert rest == []
    crowded = cures("data-bound-input", paced(*WAITED, waited_s=500.0, device={"cpus": 4}))
    assert crowded[0].settings == {"data.num_workers": 3}
    left = (500 / 600 / 3 - 1 / 6) / (500 / 600)
    assert f"up to {0.24 * (1 - left):.2g} kWh" in crowded[0].gain
    assert "no processor for more" in crowded[0].text
    assert "Make a batch cheaper" in crowded[1].text


def test_memory_is_pinned_only_on_the_way_to_a_gpu() -> None:
    loose = {"pin_memory": False}
    assert {"data.pin_memory": True} in [c.settings for c in cures("data-bound-input", paced(*WAITED, loader=loose))]
    own = paced(*WAITED, loader=loose, device={"device": "cpu"})
    assert {"data.pin_memory": True} not in [c.settings for c in cures("data-bound-input", own)]


def test_workers_that_stay_save_what_restarting_them_took() -> None:
    run = paced(shares("data_wait", 0.0), loader={"num_workers": 4}, startup_s=200.0, epochs=100)
    found = cure("restarted-workers", run)
    assert found.settings == {"data.persistent_workers": True}
    assert f"up to {0.4 * 198 / 602:.2g} kWh" in found.gain


# What the device could do


def test_a_batch_grows_into_the_memory_that_was_never_used() -> None:
    batch, compiled = cures("low-mfu", paced(SLOW, metric("efficiency.memory_headroom", 0.8)))
    assert batch.settings == {"data.batch_size": 128}
    assert "not promised" in batch.gain
    assert f"about {100 * 0.4 / STEPS:.2g} kWh" in batch.cost
    assert "1.41" in compiled.gain
    (only,) = cures("low-mfu", paced(SLOW, metric("efficiency.memory_headroom", 0.3)))
    assert "Compile" in only.text
    assert cures("low-mfu", paced(SLOW, device={"compiled": True})) == []


def test_a_larger_batch_takes_the_place_of_accumulation() -> None:
    run = paced(SLOW, metric("efficiency.memory_headroom", 0.8), device={"accumulate_grad_batches": 8})
    found = cure("low-mfu", run)
    assert found.settings == {"data.batch_size": 128, "trainer.accumulate_grad_batches": 2}
    assert "none to what is learned" in found.cost


@given(st.floats(1e-6, 1))
def test_a_batch_never_grows_beyond_the_memory(used: float) -> None:
    times = larger_batch(used)
    assert 1 <= times <= MOST
    assert times == 1 or times * used <= 0.9 + 1e-9


def test_shorter_numbers_are_to_be_tried_and_not_promised() -> None:
    sixteen, tf32 = cures("long-floats", BAD["long-floats"]())
    assert sixteen.settings == {"trainer.precision": "bf16-mixed"}
    assert all("not promised" in found.gain for found in (sixteen, tf32))
    assert "50 steps" in sixteen.text
    long = {"precision": "32-true"}
    old = paced(flop={"fp32": 1e15}, device=long | {"device_name": "Tesla T4"})
    assert [found.settings for found in cures("long-floats", old)] == [{"trainer.precision": "16-mixed"}]
    in_tf32 = paced(flop={"tf32": 1e15}, device=long | {"tf32": True})
    assert len(cures("long-floats", in_tf32)) == 1
    uncounted = paced(flop=None, device=long)
    assert ask("long-floats", uncounted) is not None


# Pauses


@given(SHARE, SHARE)
def test_so_much_rarer_is_enough_and_no_more_than_enough(share: float, limit: float) -> None:
    times = rarer(share, limit)

    def after(k: int) -> float:
        return share / k / (share / k + 1 - share)

    assert after(max(1, times)) <= limit * (1 + 1e-6) + 1e-6 or times >= 1e6
    assert times <= 1 or after(times - 1) > limit * (1 - 1e-6)
    assert 0 <= saved(share, max(1, times)) < share + 1e-12


@pytest.mark.parametrize(
    ("validations", "epoch", "settings"),
    [
        # Half of the time, four times rarer; at every 10th step, so 60 of them.
        (60, 120, {"trainer.val_check_interval": 40}),
        (60, 30, {"trainer.check_val_every_n_epoch": 2, "trainer.val_check_interval": 1.0}),
        (60, None, {"trainer.val_check_interval": 40}),
    ],
)
def test_validations_become_rarer(validations: int, epoch: int | None, settings: dict[str, Any]) -> None:
    found = cure("frequent-validation", validated(validations, {"data": {"steps_per_epoch": epoch}}))
    assert found.settings == settings
    assert found.gain.startswith("38 % of the time")


@pytest.mark.parametrize(
    ("limit", "batches", "left"),
    [
        (1.0, None, 0.25), (0.05, None, 0.012), (1.0, 100, 25), (0.05, 5, 1), (40, None, 10), (1000, 100, 25),
        (2, None, 1), (None, None, None),
    ],
)  # fmt: skip
def test_validations_become_smaller_than_they_are_where_few_are_left(
    limit: float | None, batches: int | None, left: float | None
) -> None:
    configuration = {"trainer": {"limit_val_batches": limit}, "data": {"validation_batches": batches}}
    found = cure("frequent-validation", validated(12, configuration))
    assert found.settings == ({} if left is None else {"trainer.limit_val_batches": left})
    assert type(found.settings.get("trainer.limit_val_batches")) is type(left)
    assert "leave 3 validations" in found.text


def test_what_is_gained_ends_at_one_batch() -> None:
    found = cure("frequent-validation", validated(12, {"data": {"validation_batches": 2}}))
    assert found.settings == {"trainer.limit_val_batches": 1}
    assert found.gain.startswith("25 % of the time")  # half of a half


def test_a_single_validation_batch_can_only_become_rarer() -> None:
    for one in ({"data": {"validation_batches": 1}}, {"trainer": {"limit_val_batches": 1}}):
        assert cure("frequent-validation", validated(12, one)).text.startswith("Validate 4 times rarer")


def validated(validations: int, configuration: dict[str, Any]) -> Case:
    """Return a run that validated so often, half of its time."""
    steps = np.linspace(2, 1, validations)
    run = paced(shares("validation", 0.5))
    tables = case(overfitting__val_loss=steps)
    tables._record.tables = {  # type: ignore[attr-defined]
        ("overfitting.val_loss", None): (np.arange(1, validations + 1) * STEPS // validations, steps)
    }
    whole = Case(
        tables._record, steps=STEPS, metrics=list(run._metrics.values()) + run._parts, configuration=configuration
    )
    whole._record.happened = run._record.happened  # type: ignore[attr-defined]
    return whole


def test_checkpoints_become_rarer_at_the_price_of_what_a_crash_loses() -> None:
    run = BAD["frequent-checkpoints"]()
    run._record.happened["checkpoint"] = [  # type: ignore[attr-defined]
        {"path": "a", "at_step": step} for step in range(20, STEPS, 20)
    ]
    found = cure("frequent-checkpoints", run)
    assert rarer(0.2, 0.05) == 5
    assert "every_n_train_steps=100), where it was 20" in found.text
    assert "100 steps, 100 s" in found.cost
    assert found.settings == {}


# Place and time


def test_regions_are_compared_by_the_bundled_tables() -> None:
    pytest.importorskip("codecarbon")
    found = cure("high-intensity-region", BAD["high-intensity-region"]())
    france = intensity_of("FRA").kg_per_kwh
    assert f"{0.662 / france:.3g} times less in FRA" in found.gain
    assert f"{6.62 * france / 0.662:.2g} kg in FRA" in found.gain
    assert "not promised" in found.gain
    assert found.settings == {}


def test_the_world_mean_is_codecarbons() -> None:
    data = pytest.importorskip("codecarbon.input").DataSource()
    mean = data.get_carbon_intensity_per_source_data()["world_average"]
    assert BY_NAME["high-intensity-region"].threshold == pytest.approx(mean / 1000)


def test_a_start_is_moved_to_the_hours_that_emit_least() -> None:
    found = cure("carbon-intensive-hours", metered(HOURLY))
    assert "4 h later, the least within a day: 60 % less" in found.text
    assert found.gain.startswith("0.6 of 1 kg")
    fault = ask("carbon-intensive-hours", metered(HOURLY))
    assert fault is not None
    assert fault.confidence.value == "low"


def test_pue_multiplies_the_emissions_of_an_hour() -> None:
    plain = metered(HOURLY)
    plain.events("meter")[0]["pue"] = 1.5
    fault = ask("carbon-intensive-hours", plain)
    assert fault is not None
    assert fault.evidence[0].value == pytest.approx(1.5)


def test_without_a_table_or_outside_of_it_no_start_is_better() -> None:
    with pytest.raises(CannotTellError, match="hourly_intensity"):
        ask("carbon-intensive-hours", metered(None))
    with pytest.raises(CannotTellError, match=r"grid\.csv do not hold"):
        ask("carbon-intensive-hours", metered(HOURLY, time="2026-04-01T03:00:00.000Z"))


@given(st.lists(st.floats(0, 2), min_size=4, max_size=60))
def test_the_best_start_emits_no_more_than_the_run_did(kg: list[float]) -> None:
    hours = Hours.of(HOURLY | {"kg_per_kwh": kg})
    spent = spans(metered(HOURLY))
    now, best = hours.emitted(spent), best_start(hours, spent, 24)
    assert now is not None
    assert best is not None
    assert best[1] <= now
    assert hours.emitted(spent, later_h=best[0]) == best[1]


def test_energy_of_all_attempts_and_nodes_is_moved_together() -> None:
    run = metered(HOURLY)
    second = {"attempt": 2, "rank": 0, "time": "2026-03-01T05:00:00Z", "duration_s": 1800.0, "energy_kwh": 1.0}
    later = second | {"time": "2026-03-01T05:30:00Z", "duration_s": 3600.0, "energy_kwh": 1.5}
    run.events("energy").extend([second, later])
    found = spans(run)
    assert sum(kwh for *_, kwh in found) == pytest.approx(3.5)
    assert [(end - begin) / 60 for begin, end, _ in found] == [60, 30, 30]


def test_a_better_building_saves_what_is_above_the_machines() -> None:
    found = cure("high-pue", case(metrics=[ENERGY, METERED, metric("carbon.facility_energy_kwh", 1.0)]))
    assert found.gain == "0.45 kWh of this run's 1 at a PUE of 1.1"
