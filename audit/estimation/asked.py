"""What an estimate is asked of, and what cannot be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import UsageError
from .ranges import Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What an earlier run tells of the next; None where it was not measured.

    Attributes:
        run: Folder of the run.
        device: As PyTorch names it.
        dtype: Of its matrix products.
        parameters: Of its model.
        mfu: Model FLOPs utilisation.
        mfu_provenance: Measured or modelled.
        power: Watts of the whole node, divided by its devices.
        power_provenance: Measured or modelled.
    """

    run: str
    device: str | None = None
    dtype: str | None = None
    parameters: float | None = None
    mfu: float | None = None
    mfu_provenance: Provenance = Provenance.MEASURED
    power: float | None = None
    power_provenance: Provenance = Provenance.MEASURED


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What an estimate is asked of; what is None is taken from `measured` or from data, assumed, or left unknown.

    Attributes:
        tokens: Of one epoch.
        parameters: Active for a token: all of a dense model, without the experts that are not used of a mixture.
        device: Its name, as PyTorch or a person writes it.
        devices: How many.
        epochs: How often the tokens are seen.
        dtype: Of the matrix products; bf16 unless told otherwise.
        peak: Dense FLOP/s of a device that is not in the table.
        mfu: Model FLOPs utilisation.
        power: Watts of a device while it trains.
        host_power: Watts of the rest of its node, for each device.
        pue: Energy of the data centre over that of its computers.
        wue: Litres of water used up by cooling for each kWh before PUE.
        region: Zone of the grid, as in `FRA` or `USA:california`.
        intensity: kg of CO2 equivalent for each kWh.
        price_per_kwh: Price of a kWh.
        price_per_hour: Price of a device for an hour.
        currency: Of both prices.
        layers: Together with `hidden` and `sequence`, adds the operations of attention.
        hidden: Width of the model.
        sequence: Tokens that attend to one another.
        embodied: kg of CO2 equivalent of making a device with its share of the node.
        lifetime: Years that it is used.
        measured: An earlier run.

    Raises:
        UsageError: A value is not a number, lies outside its range, or contradicts another.
    """

    tokens: float
    parameters: float | None = None
    device: str | None = None
    devices: int = 1
    epochs: float = 1.0
    dtype: str | None = None
    peak: float | None = None
    mfu: float | None = None
    power: float | None = None
    host_power: float | None = None
    pue: float | None = None
    wue: float | None = None
    region: str | None = None
    intensity: float | None = None
    price_per_kwh: float | None = None
    price_per_hour: float | None = None
    currency: str = ""
    layers: float | None = None
    hidden: float | None = None
    sequence: float | None = None
    embodied: float | None = None
    lifetime: float | None = None
    measured: Measured | None = None

    def __post_init__(self) -> None:
        for name, (above, most, hint) in _POSITIVE.items():
            _check(name, getattr(self, name), above, most, hint, zero=False)
        for name, (most, hint) in _FROM_ZERO.items():
            _check(name, getattr(self, name), 0, most, hint, zero=True)
        if self.region is not None and self.intensity is not None:
            raise UsageError("--region and --intensity both say how clean the grid is: give one of them.")
        if len({value is None for value in (self.layers, self.hidden, self.sequence)}) > 1:
            raise UsageError("The operations of attention take --layers, --hidden and --sequence: give all or none.")


# Above what, at most what, and what somebody may have meant who gave something else.
_POSITIVE: dict[str, tuple[float, float, str]] = {
    "tokens": (0, 1e18, ""),
    "parameters": (0, 1e18, ""),
    "devices": (0, 1e8, ""),
    "epochs": (0, 1e6, ""),
    "peak": (1e9, 1e18, "in FLOP/s, as in 989e12"),
    "mfu": (0, 1, "as a share, as in 0.4"),
    "power": (0, 1e5, "in watts of one device"),
    "pue": (0.999999, 3, "as in 1.2"),
    "layers": (0, 1e6, ""),
    "hidden": (0, 1e9, ""),
    "sequence": (0, 1e9, ""),
    "lifetime": (0, 50, "in years"),
}
_FROM_ZERO: dict[str, tuple[float, str]] = {
    "host_power": (1e5, "in watts for each device"),
    "wue": (20, "in litres for each kWh, as in 1.8"),
    "intensity": (3, "in kg for each kWh, as in 0.056, not in grams"),
    "price_per_kwh": (1e9, ""),
    "price_per_hour": (1e9, ""),
    "embodied": (1e6, "in kg for each device"),
}


def _check(name: str, value: float | None, least: float, most: float, hint: str, *, zero: bool) -> None:
    if value is None or (math.isfinite(value) and (least < value <= most or (zero and value == 0))):
        return
    span = f"from {round(least)} to {most:g}" if zero or name == "pue" else f"above {least:g} and at most {most:g}"
    told = f" ({hint})" if hint else ""
    raise UsageError(
        f"--{name.replace('_', '-')} {value:g} is no value that it can have: give a number {span}{told}."
    )
