"""What a checkpoint may name: dtypes and storages of torch, and classes that do nothing when they are made."""

from __future__ import annotations

# torch name: name in the safetensors format
STORAGES = {
    f"torch.{name}Storage": dtype
    for name, dtype in {
        "Float": "F32", "Double": "F64", "Half": "F16", "BFloat16": "BF16", "Long": "I64", "Int": "I32",
        "Short": "I16", "Char": "I8", "Byte": "U8", "Bool": "BOOL", "ComplexFloat": "C64", "ComplexDouble": "C128",
    }.items()
}  # fmt: skip

DTYPES = {
    f"torch.{name}": dtype
    for name, dtype in {
        "float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16",
        "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
        "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
        "complex64": "C64", "complex128": "C128", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
        "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0",
    }.items()
}  # fmt: skip

UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")

_BUILTINS = [
    "bool",
    "bytearray",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "set",
    "slice",
    "str",
    "tuple",
]
_REBUILT = (
    "tensor_v2", "tensor_v3", "parameter", "parameter_with_state",
    "sparse_tensor", "nested_tensor", "qtensor", "meta_tensor_no_storage",
)  # fmt: skip

_OTHERS = {
    "torch.Size", "torch.device",
    *(f"torch._utils._rebuild_{name}" for name in _REBUILT),
    *(f"torch.{name}Storage" for name in ("QInt8", "QInt32", "QUInt8", "QUInt2x4", "QUInt4x2")),
    "torch.serialization._get_layout", "torch.per_tensor_affine", "torch.per_channel_affine",
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _BUILTINS),
    "_codecs.encode",  # bytes, in protocol 2
    *(f"collections.{name}" for name in ("Counter", "OrderedDict", "defaultdict", "deque")),
    *(f"datetime.{name}" for name in ("date", "datetime", "timedelta", "timezone")),
    "argparse.Namespace",
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "numpy.dtype", "numpy.ndarray",
    *(f"{name}.utilities.data.AttributeDict" for name in ("lightning.fabric", "lightning_fabric")),
    *(f"{name}.utilities.parsing.AttributeDict" for name in ("lightning.pytorch", "pytorch_lightning")),
}  # fmt: skip

HARMLESS = frozenset(_OTHERS | set(STORAGES) | set(DTYPES) | set(UNTYPED))


def is_harmless(name: str) -> bool:
    """Return whether naming or calling this does nothing but make a value."""
    return name in HARMLESS
