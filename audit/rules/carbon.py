"""What keeps an energy or carbon figure from being believed."""

from __future__ import annotations

from ..formats import amount, percent
from ..model import Evidence, Mitigation, Quality, Severity
from .case import Case
from .declaration import Fault, rule


def _name_location(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text='Say where the machine stands: CarbonMonitor(country_iso_code="…"), or the environment variable'
        " CODECARBON_COUNTRY_ISO_CODE.",
        gain="emissions become a number",
        cost="none",
        source="codecarbon's bundled factors differ more than a hundredfold between grids",
    )


@rule(
    code="CO2001",
    severity=Severity.LOW,
    status="preview",
    needs=("carbon.energy_kwh",),
    threshold=0.0,
    unit="",
    short_run=True,
    remedies=(_name_location,),
)
def location_unknown(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose energy is known and whose grid is not.

    What it detects:
        Energy was metered, and neither the callback nor codecarbon's configuration names a location.

    Why it matters:
        Without one, tools fall back on a world mean or on a country that nobody chose, and the same run may
        differ a hundredfold. Groundwire then gives no emissions at all.

    Example:
        A machine without network and without CODECARBON_COUNTRY_ISO_CODE.

    Known limits:
        A declared location is believed.

    References:
        CodeCarbon documentation, Methodology.
    """
    energy, emissions = case.metric("carbon.energy_kwh"), case.metric("carbon.emissions_kg")
    if energy is None or energy.value is None or (emissions is not None and emissions.value is not None):
        return None
    return Fault(
        summary=f"{amount(energy.value, 'kWh')} were spent in an unknown grid: emissions cannot be computed.",
        evidence=(Evidence(summary="energy without a location", value=energy.value, unit="kWh"),),
    )


def _open_counters(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Let the process read the energy counters: on Linux with Intel or AMD,"
        " chmod a+r /sys/class/powercap/intel-rapl*/*/energy_uj; on virtual machines ask the provider.",
        gain="measured instead of modelled energy",
        cost="administrator rights once; counters can leak timing to other users of the machine",
        source="CodeCarbon documentation, RAPL metrics",
    )


@rule(
    code="CO2002",
    severity=Severity.INFO,
    status="preview",
    needs=("carbon.energy_kwh",),
    threshold=0.5,
    unit="share of the energy",
    short_run=True,
    remedies=(_open_counters,),
)
def mostly_modelled_energy(case: Case, threshold: float) -> Fault | None:
    """Flags energy figures that are mostly an estimate from load and nominal power.

    What it detects:
        More than `threshold` of the energy comes from components that have no counter which could be read.

    Why it matters:
        Models of energy err by up to 40 % against a meter at the wall.

    Example:
        A virtual machine, where the processor's energy counters are hidden.

    Known limits:
        Which component was measured is what codecarbon says of itself.

    References:
        arXiv 2509.22092, on the error of software energy meters.
    """
    parts = [part for part in case.parts("carbon.energy_kwh", "component").values() if part.value]
    total = sum(part.value or 0.0 for part in parts)
    modelled = sum(part.value or 0.0 for part in parts if part.quality is Quality.MODELLED)
    share = modelled / total if total else 0.0
    if share <= threshold:
        return None
    return Fault(
        summary=f"{percent(share)} of the energy is modelled, not measured.",
        evidence=(Evidence(summary="modelled share", value=share, limit=threshold, unit="share"),),
    )


def _raise_or_stop(case: Case, fault: Fault) -> Mitigation:
    if any(event.get("action") == "stop" for event in case.events("budget")):
        return Mitigation(
            text="Go on from the last checkpoint with a larger budget, or leave it: the budget ended the training.",
            gain="the steps that were planned",
            cost="more energy than was decided",
            source="CarbonMonitor's documentation",
        )
    return Mitigation(
        text='Let the budget end the training, CarbonMonitor(action="stop"), or decide on a larger one beforehand.',
        gain="no run spends more than was decided",
        cost="the training ends before its last step; a checkpoint keeps what it has learned",
        source="CarbonMonitor's documentation; Anthony et al. 2020, Carbontracker",
    )


@rule(
    code="CO2003",
    severity=Severity.HIGH,
    status="preview",
    needs=("carbon.energy_kwh",),
    threshold=1.0,
    unit="times the budget",
    short_run=True,
    remedies=(_raise_or_stop,),
)
def budget_exceeded(case: Case, threshold: float) -> Fault | None:
    """Flags runs that spent more energy or emitted more than the budget that was set for them.

    What it detects:
        The energy or the emissions of all attempts and nodes are more than `threshold` times what
        `CarbonMonitor(max_energy_kwh=…)` or `max_emissions_kg` allowed.

    Why it matters:
        Somebody decided beforehand what this training is worth.

    Example:
        A run that was given 2 kWh, crashed twice, was resumed, and took 3 kWh in all.

    Known limits:
        Only budgets that were set on the callback count; a policy's limits are judged by the gate.

    References:
        Anthony, Kanding and Selvan 2020, Carbontracker (arXiv:2007.03051).
    """
    budgets = case.events("budget")
    if not budgets:
        return None
    places = (("max_energy_kwh", "carbon.energy_kwh"), ("max_emissions_kg", "carbon.emissions_kg"))
    spent = [(budgets[-1].get(option), case.metric(name)) for option, name in places]
    over = [(limit, m) for limit, m in spent if limit and m and m.value is not None and m.value > threshold * limit]
    if not over:
        return None
    limit, metric = over[0]
    step = int(budgets[0]["at_step"])
    return Fault(
        summary=f"The run spent {metric.value:.3g} {metric.unit} of {limit:g}, and passed that at step {step:,}.",
        evidence=(
            Evidence(summary=metric.name, step=step, value=metric.value, limit=float(limit), unit=metric.unit),
        ),
        step=step,
    )
