"""Energy by codecarbon itself: totals, provenance, and a location that nobody named."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from groundwire.callbacks import CarbonMonitor
from material import Classifier, audit_of, fit, metrics_of, monitors_of, trainer


class Slow(L.Callback):
    """Lets the meter see something."""

    def on_train_batch_end(self, *_: Any) -> None:
        time.sleep(0.1)


def _run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    monitor = CarbonMonitor(**options)
    fit(trainer(tmp_path, monitor, Slow(), max_epochs=2), Classifier())
    return audit_of(monitor.folder)


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_without_a_location_energy_is_known_and_emissions_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODECARBON_COUNTRY_ISO_CODE", raising=False)
    audit = _run(tmp_path)
    metrics = metrics_of(audit)
    assert metrics["carbon.energy_kwh"]["value"] > 0
    assert metrics["carbon.energy_kwh"]["quality"] in {"measured", "modelled"}
    assert metrics["carbon.emissions_kg"]["value"] is None
    assert "location unknown" in metrics["carbon.emissions_kg"]["reason"]
    assert metrics["carbon.duration_s"]["value"] > 0
    assert "carbon.cost" not in metrics
    assert "location-unknown" in {finding["name"] for finding in audit["findings"]}
    assert not [thread for thread in threading.enumerate() if thread.name == "groundwire-carbon"]


@pytest.mark.slow
@pytest.mark.usefixtures("real_meter")
def test_a_declared_location_gives_emissions(tmp_path: Path) -> None:
    metrics = metrics_of(_run(tmp_path, country_iso_code="FRA", price_per_kwh=0.25, pue=1.2, currency="chf"))
    cost = metrics["carbon.cost"]
    assert cost["value"] == pytest.approx(0.25 * 1.2 * metrics["carbon.energy_kwh"]["value"])
    assert (cost["unit"], cost["quality"]) == ("CHF", "declared")
    assert "0.25 CHF a kWh as declared" in cost["method"]
    energy, emissions = (metrics[f"carbon.{name}"]["value"] for name in ("energy_kwh", "emissions_kg"))
    assert 0.01 < emissions / energy < 0.25  # kg/kWh: mostly nuclear
    assert "grid of FRA" in metrics["carbon.emissions_kg"]["method"]


def test_a_meter_without_totals_is_unknown_and_not_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwire.callbacks import carbon

    class Dead:
        latest = None

        def __init__(self, options: dict[str, Any]) -> None:
            pass

        def stop(self, patience_s: float) -> tuple[None, str]:
            return None, "codecarbon could not measure on this machine"

    monkeypatch.setattr(carbon, "Meter", Dead)
    audit = _run(tmp_path)
    assert monitors_of(audit)["carbon"]["status"] == "error"
    metric = metrics_of(audit)["carbon.energy_kwh"]
    assert (metric["value"], metric["quality"]) == (None, "unknown")
    assert "codecarbon could not measure" in metric["reason"]


@pytest.mark.parametrize(
    "option",
    [{"country_iso_code": "FR"}, {"country_iso_code": "XQZ"}, {"cloud_provider": "aws"}, {"pue": 0.5},
     {"measure_power_secs": 0}, {"pue": float("nan")}, {"price_per_kwh": -1}, {"currency": "€"}],
)  # fmt: skip
def test_wrong_options_are_named(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        CarbonMonitor(**option)
