"""No text that a run brings in - samples, layers, logged names, settings - acts in what is judged of it and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from gate_material import Release
from groundwire.audit.judge import judge
from groundwire.audit.load import NAME
from groundwire.audit.model import dump
from groundwire.audit.record import Record
from groundwire.audit.report import render_html, render_markdown
from injection_payloads import ACTING, PAYLOADS, twin
from injection_places import Place
from injection_records import document, found, rebuilt, stored
from injection_trees import blocks, tree
from trained_run import train

pytestmark = pytest.mark.slow

TEXTS = list(PAYLOADS.values())
EVERY = 4  # of the payloads' pages: most fields stand in several places, each with another payload
FIXED = {"run.kind", "run.attempts.*.status", "run.attempts.*.started", "run.attempts.*.ended", "run.digest"}
CHOOSING = {"name", "metric", "quality", "unit", "set", "axis", "component", "phase", "action", "where", "status"}
POLICY = "schema = 1\n" + "".join(
    f'[limits.{name}]\nmetric = "{metric}"\nmax = {most}\n'
    for name, metric, most in (
        ("gap", "overfitting.gap", -10), ("energy", "carbon.energy_kwh", 9), ("money", "carbon.cost", 0),
        ("toxicity", "generation.toxicity_probability", 0.1), ("memory", "efficiency.gpu_utilisation", 0.1),
    )
)  # fmt: skip


class Told:
    """A record, what it says as a document, and the places of its texts."""

    def __init__(self, record: Record) -> None:
        self.record, self.document = record, document(record)
        self.places = [place for place in found(self.document) if not self._is_fixed(place)]

    def _is_fixed(self, place: Place) -> bool:
        kind = place.path[0] == "events" and place.path[2:] in (("kind",), ("time",))
        return kind or place.pattern in FIXED

    def square(self, shift: int, *, telling: bool, storable: bool = False) -> tuple[Record, Record]:
        """Return the record with payloads, and with their twins; with `telling`, names keep their texts.

        With `storable`, lone surrogates are written as a run's settings are: they cannot be stored.
        """
        chosen = [place for place in self.places if not (telling and self._chooses(place))]
        texts = {place: TEXTS[(index + shift) % len(TEXTS)] for index, place in enumerate(chosen)}
        harmless = {place: twin(text) for place, text in texts.items()}
        if storable:
            texts = {place: text.encode("utf-8", "backslashreplace").decode() for place, text in texts.items()}
        return rebuilt(self.record, self.document, texts), rebuilt(self.record, self.document, harmless)

    @staticmethod
    def _chooses(place: Place) -> bool:
        return place.path[-1] in CHOOSING or place.is_key or "labels" in place.path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(Record.open(train(tmp_path_factory.mktemp("trained"))))


def test_the_record_brings_in_all_kinds_of_texts(told: Told) -> None:
    kinds = {event["kind"] for event in told.document["events"]}
    assert kinds >= {"sample", "generation", "source", "checkpoint", "meter", "nonfinite", "optimizer.facts"}
    patterns = {place.pattern for place in told.places}
    assert patterns >= {"run.model", "run.environment.packages.torch (key)", "columns.*.*", "events.*.prompt"}
    assert len(patterns) > 100


@pytest.mark.parametrize("telling", [False, True])
@pytest.mark.parametrize("shift", range(0, len(TEXTS), EVERY))
def test_pages_and_markdown_are_their_twins(told: Told, shift: int, telling: bool) -> None:
    pages, texts = [], []
    for record in told.square(shift, telling=telling):
        audit = judge(record)
        pages.append(render_html(audit, record, samples="full"))
        texts.append(render_markdown(audit, record))
    assert tree(pages[0]) == tree(pages[1])
    assert blocks(texts[0]) == blocks(texts[1])
    assert not ACTING.search(pages[0] + texts[0])
    assert "@" not in texts[0]


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    return Release(tmp_path, monkeypatch, capsys)


COMMANDS: dict[str, tuple[Any, ...]] = {
    "gate": ("gate", "RUN", "--policy", "POLICY"),
    "gate markdown": ("gate", "RUN", "--policy", "POLICY", "-f", "markdown"),
    "gate json": ("gate", "RUN", "--policy", "POLICY", "-f", "json"),
    "gate junit": ("gate", "RUN", "--policy", "POLICY", "-f", "junit"),
    "gate sarif": ("gate", "RUN", "--policy", "POLICY", "-f", "sarif"),
    "gate github": ("gate", "RUN", "--policy", "POLICY", "-f", "github"),
    "report": ("report", "RUN", "--policy", "POLICY"),
    "compare": ("compare", "RUN", "RUN"),
    "verify": ("verify", "RUN"),
    "card": ("card", "RUN"),
    "card sci": ("card", "RUN", "--format", "sci"),
    "card eu": ("card", "RUN", "--format", "eu-gpai"),
}


@pytest.mark.parametrize("telling", [False, True])
@pytest.mark.parametrize("shift", range(1, len(TEXTS), 3 * EVERY))
def test_nothing_acts_on_a_terminal_or_in_a_log(told: Told, release: Release, shift: int, telling: bool) -> None:
    release.policy.write_text(POLICY)
    runs = []
    for number, record in enumerate(told.square(shift, telling=telling, storable=True)):
        run = stored(record, release.run.parent / f"run{number}")
        (run / NAME).write_text(dump(judge(Record.open(run))), encoding="utf-8")
        runs.append(run)
    for name, command in COMMANDS.items():
        hostile, harmless = (
            release.command(*[{"RUN": run, "POLICY": release.policy}.get(part, part) for part in command])
            for run in runs
        )
        said = hostile.out + hostile.err
        assert hostile.code == harmless.code, (name, said)
        assert not ACTING.search(said), name
        assert "Traceback" not in said
        lines = [line for line in said.splitlines() if line.lstrip().startswith(("::", "##["))]
        if name != "gate github":
            assert lines == [], name
        else:
            assert len(lines) == len([line for line in harmless.out.splitlines() if line.startswith("::")])
        if name == "gate markdown":
            assert blocks(hostile.out) == blocks(harmless.out)
        elif name in ("gate json", "gate sarif"):
            json.loads(hostile.out)
        elif name == "gate junit":
            tags = [[each.tag for each in ElementTree.fromstring(said.out).iter()] for said in (hostile, harmless)]
            assert tags[0] == tags[1]
