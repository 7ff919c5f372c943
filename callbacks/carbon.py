"""Energy and emissions of a run, with codecarbon's offline tracker."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from ..audit.series import Rows
from .monitor import Monitor, MonitorError, guarded

READ_S = 10.0  # how often totals are read
START_S = 20.0  # how long an end waits for a tracker that is still starting
HURRIED_S = 0.7  # the same, when the process is being interrupted
MEASURED = ("rapl", "powermetrics", "gadget", "emi", "gpu", "raspberry", "slurm")
KINDS = ("cpu", "gpu", "ram")


class CarbonMonitor(Monitor):
    """Meter the energy of a run and, where the location is known, its emissions.

    One meter runs on each node, over the whole machine. It starts on a thread, because finding the hardware
    takes over a second; the seconds that went unmetered are recorded. Only options given here, in codecarbon's
    configuration file or in its environment variables name a location: without one, emissions are unknown.

    Records:
        carbon.energy_kwh: Energy since the attempt began (kWh), about every ten seconds.
        energy: Event with the node's totals so far; the last of each attempt and node counts.

    Metrics: `carbon.energy_kwh`, `carbon.emissions_kg`, `carbon.duration_s`.

    Args:
        country_iso_code: Three letters, as in `FRA`.
        region: State or province, where codecarbon knows it.
        cloud_provider: As codecarbon names it; wants `cloud_region`.
        cloud_region: Region of the cloud provider.
        pue: Power usage effectiveness of the data centre, at least 1; enters emissions, not energy.
        price_per_kwh: What a kilowatt-hour costs you; makes the cost of the run, PUE included.
        currency: Of that price, three letters.
        measure_power_secs: Seconds between two samples of the power.
        dirpath: Where run folders are made; a path or fsspec URL.

    Raises:
        ValueError: An option is not allowed.
    """

    name = "carbon"

    def __init__(
        self,
        *,
        country_iso_code: str | None = None,
        region: str | None = None,
        cloud_provider: str | None = None,
        cloud_region: str | None = None,
        pue: float | None = None,
        price_per_kwh: float | None = None,
        currency: str = "EUR",
        measure_power_secs: float = 15.0,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        self.country_iso_code = _country(country_iso_code)
        self.region, self.cloud_provider, self.cloud_region = region, cloud_provider, cloud_region
        if (cloud_provider is None) != (cloud_region is None):
            raise ValueError(
                f"cloud_provider and cloud_region belong together, got {cloud_provider!r} and {cloud_region!r}"
            )
        if pue is not None and not (_is_number(pue) and pue >= 1):
            raise ValueError(f"pue must be a number of at least 1, got {pue!r}")
        if not (_is_number(measure_power_secs) and measure_power_secs > 0):
            raise ValueError(f"measure_power_secs must be a positive number, got {measure_power_secs!r}")
        if price_per_kwh is not None and not (_is_number(price_per_kwh) and price_per_kwh >= 0):
            raise ValueError(f"price_per_kwh must be a number of at least 0, got {price_per_kwh!r}")
        if not isinstance(currency, str) or len(currency) != 3 or not currency.isalpha():
            raise ValueError(f"currency must be three letters, as in EUR, got {currency!r}")
        self.price_per_kwh, self.currency = price_per_kwh, currency.upper()
        self.pue, self.measure_power_secs = pue, measure_power_secs
        self._meter: Meter | None = None
        self._noted: dict[str, Any] | None = None

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the meter, on one rank of each node."""
        self._meter = None
        if trainer.local_rank != 0:
            return
        try:
            import codecarbon  # noqa: F401 - found now or not at all
        except ImportError:
            self.switch_off('codecarbon is not installed: pip install "groundwire[train]"')
            return
        self._meter = Meter(self._options())
        self._read_at, self._asked_at, self._noted = time.monotonic(), trainer.global_step, None

    def _options(self) -> dict[str, Any]:
        """Return only what the user has set: a None would override codecarbon's own configuration."""
        names = ("country_iso_code", "region", "cloud_provider", "cloud_region", "pue")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return given | {"measure_power_secs": self.measure_power_secs}

    @guarded
    def _read(self, trainer: Trainer) -> None:
        if self._meter is None:
            return
        if self._meter.problem:
            problem = self._meter.problem
            self._meter = None
            raise MonitorError(problem)
        if self._meter.latest is not self._noted:
            self._noted = self._meter.latest
            self._note(self._noted, self._asked_at)
        if time.monotonic() - self._read_at > READ_S:
            self._read_at, self._asked_at = time.monotonic(), trainer.global_step
            self._meter.ask()

    def _note(self, totals: dict[str, Any] | None, step: int) -> None:
        if self.session is None or totals is None:
            return
        price = {} if self.price_per_kwh is None else {"price_per_kwh": self.price_per_kwh, "currency": self.currency}
        self.session.event("energy", step=None, at_step=step, **totals, **price)
        if math.isfinite(totals["energy_kwh"]):
            rows = Rows.of(("carbon.energy_kwh",), [self.session.key(step)], [[totals["energy_kwh"]]])
            self.session.rows("carbon", rows)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the totals now and then."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._step = trainer.global_step
        self._read(trainer)

    _step = 0

    def close(self) -> None:
        """Stop the meter and note its last totals."""
        if self._meter is None:
            return
        hurried = self.session is not None and self.session.hurried
        totals, problem = self._meter.stop(HURRIED_S if hurried else START_S)
        self._meter = None
        self._note(totals, self._step)
        if totals is None or problem:
            self.fail(RuntimeError(problem or "codecarbon gave no totals"))

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_meter": None}


