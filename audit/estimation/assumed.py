"""The assumptions of an estimate: what was asked for, else what a run measured, else data, else stated guesses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..errors import UsageError
from ..hardware import Device, device_named, intensity_of, nearest_devices
from .asked import Asked, Measured
from .ranges import DEVICE_SHARE, HOST_SHARE, LIFETIME, MFU, PUE, Assumption, Provenance, Range, given


def device_of(asked: Asked) -> tuple[Device | None, str, str]:
    """Return the device if it is in the table, its name, and the dtype.

    Raises:
        UsageError: There is no device, or no peak for it.
    """
    run = asked.measured or Measured(run="")
    name = asked.device or run.device
    if name is None:
        raise UsageError("What does it run on? Give --device, as in H100.")
    found = device_named(name)
    if found is None and asked.peak is None:
        near = ", ".join(nearest_devices(name)) or "none"
        raise UsageError(
            f"No dense peak is known for device {name!r} (nearest: {near}): give --peak in FLOP/s and --power in W."
        )
    if asked.device is None and asked.dtype is None and run.dtype is None:
        raise UsageError(
            f"{run.run} trained in 32-bit floats or does not say in what: give --dtype, as in tf32 or fp32."
        )
    dtype = asked.dtype or (run.dtype if asked.device is None else None) or "bf16"
    return found, found.name if found else name, dtype


def peak_of(asked: Asked, device: Device | None, name: str, dtype: str) -> Assumption:
    """Return the dense peak of the device.

    Raises:
        UsageError: It is not known in this dtype.
    """
    if asked.peak is not None:
        return given("dense peak", asked.peak, "FLOP/s", "--peak")
    if device is None or dtype not in device.peaks:
        known = ", ".join(device.peaks) if device else ""
        raise UsageError(f"{name} has no peak in {dtype!r}: give --dtype as one of {known}, or --peak in FLOP/s.")
    unchecked = "" if device.checked else " (from memory: not checked against a second source)"
    return Assumption(
        name="dense peak", value=Range.exact(device.peaks[dtype]), unit=f"FLOP/s in {dtype}",
        provenance=Provenance.DATA_SHEET, source=device.source + unchecked,
    )  # fmt: skip


def _alike(asked: Asked, device: Device | None) -> Measured | None:
    """Return the earlier run if it ran on the same kind of device."""
    run = asked.measured
    alike = run is not None and run.device is not None and device is not None and device_named(run.device) == device
    return run if alike else None


def mfu_of(asked: Asked, device: Device | None, dtype: str) -> Assumption:
    """Return the model FLOPs utilisation; that of an earlier run only for its own device and dtype."""
    run = _alike(asked, device)
    if asked.mfu is not None:
        return given(MFU.name, asked.mfu, MFU.unit, "--mfu")
    if run is None or run.mfu is None or run.dtype != dtype or asked.peak is not None:
        return MFU
    size = f", of {run.parameters:.3g} parameters" if run.parameters else ""
    return replace(MFU, value=Range.exact(run.mfu), provenance=run.mfu_provenance, source=f"{run.run}{size}")


def power_of(asked: Asked, device: Device | None) -> tuple[Assumption | None, Assumption | None]:
    """Return the watts of a device and of the rest of its node; None where they are not known or counted already."""
    run = _alike(asked, device)
    if asked.power is None and asked.host_power is None and run is not None and run.power is not None:
        whole = given("device and its node", run.power, "W", run.run)
        return replace(whole, provenance=run.power_provenance), None
    tdp = device.tdp_w if device else None
    known = tdp or asked.power
    host = _share(HOST_SHARE, known, "TDP" if tdp else "--power") if known else None
    if asked.host_power is not None:
        host = given(HOST_SHARE.name, asked.host_power, "W", "--host-power")
    if asked.power is not None:
        return given(DEVICE_SHARE.name, asked.power, "W", "--power"), host
    return (_share(DEVICE_SHARE, tdp, "TDP"), host) if tdp else (None, None)


def _share(part: Assumption, watts: float, of: str) -> Assumption:
    shares = f"{part.value.typical:g} ({part.value.low:g} to {part.value.high:g}) of the {of}, {watts:g} W"
    return replace(part, value=part.value * watts, unit="W", source=f"{shares}; {part.source}")


def pue_of(asked: Asked) -> Assumption:
    """Return the energy of the data centre over that of its computers."""
    return PUE if asked.pue is None else given(PUE.name, asked.pue, PUE.unit, "--pue")


def grid_of(asked: Asked) -> Assumption | None:
    """Return the intensity of the grid; None when nobody said where: never a mean of the world."""
    if asked.intensity is not None:
        return given("intensity of the grid", asked.intensity, "kg/kWh", "--intensity")
    if asked.region is None:
        return None
    found = intensity_of(asked.region)
    return Assumption(
        name="intensity of the grid", value=Range.exact(found.kg_per_kwh), unit="kg/kWh",
        provenance=Provenance.BUNDLED, source=f"{found.zone}: {found.source}",
    )  # fmt: skip


def declared_in(asked: Asked) -> Iterator[Assumption]:
    """Yield what only the user can know: WUE, prices, the making of the hardware."""
    for name, unit in (("wue", "L/kWh"), ("price_per_kwh", "a kWh"), ("price_per_hour", "a device-hour")):
        value, option = getattr(asked, name), f"--{name.replace('_', '-')}"
        if value is not None:
            words = "WUE" if name == "wue" else f"price{f' in {asked.currency}' if asked.currency else ''}"
            yield given(words, value, unit, option)
    if asked.embodied is not None:
        yield given("making of a device", asked.embodied, "kg", "--embodied")
        yield lifetime_of(asked)


def lifetime_of(asked: Asked) -> Assumption:
    """Return the years that the hardware is used."""
    return LIFETIME if asked.lifetime is None else given(LIFETIME.name, asked.lifetime, LIFETIME.unit, "--lifetime")
