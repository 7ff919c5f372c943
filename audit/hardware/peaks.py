"""Dense peaks of devices, found by the name that PyTorch prints or a person types: the whole name, never a part."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

DTYPES = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8")

# Vendors and brands: they tell no device from another. Anything else in a name does ("Laptop", "Ti", "MIG 1g.5gb").
_BRANDS = {"accelerator", "amd", "cloud", "geforce", "generation", "google", "gpu", "graphics", "habana", "instinct",
           "intel", "nvidia", "tesla", "tm"}  # fmt: skip
_PRECISIONS = {"64": "fp64", "32": "fp32", "16": "fp16", "bf16": "bf16", "transformer-engine": "fp8"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """What is known of a device.

    Attributes:
        name: As the vendor writes it.
        aliases: Whole names by which it is found, without vendor and brand.
        memory_bytes: Nominal memory.
        tdp_w: Thermal design power in watts; None where none is published for the device alone.
        peaks: FLOP/s of matrix products without sparsity, by dtype.
        source: Data sheet and address.
        checked: Whether the 16-bit figure was found in a second place, too.
        note: What a reader must know of the figures; mostly empty.
    """

    name: str
    aliases: tuple[str, ...]
    memory_bytes: int
    tdp_w: float | None
    peaks: dict[str, float]
    source: str
    checked: bool
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The most operations a second that a device does without sparsity in a dtype."""

    device: str
    dtype: str
    flop_per_s: float
    source: str


def device_named(name: str) -> Device | None:
    """Return the device of a name as `torch.cuda.get_device_name` prints it, or as a person types it; or None.

    A name counts as a whole: a laptop's chip, a slice of a GPU (MIG, vGPU) or a name that is not in the table is
    None, not its nearest neighbour.
    """
    return _BY_WORDS.get(_words(name))


def peak(device: str, dtype: str) -> Peak | None:
    """Return the dense peak of a device in a dtype, or None where it is not known."""
    found = device_named(device)
    if found is None or dtype not in found.peaks:
        return None
    return Peak(device=found.name, dtype=dtype, flop_per_s=found.peaks[dtype], source=found.source)


def nearest_devices(name: str, amount: int = 3) -> list[str]:
    """Return the names of devices that are spelled most like `name`, best first."""
    asked = " ".join(_words(name))
    found = difflib.get_close_matches(asked, _BY_ALIAS, n=3 * amount, cutoff=0.4)
    return list(dict.fromkeys(_BY_ALIAS[alias] for alias in found))[:amount]


def dtype_of(precision: str, *, tf32: bool) -> str:
    """Return the dtype in which a training multiplies matrices.

    Args:
        precision: Lightning's word, as in `bf16-mixed`; `transformer-engine` multiplies in fp8.
        tf32: Whether products of 32-bit floats may be computed in TF32 (`torch.set_float32_matmul_precision`).

    Returns:
        One of `DTYPES`, or `precision` itself when it is none that is known: no device has a peak for it.
    """
    word = "transformer-engine" if precision.startswith("transformer-engine") else precision.partition("-")[0]
    dtype = _PRECISIONS.get(word, precision)
    return "tf32" if dtype == "fp32" and tf32 else dtype


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in re.findall(r"[a-z0-9.]+", name.lower()) if word not in _BRANDS)


def _device(entry: Mapping[str, Any]) -> Device:
    return Device(
        name=entry["name"],
        aliases=tuple(entry["aliases"]),
        memory_bytes=round(entry["memory_gib"] * 2**30),
        tdp_w=entry.get("tdp_w"),
        peaks={dtype: 1e12 * value for dtype, value in entry["peak"].items()},
        source=f"{entry['source']}, {entry['url']}",
        checked=entry["checked"],
        note=entry.get("note", ""),
    )


def _read() -> tuple[Device, ...]:
    text = resources.files(__package__).joinpath("peaks.toml").read_text(encoding="utf-8")
    return tuple(_device(entry) for entry in tomllib.loads(text)["device"])


DEVICES = _read()
_BY_ALIAS = {alias: device.name for device in DEVICES for alias in device.aliases}
_BY_WORDS = {_words(name): device for device in DEVICES for name in (device.name, *device.aliases)}
