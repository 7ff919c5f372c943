"""Which files hold the weights: one file, or the parts that an index or a Hugging Face folder names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .extent import RefusalError

INDEX = ".index.json"
WHOLE = ("model.safetensors", "pytorch_model.bin")  # as `save_pretrained` names them, each also with an index
_MOST_INDEX_BYTES = 100_000_000


def weight_files(path: Path) -> dict[Path, frozenset[str] | None]:
    """Return the files that hold the weights at a path, each with the names that an index gives it.

    Args:
        path: A checkpoint, a safetensors file, an index of several, or a folder of Hugging Face.

    Raises:
        RefusalError: It is a folder of another kind, or the index is wrong.
        OSError: It cannot be read.
    """
    if path.is_dir():
        path = _of_folder(path)
    elif path.exists() and not path.is_file():
        raise RefusalError("it is not a file that ends")
    return _parts(path) if path.name.endswith(INDEX) else {path: None}


def _of_folder(folder: Path) -> Path:
    _refuse_sharded(folder)
    known = [folder / f"{name}{end}" for name in WHOLE for end in ("", INDEX)]
    there = [path for path in known if path.is_file()]
    if not there:
        raise RefusalError(f"the folder holds no {WHOLE[0]}: give the file of the weights")
    if len(there) > 1:
        raise RefusalError(f"the folder holds {there[0].name} and {there[1].name}: give the one that is released")
    return there[0]


def _refuse_sharded(folder: Path) -> None:
    if (folder / ".metadata").exists() or any(folder.glob("*.distcp")):
        way = "python -m lightning.pytorch.utilities.consolidate_checkpoint FOLDER"
        raise RefusalError(f"the folder is a sharded checkpoint: make one file of it with `{way}`")
    if (folder / "zero_to_fp32.py").exists() or any(folder.glob("**/*_model_states.pt")):
        way = "lightning.pytorch.utilities.deepspeed.convert_zero_checkpoint_to_fp32_state_dict"
        raise RefusalError(f"the folder is a checkpoint of DeepSpeed: make one file of it with {way}")


def _parts(index: Path) -> dict[Path, frozenset[str] | None]:
    if index.stat().st_size > _MOST_INDEX_BYTES:
        raise RefusalError("its index is too large")
    try:
        document: Any = json.loads(index.read_bytes())
        placed = dict(document["weight_map"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusalError("it is no index of weights: there is no weight_map in it") from error
    names: dict[Path, set[str]] = {}
    for tensor, file in placed.items():
        if not isinstance(file, str) or not file or Path(file).name != file or "\\" in file or file.endswith(INDEX):
            raise RefusalError(f"its index names the file {str(file)[:80]!r}, which does not lie beside it")
        names.setdefault(index.parent / file, set()).add(tensor)
    if not names:
        raise RefusalError("its index names no tensors")
    return {path: frozenset(found) for path, found in sorted(names.items())}
