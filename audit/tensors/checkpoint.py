"""The weights in a checkpoint of Lightning or `torch.save`, found without torch and without running anything."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

from .extent import ITEM_BYTES, MOST_DIMENSIONS, Extent, RefusalError, contiguous
from .harmless import DTYPES, STORAGES, UNTYPED, is_harmless
from .machine import Machine, Opaque
from .zipped import Entries, entries

MOST_PICKLE_BYTES = 2**30  # of a checkpoint's data.pkl, which holds no tensor's content
EXTRA_STATE = "_extra_state"  # what a module keeps that is no tensor (`torch.nn.Module.get_extra_state`)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a checkpoint holds.

    Attributes:
        extents: The tensors of its `state_dict`.
        step: Optimizer steps (`global_step`) that Lightning had taken; None when it did not write the file.
    """

    extents: list[Extent]
    step: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Storage:
    """Bytes of the file that tensors share: `dtype` is None when each tensor has its own."""

    key: str
    dtype: str | None
    start: int
    size: int


def read_checkpoint(file: BinaryIO, size: int, *, trusted: bool = False) -> Contents:
    """Return where the weights of a checkpoint lie.

    Args:
        file: An open file.
        size: Its bytes.
        trusted: Whether the run itself wrote it. If not, a file is refused that names classes or functions beyond
            the harmless ones: whoever loads it with torch may get other weights than those that lie in it.

    Raises:
        RefusalError: It is damaged, or holds something else than the weights of a model.
    """
    found = entries(file, size)
    if "constants.pkl" in found or any(name.startswith("code/") for name in found):
        raise RefusalError("it is TorchScript: give the checkpoint that it was made from, or a .safetensors file")
    _refuse_big_endian(file, found)
    builder = _Builder(found)
    machine = Machine(builder.call, builder.storage)
    whole = machine.read(_entry(file, found, "data.pkl", MOST_PICKLE_BYTES))
    strange = sorted(name for name in machine.names if not is_harmless(name))
    if strange and not trusted:
        raise RefusalError(
            f"loading it may run {strange[0][:80]}, so that nobody can tell which weights torch would get from it:"
            " save the weights alone, as a .safetensors file"
        )
    step = whole.get("global_step") if isinstance(whole, dict) else None
    return Contents(extents=_weights(whole), step=step if type(step) is int else None)


def _refuse_big_endian(file: BinaryIO, found: Entries) -> None:
    """Refuse the other order of bytes; a file that does not say was written on a machine like this one."""
    order = _entry(file, found, "byteorder", 16).decode("ascii", "replace") if "byteorder" in found else sys.byteorder
    if order != "little":
        raise RefusalError("its numbers are not little-endian: save it again on a little-endian machine")


def _entry(file: BinaryIO, found: Entries, name: str, most: int) -> bytes:
    if name not in found:
        raise RefusalError(f"it has no {name}: it is a zip file, and not one of torch.save")
    start, size = found[name]
    if size > most:
        raise RefusalError(f"its {name} is larger than {most:,} bytes")
    file.seek(start)
    return file.read(size)


def _weights(whole: Any) -> list[Extent]:
    """Return the tensors of a `state_dict`: that of a Lightning checkpoint, or the file's own."""
    state = whole.get("state_dict", whole) if isinstance(whole, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, Extent) for value in state.values()):
        raise RefusalError("it holds no state_dict: give a checkpoint of Lightning, or save model.state_dict()")
    return [_named(name, value) for name, value in state.items() if _counts(name, value)]


def _counts(name: object, value: Any) -> bool:
    return isinstance(value, Extent) or not (isinstance(name, str) and name.endswith(EXTRA_STATE))


def _named(name: object, value: Any) -> Extent:
    if isinstance(name, str) and isinstance(value, Extent):
        return Extent(name=name, dtype=value.dtype, shape=value.shape, start=value.start, stride=value.stride)
    kind = value.name if isinstance(value, Opaque) else type(value).__name__
    raise RefusalError(f"{str(name)[:80]!r} in its state_dict is no plain tensor ({kind[:80]})")


class _Builder:
    """Makes tensors of what a pickle says of them."""

    def __init__(self, found: Entries) -> None:
        self._found = found
        self._storages: dict[str, tuple[_Storage, tuple[Any, ...]]] = {}

    def storage(self, told: Any) -> _Storage | Opaque:
        """Return the storage of a persistent id: ("storage", class, key, device, elements)."""
        try:
            kind, stored, key, _, count = told
            name = stored.name
        except (TypeError, ValueError, AttributeError) as error:
            raise RefusalError("its pickle has a persistent id that is no storage") from error
        dtype = STORAGES.get(name)
        if dtype is None and name not in UNTYPED:
            return Opaque(name)
        if kind != "storage" or not isinstance(key, str) or not _is_count(count):
            raise RefusalError("its pickle has a persistent id that is no storage")
        start, size = self._found.get(f"data/{key}", (0, -1))
        if size != count * (1 if dtype is None else ITEM_BYTES[dtype]):
            raise RefusalError(f"its storage {key[:20]!r} is missing, or has another size than its pickle says")
        made, before = self._storages.setdefault(
            key, (_Storage(key=key, dtype=dtype, start=start, size=size), (dtype, count))
        )
        if before != (dtype, count):
            raise RefusalError(f"its storage {key[:20]!r} is told of in two ways")
        return made

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return what a function would make, when that is data."""
        if name == "collections.OrderedDict" and not arguments:
            return {}
        if name == "torch._utils._rebuild_tensor_v2" and len(arguments) in (6, 7):
            return _tensor(*arguments[:4], dtype=None, metadata=arguments[6:])
        if name == "torch._utils._rebuild_tensor_v3" and len(arguments) in (7, 8):
            return _tensor(*arguments[:4], dtype=arguments[6], metadata=arguments[7:])
        parameter = name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
        if parameter and arguments and isinstance(arguments[0], Extent):
            return arguments[0]
        return Opaque(name)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *, dtype: Any, metadata: tuple[Any, ...]) -> Any:
    """Return where a tensor lies in the file; offset and stride are in elements."""
    if any(metadata) or not isinstance(storage, _Storage):  # conjugated or negated: torch changes what lies there
        return Opaque("a view that conjugates or negates" if any(metadata) else "a tensor of another kind")
    item = storage.dtype if dtype is None else DTYPES.get(getattr(dtype, "name", ""))
    numbers = (
        isinstance(shape, tuple) and isinstance(stride, tuple) and all(map(_is_count, (offset, *shape, *stride)))
    )
    twice = dtype is not None and storage.dtype is not None
    if item is None or not numbers or len(shape) != len(stride) or twice:
        return Opaque("a tensor of another kind")
    found = Extent(
        name="", dtype=item, shape=shape, start=storage.start + offset * ITEM_BYTES[item],
        stride=None if contiguous(shape, stride) else stride,
    )  # fmt: skip
    if found.stride is not None and len(shape) > MOST_DIMENSIONS:
        raise RefusalError(f"a tensor in it has {len(shape)} dimensions")
    if found.start + found.span > storage.start + storage.size:
        raise RefusalError("a tensor in it goes beyond its storage")
    return found
