"""What a training will take, before it runs: operations, hours, energy, emissions, water and money, as ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import UsageError
from ..hardware import Device
from .asked import Asked
from .assumed import declared_in, device_of, grid_of, lifetime_of, mfu_of, peak_of, power_of, pue_of
from .ranges import Assumption, Range

HOURS_A_YEAR = 8766
_NO_ENERGY = "unknown: the energy is not known"
NOT_COUNTED = (
    "validation", "runs that failed or tuned", "data preparation", "storage", "idle reservation", "use of the model"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a training will take. None is unknown, for the reason in `unknown`; never zero.

    Attributes:
        parameters: Active for a token.
        tokens: Of one epoch.
        epochs: How often they are seen.
        device: Name of the device.
        devices: How many.
        dtype: Of the matrix products.
        flop: Operations of the model, forward and backward.
        formula: How they were counted.
        hours: From start to end.
        device_hours: Hours times devices.
        energy_kwh: Of the devices and the rest of their nodes, before PUE.
        facility_energy_kwh: With PUE.
        emissions_kg: CO2 equivalent of the energy with PUE, location-based.
        water_l: Used up by cooling on site.
        cost: In `currency`.
        currency: As it was given.
        embodied_kg: CO2 equivalent of making the hardware that falls to the run.
        assumptions: All values that these rest on.
        unknown: What is not known, and why.
        notes: What a reader must know of the figures.
        not_counted: What else takes energy.
    """

    parameters: float
    tokens: float
    epochs: float
    device: str
    devices: int
    dtype: str
    flop: float
    formula: str
    hours: Range
    device_hours: Range
    energy_kwh: Range | None
    facility_energy_kwh: Range | None
    emissions_kg: Range | None
    water_l: Range | None
    cost: Range | None
    currency: str
    embodied_kg: Range | None
    assumptions: tuple[Assumption, ...]
    unknown: dict[str, str]
    notes: tuple[str, ...]
    not_counted: tuple[str, ...] = NOT_COUNTED


def estimate(asked: Asked) -> Estimate:
    """Return what a training will take, by 6·N·D operations on devices that reach a share of their dense peak.

    Energy is hours times the power of devices and the rest of their nodes; emissions are energy times PUE times the
    intensity of the grid; water is energy before PUE times WUE (docs/estimate.md has the formulas and their sources).

    Raises:
        UsageError: The device or its peak is not known, or the parameters are not given.
    """
    device, name, dtype = device_of(asked)
    parameters = asked.parameters or (asked.measured.parameters if asked.measured else None)
    if parameters is None:
        raise UsageError("How large is the model? Give --parameters, as in 7B.")
    flop, formula = _flop(asked, parameters)
    peak, mfu = peak_of(asked, device, name, dtype), mfu_of(asked, device, dtype)
    power, host = power_of(asked, device)
    pue, grid = pue_of(asked), grid_of(asked)

    hours = Range.exact(flop / 3600 / asked.devices) / peak.value / mfu.value
    device_hours = hours * asked.devices
    energy = device_hours * (power.value + (host.value if host else Range.exact(0))) * 1e-3 if power else None
    facility = energy * pue.value if energy else None
    used = [peak, mfu, power, host, pue if facility else None, grid, *declared_in(asked)]
    return Estimate(
        parameters=parameters, tokens=asked.tokens, epochs=asked.epochs, device=name, devices=asked.devices,
        dtype=dtype, flop=flop, formula=formula, hours=hours, device_hours=device_hours, energy_kwh=energy,
        facility_energy_kwh=facility, emissions_kg=facility * grid.value if facility and grid else None,
        water_l=energy * asked.wue if energy and asked.wue is not None else None,
        cost=_cost(asked, device_hours, facility), currency=asked.currency,
        embodied_kg=_embodied(asked, device_hours), assumptions=tuple(part for part in used if part),
        unknown=dict(_unknown(asked, name, known=energy is not None, located=grid is not None)),
        notes=tuple(_notes(device)),
    )  # fmt: skip


def _flop(asked: Asked, parameters: float) -> tuple[float, str]:
    """Return the operations of a training and the formula: 6·N a token, and 12·L·H·T for attention.

    Source: Kaplan et al. 2020 (arXiv:2001.08361); Chowdhery et al. 2022 (arXiv:2204.02311), appendix B.
    """
    each, formula = 6 * parameters, "6·N·D"
    if asked.layers and asked.hidden and asked.sequence:
        each += 12 * asked.layers * asked.hidden * asked.sequence
        formula = "(6·N + 12·L·H·T)·D"
    return each * asked.tokens * asked.epochs, formula


def _cost(asked: Asked, device_hours: Range, facility: Range | None) -> Range | None:
    """Return device-hours times their price and kWh with PUE times theirs, whichever are priced."""
    parts = [device_hours * asked.price_per_hour] if asked.price_per_hour is not None else []
    if asked.price_per_kwh is not None:
        if facility is None:
            return None
        parts.append(facility * asked.price_per_kwh)
    return sum(parts[1:], parts[0]) if parts else None


def _embodied(asked: Asked, device_hours: Range) -> Range | None:
    """Return the share of making the hardware: TE · TiR / EL of ISO/IEC 21031 (SCI), all of it reserved."""
    if asked.embodied is None:
        return None
    return device_hours * asked.embodied / (lifetime_of(asked).value * HOURS_A_YEAR)


def _unknown(asked: Asked, name: str, *, known: bool, located: bool) -> Iterator[tuple[str, str]]:
    if not known:
        reason = f"unknown: no TDP is known for {name}, give --power in W"
        yield from ((part, reason) for part in ("energy_kwh", "facility_energy_kwh"))
    if not located:
        yield "emissions_kg", "location unknown: give --region, as in FRA or USA:california, or --intensity in kg/kWh"
    elif not known:
        yield "emissions_kg", _NO_ENERGY
    if asked.wue is None or not known:
        yield "water_l", "unknown: give --wue in litres a kWh" if asked.wue is None else _NO_ENERGY
    if asked.price_per_kwh is None and asked.price_per_hour is None:
        yield "cost", "unknown: give --price-per-kwh, --price-per-hour or both"
    elif asked.price_per_kwh is not None and not known:
        yield "cost", _NO_ENERGY
    if asked.embodied is None:
        yield "embodied_kg", "unknown: give --embodied in kg a device"


def _notes(device: Device | None) -> Iterator[str]:
    if device and device.note:
        yield f"{device.name}: {device.note}."
    yield "Low and high take every assumption at its end at once: bounds, not a confidence interval."
