"""Where a machine stands, as codecarbon knows grids, and how much CO2 a kilowatt-hour stands for there."""

from __future__ import annotations

from typing import Any


def grid_of(tracker: Any, found: Any, *, looked_up: bool) -> dict[str, Any]:
    """Return where the grid's intensity comes from; an empty source where codecarbon silently used a world mean."""
    place, version = _place(found), str(found.codecarbon_version)
    source = f"codecarbon {version}, mean of a year" if place else ""
    if place and getattr(tracker, "_electricitymaps_api_token", None):
        source = f"Electricity Maps by codecarbon {version}"
    if getattr(tracker, "force_carbon_intensity_g_co2e_kwh", None) is not None:
        source = "declared in codecarbon's configuration"
    known_by = "looked up by IP address" if looked_up else "declared"
    return {
        "location": place,
        "location_source": known_by if place else "unknown",
        "intensity_source": source,
        "version": version,
    }


def intensity(found: Any) -> float | None:
    """Return the intensity that codecarbon has counted with (kg/kWh); None before it has counted."""
    energy = float(found.energy_consumed)
    return float(found.emissions) / energy if energy > 0 else None


def _place(found: Any) -> str:
    """Return the place whose grid codecarbon has figures of, not a part of it that it merely repeats."""
    if found.on_cloud == "Y" and found.cloud_region in cloud_regions(found.cloud_provider):
        return f"{found.cloud_provider}:{found.cloud_region}"
    if not found.country_iso_code or found.country_iso_code not in countries():
        return ""
    return f"{found.country_iso_code}:{found.region}" if found.region else str(found.country_iso_code)


def cloud_regions(provider: str) -> list[str]:
    """Return the regions of a cloud provider that codecarbon has figures of; none where it is not installed."""
    try:
        from codecarbon.input import DataSource
    except ImportError:
        return []

    known = DataSource().get_cloud_emissions_data()
    return list(known[known["provider"] == provider]["region"])


def countries() -> dict[str, str]:
    """Return the countries whose grid codecarbon has figures for, by code; empty where it is not installed."""
    try:
        from codecarbon.input import DataSource
    except ImportError:
        return {}
    return {code: str(mix["country_name"]) for code, mix in DataSource().get_global_energy_mix_data().items()}


def regions(country: str) -> list[str]:
    """Return the parts of a country that codecarbon has figures of; empty where it is not installed."""
    try:
        from codecarbon.input import DataSource
    except ImportError:
        return []
    data = DataSource()
    found = data.get_country_emissions_data("usa") if country == "USA" else data.get_country_energy_mix_data("can")
    return [str(name) for name in found if not str(name).startswith("_")]
