"""What an earlier run tells of the next: its device, utilisation and power, from its audit.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RecordError
from ..hardware import dtype_of
from ..load import load_audit
from ..model import Audit, Metric, Quality
from .asked import Measured
from .ranges import Provenance


def measured_in(run: str) -> Measured:
    """Return what a run measured of its model and devices.

    Its power is taken only if all its devices were in one node: the energy is that of the node.

    Raises:
        RecordError: The audit is missing, damaged or changed.
    """
    audit, digest_ok = load_audit(run)
    if not digest_ok:
        raise RecordError(
            f"The audit of {run} has been changed, its digest does not fit: nothing is estimated from it."
        )
    devices = [str(name) for name in _listed(audit.environment.get("gpus"))]
    energy, mfu = _known(audit, "carbon.energy_kwh"), _known(audit, "efficiency.mfu")
    model = audit.configuration.get("model")
    count = model.get("parameters") if isinstance(model, Mapping) else None
    return Measured(
        run=run,
        device=devices[0] if devices and len(set(devices)) == 1 else None,
        dtype=_dtype(audit),
        parameters=float(count) if isinstance(count, int | float) and count > 0 else None,
        mfu=_within(mfu, 1.0),
        mfu_provenance=_provenance(mfu),
        power=_power(audit, energy, len(devices)),
        power_provenance=_provenance(energy),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _known(audit: Audit, name: str) -> Metric | None:
    found = audit.metric(name)
    return found if found and found.value is not None and found.quality is not Quality.UNKNOWN else None


def _provenance(found: Metric | None) -> Provenance:
    return Provenance.MEASURED if found and found.quality is Quality.MEASURED else Provenance.MODELLED


def _within(found: Metric | None, most: float) -> float | None:
    return found.value if found and found.value is not None and 0 < found.value <= most else None


def _dtype(audit: Audit) -> str | None:
    """Return the dtype; None of 32-bit floats, which the record does not tell from TF32."""
    dtype = dtype_of(str(audit.environment.get("precision", "")), tf32=False)
    return None if dtype in ("fp32", "") else dtype


def _power(audit: Audit, energy: Metric | None, devices: int) -> float | None:
    seconds = _within(_known(audit, "carbon.duration_s"), 1e12)
    used = audit.environment.get("world_size")
    if energy is None or not energy.value or seconds is None or not isinstance(used, int) or not 0 < used <= devices:
        return None
    return energy.value * 3.6e6 / seconds / used
