"""Energy and emissions of a run, with codecarbon's offline tracker."""

from __future__ import annotations

import math
import os
import time
from datetime import UTC, datetime
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from ..audit.errors import UsageError
from ..audit.hourly import Hours, read_hours
from ..audit.ledger import KINDS, spent_before
from ..audit.series import Rows
from .account import Reading
from .agreement import Agreement
from .attribution import Attribution
from .budget import Action, Budget, Course
from .meter import Meter
from .monitor import Monitor, MonitorError, guarded
from .phases import TRAINING
from .tariff import Place, Tariff, positive

START_S = 20.0  # how long an end waits for a meter that is still starting
HURRIED_S = 0.7  # the same, when the process is being interrupted
LATE_PERIODS = 3  # between readings, within which an interrupted run still counts as metered
NOTED_S = 45.0  # seconds after which totals are written again: with a reading's and a flush's delay, a minute
SOON_S = 1.0  # between two readings that a change of phase asks for


class CarbonMonitor(Monitor):
    """Meter the energy of a run and, where the location is known, its emissions.

    One meter runs on each node, over the whole machine. It starts on a thread, because finding the hardware
    takes over a second; the seconds that went unmetered are recorded. Only options given here, in codecarbon's
    configuration file or in its environment variables name a location: without one, emissions are unknown. Attempts
    that crashed and were resumed count, each once.

    Records:
        carbon.energy_kwh: Energy since the attempt began (kWh), at every reading.
        meter: Event with what is known of a node's meter: provenance of each component, location, what was declared.
        energy: Event with the node's totals so far, at least once a minute; the last of each attempt and node counts.
        energy_forecast: Event with the energy that the attempt will have taken at its last step, and its 80 % band.

    Metrics: `carbon.energy_kwh` (also by component and by phase), `carbon.facility_energy_kwh`,
    `carbon.emissions_kg`, `carbon.intensity`, `carbon.cost`, `carbon.water_l`, `carbon.embodied_kg`,
    `carbon.lost_energy_kwh`, `carbon.energy_per_sample`, `carbon.energy_per_token`, `carbon.energy_per_epoch_kwh`,
    `carbon.duration_s`, `carbon.forecast_coverage`, `carbon.forecast_error`.

    Args:
        country_iso_code: Three letters, as in `FRA`.
        region: State or province, where codecarbon knows it.
        cloud_provider: As codecarbon names it; wants `cloud_region`.
        cloud_region: Region of the cloud provider.
        intensity_kg_per_kwh: CO2 equivalent of a kilowatt-hour, where you know it better than a country's mean.
        hourly_intensity: CSV file of the grid's intensity by the hour, with columns `time` and `g_per_kwh` or
            `kg_per_kwh`: says what starting later would have emitted. The run's own emissions keep to its mean.
        locate: Ask the network, for two seconds at most, where the machine stands, unless a location is named.
        pue: Power usage effectiveness of the data centre, from 1; enters emissions and cost, not energy.
        wue: Water usage effectiveness on site (litres per kWh of energy before PUE); makes the water of the run.
        price_per_kwh: What a kilowatt-hour costs you; makes the cost of the run, PUE included.
        currency: Of that price, three letters.
        embodied_kg: CO2 equivalent of making one node (kg); makes the run's share of it, with `lifetime_years`.
        lifetime_years: Years that the node is used.
        max_energy_kwh: Budget of all attempts and nodes, before PUE.
        max_emissions_kg: Budget of their emissions.
        action: What a budget that is exceeded does: `warn` says it once, `stop` also ends the training.
        measure_power_secs: Seconds between two readings.
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
        intensity_kg_per_kwh: float | None = None,
        hourly_intensity: str | os.PathLike[str] | None = None,
        locate: bool = False,
        pue: float | None = None,
        wue: float | None = None,
        price_per_kwh: float | None = None,
        currency: str = "EUR",
        embodied_kg: float | None = None,
        lifetime_years: float = 4.0,
        max_energy_kwh: float | None = None,
        max_emissions_kg: float | None = None,
        action: Action = "warn",
        measure_power_secs: float = 10.0,
        dirpath: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(dirpath=dirpath)
        self.place = Place(
            country_iso_code=country_iso_code, region=region,
            cloud_provider=cloud_provider, cloud_region=cloud_region,
        )  # fmt: skip
        if not isinstance(locate, bool):
            raise ValueError(f"locate must be True or False, got {locate!r}")
        self.locate = locate
        self.tariff = Tariff(
            intensity_kg_per_kwh=intensity_kg_per_kwh, pue=pue, wue=wue, price_per_kwh=price_per_kwh,
            currency=currency, embodied_kg=embodied_kg, lifetime_years=lifetime_years,
        )  # fmt: skip
        self.hours = _hours(hourly_intensity)
        self.budget = Budget(max_energy_kwh=max_energy_kwh, max_emissions_kg=max_emissions_kg, action=action)
        self.measure_power_secs = positive("measure_power_secs", measure_power_secs)
        self._meter: Meter | None = None
        self._agreement = Agreement()

    @property
    def may_stop(self) -> bool:
        """Whether this monitor may end the training."""
        return self.budget.action == "stop" and bool(self.budget.limits)

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the meter, on one rank of each node."""
        self._meter, self.stopping = None, ""
        if trainer.local_rank != 0 or self.session is None:
            return
        try:
            import codecarbon  # noqa: F401 - found now or not at all
        except ImportError:
            self.switch_off('codecarbon is not installed: pip install "groundwire[train]"')
            return
        self._facts = self.tariff.facts() | self.budget.limits
        if self.hours is not None:
            self._facts["hourly_intensity"] = self.hours.fact(datetime.now(UTC))
        self._nodes, self._before = trainer.num_nodes, self._spent_before()
        self._step = trainer.global_step
        self._course = Course(self._step, _last_step(trainer, pl_module), validates=trainer.enable_validation)
        self._met, self._told, self._noted_at = False, False, -math.inf
        self._last: Reading | None = None
        look_up = self.locate and not self.place.known
        self._meter = Meter(self.place.options, period_s=self.measure_power_secs, look_up=look_up)
        self._read_at = time.monotonic()
        self._attribution = Attribution(self.session.phases, self._read_at)
        self.session.phases.listeners.append(self._changed)

    def _spent_before(self) -> dict[str, float | None]:
        """Return what earlier attempts have spent, where there is a budget to be kept."""
        nothing: dict[str, float | None] = {"max_energy_kwh": 0.0, "max_emissions_kg": 0.0}
        if not (self.budget.limits and self.session is not None and self.session.resumed):
            return nothing
        earlier = self.session.run.model_copy(update={"attempts": self.session.run.attempts[:-1]})
        return spent_before(self.session.folder, earlier)

    # While training

    def _changed(self) -> None:
        """Read soon, because the power may change with the phase."""
        if self._meter is not None and time.monotonic() - self._read_at > SOON_S:
            self._read_at = time.monotonic()
            self._meter.ask()

    @guarded
    def _read(self, trainer: Trainer) -> None:
        self._step = trainer.global_step
        if self._meter is None:
            return
        for reading in self._meter.take():
            self._take(reading)
        if self._meter.problem:
            problem, self._meter = self._meter.problem, None
            raise MonitorError(problem)

    def _take(self, reading: Reading) -> None:
        """Write a reading, and look whether it keeps within the budget."""
        assert self.session is not None  # noqa: S101 - checked by the caller
        if not self._met:
            self._meet()
        self._attribution.add(reading)
        rows = Rows.of(("carbon.energy_kwh",), [self.session.key(self._step)], [[reading.total_kwh]])
        self.session.rows("carbon", rows)
        training = self._attribution.kwh[TRAINING]
        self._course.add(self._step, training, reading.total_kwh - training)
        self._last = reading
        if reading.at - self._noted_at >= NOTED_S:
            self._note(reading)
            self.session.flush()  # what is not on the disk, a kill takes
        self._keep_within(reading)

    def _meet(self) -> None:
        """Write what is known of the meter."""
        assert self.session is not None  # noqa: S101 - checked by the caller
        assert self._meter is not None  # noqa: S101
        self._facts = (self._meter.facts or {}) | self._facts
        self.session.event("meter", step=None, **self._facts)
        self._met = True
        known = self._facts.get("intensity_source") and self._before["max_emissions_kg"] is not None
        if self.budget.max_emissions_kg is not None and not known:
            self.session.not_checked(
                "max_emissions_kg", "location unknown, so emissions cannot be kept within a budget"
            )

    def _note(self, reading: Reading) -> None:
        assert self.session is not None  # noqa: S101 - checked by the caller
        self._noted_at = reading.at
        parts: dict[str, Any] = {f"{kind}_kwh": reading.kwh[kind] for kind in KINDS}
        self.session.event(
            "energy", step=None, at_step=self._step, energy_kwh=reading.total_kwh, **parts,
            kg_per_kwh=self._intensity(reading), duration_s=reading.duration_s, asleep_s=reading.asleep_s,
            phases=dict(self._attribution.kwh),
        )  # fmt: skip
        if (found := self._course.forecast()) is not None:
            self.session.event("energy_forecast", step=None, **found)

    def _intensity(self, reading: Reading) -> float | None:
        declared = self.tariff.intensity_kg_per_kwh
        return reading.kg_per_kwh if declared is None else declared

    def _spent(self, kwh: float, intensity: float | None) -> dict[str, float | None]:
        """Return what all attempts have spent, nodes taken to be alike."""
        kg = None if intensity is None else kwh * intensity * (self._facts.get("pue") or 1.0)
        lately = {"max_energy_kwh": kwh, "max_emissions_kg": kg}
        return {
            name: None if found is None or before is None else before + self._nodes * found
            for (name, found), before in zip(lately.items(), self._before.values(), strict=True)
        }

    def _keep_within(self, reading: Reading) -> None:
        over = self.budget.exceeded(self._spent(reading.total_kwh, self._intensity(reading)))
        if not over or self._told or self.session is None:
            return
        self._told = True
        self.session.event("budget", step=None, at_step=self._step, action=self.budget.action, **self.budget.limits)
        self.session.warn(
            "budget-exceeded",
            f"{over} is spent at step {self._step:,}{', the training ends' if self.may_stop else ''}.",
            self._step,
        )
        if self.may_stop:
            self.stopping = "budget-exceeded"

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take what was read."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._read(trainer)
        if self.alone and self.may_stop and self._agreement.reached(trainer, self.stopping):
            trainer.should_stop = True

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Take what was read in a long validation."""
        if not trainer.sanity_checking:
            self._read(trainer)

    def on_save_checkpoint(self, trainer: Trainer, *rest: Any) -> None:
        """Write the totals soon after the checkpoint: its phase asks for a reading."""
        self._noted_at = -math.inf
        super().on_save_checkpoint(trainer, *rest)

    def close(self) -> None:
        """Stop the meter and note its last totals."""
        if self._meter is None or self.session is None:
            return
        meter, hurried = self._meter, self.session.hurried
        problem = meter.stop(HURRIED_S if hurried else START_S)
        for reading in meter.take():
            self._take(reading)
        self._meter = None
        if self._last is None:
            self.fail(MonitorError(problem or "codecarbon gave no totals"))
            return
        if self._last.at != self._noted_at:
            self._note(self._last)
        missing_s = time.monotonic() - self._last.at
        if problem and hurried and not meter.problem and missing_s < LATE_PERIODS * self.measure_power_secs:
            self.session.not_checked("carbon.energy_kwh", f"interrupted: the last {missing_s:.0f} s are unmetered")
        elif problem:
            self.fail(MonitorError(problem))

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_meter": None, "_attribution": None}


def _hours(path: str | os.PathLike[str] | None) -> Hours | None:
    try:
        return None if path is None else read_hours(path)
    except UsageError as error:
        raise ValueError(f"hourly_intensity: {error}") from error


def _last_step(trainer: Trainer, pl_module: LightningModule) -> int | None:
    """Return the optimizer step that ends the training; None where it is not known, or each optimizer counts."""
    if not pl_module.automatic_optimization or len(trainer.optimizers) != 1:
        return None
    try:
        last = float(trainer.estimated_stepping_batches)
    except Exception:  # noqa: BLE001 - a loader of the user's that does not tell
        return None
    return int(last) if math.isfinite(last) else None
