"""How much CO2 a kilowatt-hour stands for in a country or region, from the tables that codecarbon brings along."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError

GIVE = "give --intensity in kg/kWh"
_NORDIC = {"SE": "SWE", "NO": "NOR", "FI": "FIN"}  # bidding zones, by the country they lie in


@dataclass(frozen=True, kw_only=True, slots=True)
class Intensity:
    """CO2 equivalent of a kilowatt-hour.

    Attributes:
        zone: As in `FRA` or `USA:california`.
        kg_per_kwh: Mean of a year, location-based.
        source: Where the figure comes from.
    """

    zone: str
    kg_per_kwh: float
    source: str


def intensity_of(zone: str) -> Intensity:
    """Return the intensity of a zone, as codecarbon computes it for a run there.

    Args:
        zone: ISO 3166 code of three letters, or one with a region: `USA:california`, `CAN:quebec`, `SWE:SE1`,
            `CHN:beijing`.

    Raises:
        UsageError: There is no such zone in the tables, or codecarbon is not installed.
    """
    try:
        import codecarbon
        from codecarbon.core.emissions import Emissions
        from codecarbon.core.units import Energy
        from codecarbon.external.geography import GeoMetadata
        from codecarbon.input import DataSource
    except ImportError as error:
        wanted = "pip install 'groundwire[train]'"
        raise UsageError(f"The intensity of {zone!r} needs codecarbon ({wanted}): or {GIVE}.") from error
    data = DataSource()
    found = _zone(zone, data)
    country, _, region = found.partition(":")
    place = GeoMetadata(country_iso_code=country, region=region or None)
    kg = Emissions(data).get_private_infra_emissions(Energy.from_energy(kWh=1), place)
    mix = data.get_global_energy_mix_data()[country]
    year = "" if region else f", {mix['country_name']} {mix['year']}"
    source = f"codecarbon {codecarbon.__version__}, bundled{year}, mean of a year, location-based"
    return Intensity(zone=found, kg_per_kwh=float(kg), source=source)


def _zone(asked: str, data: Any) -> str:
    """Return the zone in codecarbon's own spelling."""
    wanted = _key(asked)
    known = {_key(zone): zone for zone in _zones(data)}
    if wanted in known:
        return known[wanted]
    named = {_key(mix["country_name"]): code for code, mix in data.get_global_energy_mix_data().items()}
    near = difflib.get_close_matches(wanted, [*known, *named], n=3, cutoff=0.5)
    hint = f"nearest: {', '.join((known | named)[key] for key in near)}; or " if near else ""
    form = "an ISO code of three letters, or with a region, as in USA:california"
    raise UsageError(f"No intensity is known for region {asked!r} ({form}): {hint}{GIVE}.")


def _key(zone: str) -> str:
    return " ".join(zone.casefold().replace("-", " ").replace("_", " ").split())


def _zones(data: Any) -> list[str]:
    zones = list(data.get_global_energy_mix_data())
    zones += [f"USA:{name}" for name in data.get_country_emissions_data("usa") if not name.startswith("_")]
    zones += [f"CAN:{name}" for name in data.get_country_energy_mix_data("can") if not name.startswith("_")]
    nordic = data.get_nordic_country_energy_mix_data()["data"]
    zones += [f"{_NORDIC[name[:2]]}:{name}" for name in nordic if name[:2] in _NORDIC]
    provinces = data.get_china_provincial_emissions_data()["data"].values()
    return [*zones, *(f"CHN:{name}" for province in provinces for name in province["names"])]
