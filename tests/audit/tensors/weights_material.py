"""Files of weights: as torch, Lightning and safetensors write them, and as nobody should."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Entries = list[tuple[str, bytes]]


def saved(path: Path, state: Any, **more: Any) -> Path:
    """Write a checkpoint as Lightning does."""
    import torch

    whole = {"epoch": 1, "global_step": 20, "pytorch-lightning_version": "2.6.6", "state_dict": state} | more
    torch.save(whole, path)
    return path


def exported(path: Path, state: dict[str, Any]) -> Path:
    """Write a safetensors file, each tensor on its own."""
    import torch
    from safetensors.torch import save_file

    save_file({k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in state.items()}, path)
    return path


def entries_of(path: Path) -> Entries:
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zipped(path: Path, entries: Entries, *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def repickled(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Change the pickle of a checkpoint."""
    found = entries_of(path)
    return zipped(
        path, [(name, change(content) if name.endswith("data.pkl") else content) for name, content in found]
    )


def safetensors_of(path: Path, header: Any, data: bytes = b"") -> Path:
    """Write a safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path
