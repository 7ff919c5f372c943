"""Where the same energy would have emitted less, and what a building adds to it."""

from __future__ import annotations

from ..errors import UsageError
from ..formats import percent
from ..hardware import intensity_of
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import Fault, rule
from .pace import long_enough

ELSEWHERE = ("FRA", "SWE", "CAN")  # with data centres that many can rent, on grids of nuclear and hydro power
LOW_PUE = 1.1  # fleets of large clouds


def _move(case: Case, fault: Fault) -> Mitigation | None:
    """Name grids of lower intensity, by the tables that codecarbon brings along."""
    here, emitted = fault.evidence[0].value or 0.0, case.metric("carbon.emissions_kg")
    try:
        found = [there for zone in ELSEWHERE if (there := intensity_of(zone)).kg_per_kwh < here]
    except UsageError:
        return None  # codecarbon is not installed where the record is judged
    if not found:
        return None
    told = ", ".join(f"{here / there.kg_per_kwh:.3g} times less in {there.zone}" for there in found)
    kg = emitted.value if emitted is not None else None
    least = f"; this run, {kg:.2g} kg here: {kg * found[0].kg_per_kwh / here:.2g} kg in {found[0].zone}" if kg else ""
    return Mitigation(
        text="Train where the grid's intensity is lower, if the data may go there and a machine of the same kind"
        " stands there.",
        gain=f"not promised; by yearly means of the bundled tables {told}{least}",
        cost="moving the data; where it may not be moved, nothing is gained",
        source=f"{found[0].source}; Dodge et al. 2022, Measuring the Carbon Intensity of AI in Cloud Instances;"
        " Patterson et al. 2022 (arXiv:2204.05149): 5 to 10 times",
    )


@rule(
    code="CO2004",
    severity=Severity.INFO,
    status="preview",
    needs=("carbon.intensity",),
    threshold=0.475,
    unit="kg/kWh",
    remedies=(_move,),
)
def high_intensity_region(case: Case, threshold: float) -> Fault | None:
    """Flags runs on a grid whose electricity emits more than the world's mean.

    What it detects:
        The intensity that the emissions were computed with is above `threshold`, codecarbon's mean of the world.

    Why it matters:
        The same training emits several times less on another grid.

    Example:
        A run in Poland, which by the bundled tables would have emitted about a twelfth in France.

    Known limits:
        Yearly means say nothing of the hour, of contracts for green electricity, or of which power station answers
        to one more load. Factors are of the bundled tables, whose years differ. Two levers of this report are never
        to be multiplied with each other.

    References:
        Dodge et al. 2022, Measuring the Carbon Intensity of AI in Cloud Instances (FAccT).
    """
    long_enough(case)
    found = case.metric("carbon.intensity")
    if found is None or found.value is None or found.value <= threshold:
        return None
    return Fault(
        summary=f"The grid emits {found.value:.3g} kg CO2e a kilowatt-hour, more than the world's mean.",
        evidence=(Evidence(summary="intensity of the grid", value=found.value, limit=threshold, unit="kg/kWh"),),
        confidence=Confidence.MEDIUM,
    )


def _better_building(case: Case, fault: Fault) -> Mitigation:
    energy, pue = case.metric("carbon.energy_kwh"), fault.evidence[0].value or 1.0
    kwh = (energy.value or 0.0) * (pue - LOW_PUE) if energy is not None else 0.0
    return Mitigation(
        text="Train in a data centre that adds less for cooling and power supply; ask yours for its PUE of the year.",
        gain=f"{kwh:.2g} kWh of this run's {pue * kwh / (pue - LOW_PUE):.2g} at a PUE of {LOW_PUE:g}",
        cost="moving",
        source="the PUE is as declared; Google, Data Centers: Efficiency, about 1.1 in the mean of its fleet;"
        " Patterson et al. 2022 (arXiv:2204.05149): 1.4 times",
    )


@rule(
    code="CO2006",
    severity=Severity.INFO,
    status="preview",
    needs=("carbon.energy_kwh", "carbon.facility_energy_kwh"),
    threshold=1.58,
    unit="PUE",
    remedies=(_better_building,),
)
def high_pue(case: Case, threshold: float) -> Fault | None:
    """Flags runs in a building that, as declared, takes more power beside the machines' than usual.

    What it detects:
        The power usage effectiveness that was declared is above `threshold`, the mean of the industry in 2023.

    Why it matters:
        All energy beyond the machines' own cools and converts, and is emitted and paid for all the same.

    Example:
        CarbonMonitor(pue=2.0) for a server room with its own air conditioning.

    Known limits:
        The figure is declared, not measured; that of a year says little of a cold night.

    References:
        Uptime Institute 2023, Global Data Center Survey; Patterson et al. 2022 (arXiv:2204.05149).
    """
    long_enough(case)
    energy, facility = case.metric("carbon.energy_kwh"), case.metric("carbon.facility_energy_kwh")
    if energy is None or facility is None or not energy.value or facility.value is None:
        return None
    pue = facility.value / energy.value
    if pue <= threshold:
        return None
    return Fault(
        summary=f"The building adds {percent(pue - 1)} to the machines' energy (PUE {pue:.3g}, as declared).",
        evidence=(Evidence(summary="PUE as declared", value=pue, limit=threshold),),
    )
