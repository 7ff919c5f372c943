"""The intensity of a grid is codecarbon's; a zone that it does not know is an error, never a mean of the world."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.hardware import intensity_of

pytest.importorskip("codecarbon")


@pytest.mark.parametrize(
    ("zone", "spelled"),
    [
        ("FRA", "FRA"), ("fra", "FRA"), ("USA:california", "USA:california"), ("usa:New-York", "USA:new york"),
        ("CAN:quebec", "CAN:quebec"), ("SWE:se1", "SWE:SE1"), ("CHN:Beijing", "CHN:beijing"),
    ],
)  # fmt: skip
def test_a_zone_is_found_however_it_is_spelled(zone: str, spelled: str) -> None:
    found = intensity_of(zone)
    assert found.zone == spelled
    assert 0 < found.kg_per_kwh < 1.5
    assert found.source.startswith("codecarbon ")


def test_figures_are_those_of_the_tables() -> None:
    from codecarbon.input import DataSource

    data = DataSource()
    assert intensity_of("FRA").kg_per_kwh == pytest.approx(
        data.get_global_energy_mix_data()["FRA"]["carbon_intensity"] / 1000
    )
    pounds_per_mwh = data.get_country_emissions_data("usa")["california"]["emissions"]
    assert intensity_of("USA:california").kg_per_kwh == pytest.approx(pounds_per_mwh * 0.45359237 / 1000, rel=1e-4)
    assert intensity_of("POL").kg_per_kwh > 5 * intensity_of("FRA").kg_per_kwh


@pytest.mark.parametrize(
    ("zone", "near"),
    [("FRN", "FRA"), ("USA:califrnia", "USA:california"), ("France", "FRA"), ("CAN:ontaria", "CAN:ontario")],
)
def test_an_unknown_zone_names_the_nearest(zone: str, near: str) -> None:
    with pytest.raises(
        UsageError, match=rf"No intensity is known for region '{zone}'.*nearest: .*{near}.*--intensity"
    ):
        intensity_of(zone)


@pytest.mark.parametrize("zone", ["XXX", "", ":", "USA:", "USA:_source", "SWE:NO1", "475"])
def test_what_is_no_zone_has_no_intensity(zone: str) -> None:
    with pytest.raises(UsageError, match="No intensity is known"):
        intensity_of(zone)


def test_without_codecarbon_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("codecarbon"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    for module in [name for name in sys.modules if name.startswith("codecarbon")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"needs codecarbon .* or give --intensity"):
        intensity_of("FRA")
