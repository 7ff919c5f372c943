"""What a user declares of the place where the energy is spent: figures that no meter reads."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .budget import is_number
from .grid import cloud_regions, countries, regions

MOST_PUE, MOST_INTENSITY, MOST_WUE = 5.0, 3.0, 100.0  # beyond, a figure has another unit
REGIONAL = ("USA", "CAN")  # countries of whose parts codecarbon has figures by name
YEAR_S = 365.25 * 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a machine stands, as codecarbon names it; None: not told.

    Raises:
        ValueError: codecarbon knows no such country, or a cloud provider has no region.
    """

    country_iso_code: str | None
    region: str | None
    cloud_provider: str | None
    cloud_region: str | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "country_iso_code", _country(self.country_iso_code))
        if (self.cloud_provider is None) != (self.cloud_region is None):
            told = f"{self.cloud_provider!r} and {self.cloud_region!r}"
            raise ValueError(f"cloud_provider and cloud_region belong together, got {told}")
        if self.cloud_provider is not None and self.country_iso_code is None:
            _require_region("cloud_region", self.cloud_region, cloud_regions(self.cloud_provider))
        if self.region is not None and self.country_iso_code in REGIONAL:
            _require_region("region", self.region.lower(), regions(self.country_iso_code))

    @property
    def options(self) -> dict[str, str]:
        """Only what was told: a None would override codecarbon's own configuration."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def known(self) -> bool:
        """Whether a place is named, here or in codecarbon's configuration."""
        return bool(self.options) or bool({"country_iso_code", "cloud_region"} & _configuration().keys())


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """Figures that a kilowatt-hour, a node and its cooling are counted with; None: not declared.

    Raises:
        ValueError: A figure is outside its range.
    """

    intensity_kg_per_kwh: float | None
    pue: float | None
    wue: float | None
    price_per_kwh: float | None
    currency: str
    embodied_kg: float | None
    lifetime_years: float

    def __post_init__(self) -> None:
        _within("intensity_kg_per_kwh", self.intensity_kg_per_kwh, 0, MOST_INTENSITY)
        _within("pue", self.pue, 1, MOST_PUE)
        _within("wue", self.wue, 0, MOST_WUE)
        _within("price_per_kwh", self.price_per_kwh, 0, math.inf)
        _within("embodied_kg", self.embodied_kg, 0, math.inf)
        positive("lifetime_years", self.lifetime_years)
        if not isinstance(self.currency, str) or len(self.currency) != 3 or not self.currency.isalpha():
            raise ValueError(f"currency must be three letters, as in EUR, got {self.currency!r}")

    def facts(self) -> dict[str, Any]:
        """Return what was declared here, PUE and WUE else in codecarbon's configuration."""
        configured = _configuration()
        pue, wue = _configured(configured, "pue", 1, MOST_PUE), _configured(configured, "wue", 0, MOST_WUE)
        found: dict[str, Any] = {
            "pue": pue if self.pue is None else self.pue,
            "wue": wue if self.wue is None else self.wue,
        }
        if self.intensity_kg_per_kwh is not None:
            found["intensity_source"] = "declared"
        if self.price_per_kwh is not None:
            found |= {"price_per_kwh": self.price_per_kwh, "currency": self.currency.upper()}
        if self.embodied_kg is not None:
            found["embodied_kg_per_s"] = self.embodied_kg / (self.lifetime_years * YEAR_S)
        return found


def positive(name: str, value: Any) -> float:
    """Return an option that has to be a positive number.

    Raises:
        ValueError: It is none.
    """
    if is_number(value) and value > 0:
        return float(value)
    raise ValueError(f"{name} must be a positive number, got {value!r}")


def _within(name: str, value: Any, least: float, most: float) -> None:
    if value is not None and not (is_number(value) and least <= value <= most):
        told = f"at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
        raise ValueError(f"{name} must be a number {told} or None, got {value!r}")


def _configuration() -> Mapping[str, str]:
    from codecarbon.core.config import get_hierarchical_config

    found: Mapping[str, str] = get_hierarchical_config()
    return found


def _configured(configured: Mapping[str, str], name: str, least: float, most: float) -> float | None:
    """Return a number in codecarbon's configuration; None where there is none that means something."""
    try:
        found = float(configured[name])
    except (KeyError, ValueError):
        return None
    return found if least <= found <= most else None


def _require_region(option: str, given: str | None, known: list[str]) -> None:
    """Refuse a region that codecarbon has no figures of; where it is not installed, nobody knows."""
    if known and given not in known:
        near = difflib.get_close_matches(str(given), known, n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(known[:5])} …"
        raise ValueError(
            f"{option} must be one that codecarbon has figures of, or give intensity_kg_per_kwh, got"
            f" {given!r}; {hint}"
        )


def _country(code: Any) -> str | None:
    if code is None:
        return None
    known = countries()
    plain = isinstance(code, str) and len(code) == 3 and code.isalpha()
    if plain and (not known or code.upper() in known):
        return str(code).upper()
    named = {iso.lower(): iso for iso in known} | {name.lower(): iso for iso, name in known.items()}
    near = difflib.get_close_matches(str(code).lower(), named, n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(dict.fromkeys(named[name] for name in near))}" if near else ""
    raise ValueError(f"country_iso_code must be three letters (ISO 3166, as in 'FRA'), got {code!r}{hint}")
