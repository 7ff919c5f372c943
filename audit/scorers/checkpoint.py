"""A checkpoint in Detoxify's format, opened without running code and checked to be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ScorerError, brief

# The names that Detoxify itself gives to the labels of its first models.
LABELS = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}
WRAPPERS = ("module.", "model.", "module.")  # of data-parallel training, of Lightning, and of both
ELSE = 'or use scorer="embedded"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a file says of itself.

    Attributes:
        state: Weights by name.
        network: Class in transformers.
        tokenizer: Class in transformers.
        base: Repository or folder with configuration and tokenizer.
        outputs: Of the network.
        labels: Names of the first of them.
    """

    state: dict[str, Any]
    network: str
    tokenizer: str
    base: str
    outputs: int
    labels: tuple[str, ...]


def open_checkpoint(path: Path) -> Checkpoint:
    """Return what a file holds; code in it is not run.

    Raises:
        ScorerError: It is damaged, holds more than weights, or something in it is missing.
    """
    loaded = _weights_only(path)
    missing = [key for key in ("config", "state_dict") if not isinstance(loaded.get(key), Mapping)]
    if missing:
        raise ScorerError(
            f"{path} has no {missing[0]!r}, which Detoxify needs: save it with Detoxify's convert_weights.py, {ELSE}"
        )
    try:
        config = loaded["config"]
        architecture = config["arch"]["args"]
        return Checkpoint(
            state=_unwrapped(loaded["state_dict"]),
            network=str(architecture["model_name"]),
            tokenizer=str(architecture["tokenizer_name"]),
            base=str(architecture["model_type"]),
            outputs=int(architecture["num_classes"]),
            labels=_labels(config, int(architecture["num_classes"])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ScorerError(
            f"the 'config' in {path} is not Detoxify's ({brief(error)}); choose another, {ELSE}"
        ) from error


def _weights_only(path: Path) -> Mapping[str, Any]:
    import torch

    # Before torch 2.6 the older of its two formats could run code even so (CVE-2025-32434).
    if torch.__version__ < "2.6" and not _is_zip(path):
        raise ScorerError(
            f"{path} has a format that is not safe to open with torch {torch.__version__}: update torch"
        )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch says of it advises to open it all the same
        raise ScorerError(
            f"{path} is not a Detoxify checkpoint, is damaged, or holds more than weights, which could run code;"
            f" fetch it again, {ELSE}"
        ) from error
    return loaded if isinstance(loaded, Mapping) else {}


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights under the names that they had before the network was wrapped for training."""
    import torch

    found = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    for prefix in WRAPPERS:
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def _labels(config: Mapping[str, Any], outputs: int) -> tuple[str, ...]:
    """Return the names of the first outputs.

    The models `unbiased` and `multilingual` have nine more outputs, for the identities that a text mentions; Detoxify
    does not return those (its configs/Unintended_bias_toxic_comment_classification_RoBERTa_combined.json).
    """
    data = config["dataset"]["args"]
    labels = tuple(LABELS.get(label, label) for label in data["classes"])
    if "toxicity" not in labels or len(set(labels)) < len(labels) or not all(isinstance(one, str) for one in labels):
        raise ScorerError(f"a Detoxify checkpoint needs the label 'toxicity' and names that differ, got {labels}")
    identities = len(data.get("identity_classes") or ())
    told = len(labels) if config.get("num_main_classes") == len(labels) else outputs - identities
    if told != len(labels) or outputs < len(labels):
        raise ScorerError(
            f"the Detoxify checkpoint has {outputs} outputs for {len(labels)} labels and {identities} identities, so"
            f" which is which is not known; choose another, {ELSE}"
        )
    return labels
