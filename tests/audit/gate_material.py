"""The gate as a command: a run whose audit.json was tampered with, a policy, and what came out."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from groundwire.audit import __main__ as entry
from run_material import judged_run

LENIENT = 'schema = 1\n[limits.gap]\nmetric = "overfitting.gap"\nmax = 1e9\nmin = -1e9\n'


class Gated(NamedTuple):
    """How the command ended and what it said."""

    code: int
    out: str
    err: str


class Release:
    """A run with a policy that it meets, and the command that says so."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.run = judged_run(folder / "run", steps=12)
        self.audit = self.run / "audit.json"
        self.policy = folder / "policy.toml"
        self.policy.write_text(LENIENT)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def gate(self, *options: object) -> Gated:
        return self.command("gate", self.run, "--policy", self.policy, *options)

    def command(self, *arguments: object) -> Gated:
        self._monkeypatch.setattr(sys, "argv", ["groundwire", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            entry.main()
        assert isinstance(ending.value.code, int)
        return Gated(ending.value.code, *self._capsys.readouterr())

    def change(self, edit: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> None:
        """Edit audit.json and, as a careful forger would, seal it again."""
        document = json.loads(self.audit.read_text())
        edit(document)
        if sealed:
            document["digest"] = seal(document)
        self.audit.write_text(json.dumps(document))

    def gap(self, value: Any) -> None:
        self.change(lambda document: _gap(document).update(value=value, low=None, high=None))


def _gap(document: dict[str, Any]) -> dict[str, Any]:
    return next(metric for metric in document["metrics"] if metric["name"] == "overfitting.gap")


def seal(document: dict[str, Any]) -> str:
    """Return the digest as the contract describes it, not as the code makes it; NaN is sealed too."""
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
