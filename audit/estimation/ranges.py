"""Ranges of positive numbers, and the assumptions of an estimate: each a range with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A typical value between a low and a high one, all of them zero or more.

    Products, quotients and sums pair the ends that lie furthest apart: bounds, not confidence intervals.
    """

    low: float
    typical: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Range:
        """Return a range of one value."""
        return cls(low=value, typical=value, high=value)

    def __add__(self, other: Range) -> Range:
        return Range(low=self.low + other.low, typical=self.typical + other.typical, high=self.high + other.high)

    def __mul__(self, other: Range | float) -> Range:
        by = other if isinstance(other, Range) else Range.exact(other)
        return Range(low=self.low * by.low, typical=self.typical * by.typical, high=self.high * by.high)

    def __truediv__(self, other: Range | float) -> Range:
        by = other if isinstance(other, Range) else Range.exact(other)
        return Range(low=self.low / by.high, typical=self.typical / by.typical, high=self.high / by.low)


class Provenance(StrEnum):
    """How a value came into an estimate."""

    GIVEN = "given"
    MEASURED = "measured"
    MODELLED = "modelled"
    DATA_SHEET = "data sheet"
    BUNDLED = "bundled"
    ASSUMED = "assumed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumption:
    """A value that an estimate rests on."""

    name: str
    value: Range
    unit: str
    provenance: Provenance
    source: str


def given(name: str, value: float, unit: str, option: str) -> Assumption:
    """Return a value that was asked for."""
    return Assumption(name=name, value=Range.exact(value), unit=unit, provenance=Provenance.GIVEN, source=option)


MFU = Assumption(
    name="model FLOPs utilisation",
    value=Range(low=0.2, typical=0.33, high=0.5),
    unit="share",
    provenance=Provenance.ASSUMED,
    source="what the GPU-hours of eleven published language models come to, restarts included; typical: their median",
)
DEVICE_SHARE = Assumption(
    name="device power",
    value=Range(low=0.6, typical=0.85, high=1.0),
    unit="of the TDP",
    provenance=Provenance.ASSUMED,
    source="with the rest of the node 1.35 times the TDP; 8 x H100 training took 1.38 (arXiv:2506.14551)",
)
HOST_SHARE = Assumption(
    name="rest of the node",
    value=Range(low=0.3, typical=0.5, high=0.8),
    unit="of the TDP",
    provenance=Provenance.ASSUMED,
    source="processors, memory, fans, network; the highest is what a DGX H100 is rated for (10.2 kW)",
)
PUE = Assumption(
    name="PUE",
    value=Range(low=1.1, typical=1.3, high=1.56),
    unit="",
    provenance=Provenance.ASSUMED,
    source="the best fleets; new large sites; mean of the Uptime Institute's survey of 2024",
)
LIFETIME = Assumption(
    name="lifetime of the hardware",
    value=Range(low=3, typical=4, high=6),
    unit="years",
    provenance=Provenance.ASSUMED,
    source="years over which servers are written off, used all the time",
)
