"""Peaks are dense, found by the name that PyTorch prints, and never those of a neighbour."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from groundwire.audit.hardware import DEVICES, DTYPES, Device, device_named, dtype_of, nearest_devices, peak
from hypothesis import given
from hypothesis import strategies as st

PRINTED = {
    "NVIDIA H200": "NVIDIA H200 SXM",
    "NVIDIA H200 NVL": "NVIDIA H200 NVL",
    "NVIDIA H100 80GB HBM3": "NVIDIA H100 SXM",
    "NVIDIA H100 PCIe": "NVIDIA H100 PCIe",
    "NVIDIA H100 NVL": "NVIDIA H100 NVL",
    "NVIDIA GH200 480GB": "NVIDIA GH200",
    "NVIDIA B200": "NVIDIA B200",
    "NVIDIA GB200": "NVIDIA GB200",
    "NVIDIA A100-SXM4-80GB": "NVIDIA A100 SXM 80GB",
    "NVIDIA A100-SXM4-40GB": "NVIDIA A100 SXM 40GB",
    "A100-PCIE-40GB": "NVIDIA A100 PCIe 40GB",
    "NVIDIA A100 80GB PCIe": "NVIDIA A100 PCIe 80GB",
    "NVIDIA A10": "NVIDIA A10",
    "NVIDIA A10G": "NVIDIA A10G",
    "NVIDIA L4": "NVIDIA L4",
    "NVIDIA L40": "NVIDIA L40",
    "NVIDIA L40S": "NVIDIA L40S",
    "Tesla T4": "NVIDIA T4",
    "Tesla V100-SXM2-16GB": "NVIDIA V100 SXM2",
    "Tesla V100-PCIE-32GB": "NVIDIA V100 PCIe",
    "Tesla V100S-PCIE-32GB": "NVIDIA V100S PCIe",
    "NVIDIA RTX A6000": "NVIDIA RTX A6000",
    "NVIDIA RTX 6000 Ada Generation": "NVIDIA RTX 6000 Ada",
    "NVIDIA GeForce RTX 4090": "NVIDIA GeForce RTX 4090",
    "AMD Instinct MI300X": "AMD Instinct MI300X",
    "AMD Instinct MI250X": "AMD Instinct MI250X (one die)",
    "GAUDI2": "Intel Gaudi 2",
}
NEIGHBOURS = (
    "NVIDIA H20", "NVIDIA H800", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "GRID A100D-10C", "NVIDIA A40-48Q", "Tesla P4",
    "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 3090 Ti",
    "Quadro RTX 6000",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "NVIDIA A1000", "A", "", "NVIDIA", "cpu", "GPU 0",
)  # fmt: skip


@pytest.mark.parametrize("printed", PRINTED)
def test_a_device_is_found_by_the_name_that_pytorch_prints(printed: str) -> None:
    found = device_named(printed)
    assert found is not None
    assert found.name == PRINTED[printed]
    assert device_named(printed.lower()) is found


@pytest.mark.parametrize("other", NEIGHBOURS)
def test_a_name_that_is_not_in_the_table_is_nobody_elses(other: str) -> None:
    assert device_named(other) is None
    assert peak(other, "bf16") is None


@given(st.sampled_from(DEVICES), st.sampled_from(["Laptop GPU", "Ti", "MIG 1g.10gb", "D", "Super", "-8C", "Max-Q"]))
def test_whatever_else_a_name_says_makes_it_another_device(device: Device, more: str) -> None:
    assert device_named(f"{device.name} {more}") is None


def test_no_name_belongs_to_two_devices() -> None:
    names = Counter(alias for device in DEVICES for alias in {*device.aliases})
    assert [name for name, times in names.items() if times > 1] == []
    assert len({device.name for device in DEVICES}) == len(DEVICES)
    for device in DEVICES:
        assert all(device_named(name) is device for name in (device.name, *device.aliases))


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_figures_are_dense_and_have_a_source(device: Device) -> None:
    peaks = device.peaks
    assert set(peaks) <= set(DTYPES)
    assert all(1e11 < value < 1e17 for value in peaks.values())
    assert "https://" in device.source
    assert device.memory_bytes >= 16 * 2**30
    assert device.tdp_w is None or 50 <= device.tdp_w <= 1500
    assert device.tdp_w is not None or device.note
    # A figure with sparsity is twice the dense one: it would break the ratios between the dtypes of one device.
    half = peaks.get("bf16") or peaks["fp16"]
    assert half == peaks.get("fp16", half)
    if "NVIDIA" in device.name and "tf32" in peaks:
        assert peaks["tf32"] == pytest.approx(half / 2, rel=0.02)
    if "fp8" in peaks and "Gaudi 3" not in device.name:
        assert peaks["fp8"] == pytest.approx(2 * half, rel=0.02)
    if "int8" in peaks and "AMD" not in device.name and "TPU v4" not in device.name:
        assert peaks["int8"] >= 1.98 * half


@pytest.mark.parametrize(
    ("name", "units", "clock_hz", "flop_a_cycle"),
    [
        ("A100", 108, 1.410e9, 2048),  # streaming multiprocessors, boost clock, dense 16-bit FLOP of each in a cycle
        ("H100 SXM", 132, 1.830e9, 4096),
        ("A10", 72, 1.695e9, 1024),
        ("A10G", 80, 1.710e9, 512),
        ("A40", 84, 1.740e9, 1024),
        ("RTX A6000", 84, 1.800e9, 1024),
        ("L40S", 142, 2.520e9, 1024),
        ("RTX 6000 Ada", 142, 2.505e9, 1024),
        ("RTX 3090", 82, 1.695e9, 512),
        ("RTX 4090", 128, 2.520e9, 512),
        ("RTX 5090", 170, 2.407e9, 512),
        ("V100", 80, 1.530e9, 1024),
        ("T4", 40, 1.590e9, 1024),
        ("MI300X", 304, 2.100e9, 2048),
        ("MI250X", 110, 1.700e9, 1024),
    ],
)
def test_the_16_bit_peak_is_units_times_clock_times_width(
    name: str, units: int, clock_hz: float, flop_a_cycle: int
) -> None:
    found = peak(name, "fp16")
    assert found is not None
    assert found.flop_per_s == pytest.approx(units * clock_hz * flop_a_cycle, rel=0.02)


def test_a_dtype_that_the_hardware_does_not_have_has_no_peak() -> None:
    assert peak("Tesla T4", "bf16") is None
    assert peak("A100", "fp8") is None
    assert peak("H100", "bfloat16") is None


@pytest.mark.parametrize(
    ("precision", "tf32", "dtype"),
    [
        ("bf16-mixed", True, "bf16"), ("bf16-true", False, "bf16"), ("16-mixed", True, "fp16"),
        ("16-true", False, "fp16"),
        ("32-true", False, "fp32"), ("32-true", True, "tf32"), ("64-true", True, "fp64"), ("32", True, "tf32"),
        ("transformer-engine", True, "fp8"), ("transformer-engine-float16", False, "fp8"), ("nf4-dq", True, "nf4-dq"),
    ],
)  # fmt: skip
def test_lightnings_precision_says_the_dtype(precision: str, tf32: bool, dtype: str) -> None:
    assert dtype_of(precision, tf32=tf32) == dtype


def test_the_nearest_names_help_who_mistyped() -> None:
    assert nearest_devices("H20")[0].startswith("NVIDIA H200")
    assert nearest_devices("rtx4090")[0] == "NVIDIA GeForce RTX 4090"
    assert nearest_devices("toaster") == []


def test_the_table_needs_neither_torch_nor_codecarbon() -> None:
    code = "import sys, groundwire.audit.hardware; print({'torch', 'codecarbon', 'pydantic'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"