class Meter:
    """A codecarbon tracker that lives on a thread of its own, so that no step waits for it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.latest: dict[str, Any] | None = None
        self.problem = ""
        self._created = time.monotonic()
        self._unmetered = math.nan
        self._ask = threading.Event()
        self._end = False
        self._thread = threading.Thread(target=self._live, args=(options,), daemon=True, name="groundwire-carbon")
        self._thread.start()

    def ask(self) -> None:
        """Ask for fresh totals; they are in `latest` a moment later."""
        self._ask.set()

    def stop(self, patience_s: float) -> tuple[dict[str, Any] | None, str]:
        """Stop; return the last totals, and what went wrong when there are none."""
        self._end = True
        self._ask.set()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            return self.latest, f"codecarbon did not stop within {patience_s:g} s"
        return self.latest, self.problem

    def _live(self, options: dict[str, Any]) -> None:
        try:
            with _muted():
                self._run(options)
        except Exception as error:  # noqa: BLE001 - reported by `stop`
            self.problem = f"codecarbon: {type(error).__name__}: {error}"

    def _run(self, options: dict[str, Any]) -> None:
        from codecarbon import OfflineEmissionsTracker

        totals = _totals_sink()
        tracker = OfflineEmissionsTracker(
            output_methods=[], output_handlers=[totals], allow_multiple_runs=True, tracking_mode="machine",
            log_level="critical", **options,
        )  # fmt: skip
        tracker.start()
        self._unmetered = time.monotonic() - self._created
        while not self._end:
            self._ask.wait()
            self._ask.clear()
            if not self._end:
                tracker.flush()
                self._publish(tracker, totals)
        tracker.stop()
        self._publish(tracker, totals)

    def _publish(self, tracker: Any, totals: Any) -> None:
        found = totals.total
        if found is None:
            self.problem = "codecarbon could not measure on this machine"
            return
        known = _location(found)
        self.latest = {
            "energy_kwh": float(found.energy_consumed),
            "cpu_kwh": float(found.cpu_energy),
            "gpu_kwh": float(found.gpu_energy),
            "ram_kwh": float(found.ram_energy),
            "emissions_kg": float(found.emissions) if known else None,
            "duration_s": float(found.duration),
            "location": known,
            "unmetered_s": self._unmetered,
            "qualities": _qualities(tracker),
            "pue": float(found.pue),
            "version": str(found.codecarbon_version),
        }


def _totals_sink() -> Any:
    from codecarbon.output import BaseOutput

    class Totals(BaseOutput):  # type: ignore[misc] # codecarbon is not typed
        """Keeps the latest totals."""

        total: Any = None

        def out(self, total: Any, delta: Any) -> None:
            self.total = total

    return Totals()


def _location(found: Any) -> str:
    """Return the location that codecarbon's factors stand for; empty when it silently used a world mean."""
    if found.on_cloud == "Y" and found.cloud_region:
        return f"{found.cloud_provider}:{found.cloud_region}"
    if not found.country_iso_code or not _known_country(found.country_iso_code):
        return ""
    return f"{found.country_iso_code}:{found.region}" if found.region else str(found.country_iso_code)


def _qualities(tracker: Any) -> dict[str, str]:
    """Return for each component whether its energy is measured or modelled; only the tracker knows."""
    found: dict[str, str] = {}
    for hardware in getattr(tracker, "_hardware", []):
        text = f"{type(hardware).__name__} {hardware.description()} {getattr(hardware, '_mode', '')}".lower()
        kind = next((kind for kind in KINDS if kind in type(hardware).__name__.lower()), "cpu")
        measured = kind != "ram" and any(mark in text for mark in MEASURED)
        found[kind] = "measured" if measured else "modelled"
    return found


def _known_country(code: str) -> bool:
    from codecarbon.input import DataSource

    return code in DataSource().get_global_energy_mix_data()


def _country(code: str | None) -> str | None:
    if code is None:
        return None
    if not (isinstance(code, str) and len(code) == 3 and code.isalpha()):
        raise ValueError(f"country_iso_code must be three letters (ISO 3166, as in 'FRA'), got {code!r}")
    try:
        known = _known_country(code.upper())
    except ImportError:
        return code.upper()
    if not known:
        raise ValueError(f"country_iso_code must be a country that codecarbon knows, got {code!r}")
    return code.upper()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@contextmanager
def _muted() -> Iterator[None]:
    """Keep codecarbon quiet; it sets up its own logger when it starts."""
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    yield
