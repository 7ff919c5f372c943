"""`groundwire card`: opening the run, options, and a model card on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from compared_material import audit, metric, write
from groundwire.audit.carding import Wanted, card
from groundwire.audit.errors import RecordError, UsageError
from groundwire.audit.model import Audit, RunKind, dump
from run_material import make_run

EMBODIED: dict[str, Any] = {"embodied_kg": 1000.0, "lifetime_years": 4.0, "hours_reserved": 10.0}


def known(**more: Any) -> Audit:
    grid = {"method": "codecarbon; grid of FRA", "quality": "modelled"}
    return audit(
        1,
        metric("carbon.energy_kwh", 2.0, unit="kWh", quality="modelled"),
        metric("carbon.emissions_kg", 0.1, unit="kg", **grid),
        metric("carbon.intensity", 0.05, unit="kg/kWh", **grid),
        **more,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (place,) = write(tmp_path, known())
    return place


def asked(run: Path, form: str = "huggingface", **options: Any) -> Wanted:
    return Wanted(run=str(run), format=form, **options)


def test_a_new_model_card_is_printed(run: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    found = card(asked(run, training_type="pre-training"))
    assert found.text.startswith("---\nco2_eq_emissions:\n  emissions: 100.0\n")
    assert "\n---\n\n# TinyGPT\n" in found.text
    assert (found.told, found.hindrance) == ((), "")


def test_a_model_card_is_changed_in_place_and_once(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    target = tmp_path / "README.md"
    before = b"\xef\xbb\xbf---\r\nlicense: mit # ours\r\n---\r\n\r\n# Mine\r\n"
    target.write_bytes(before)
    found = card(asked(run, card=target))
    assert (found.text, found.told) == ("", (f"wrote {target}",))
    first = target.read_bytes()
    assert first.startswith(b"\xef\xbb\xbf---\r\nlicense: mit # ours\r\nco2_eq_emissions:\r\n")
    assert b"\r\n---\r\n\r\n# Mine\r\n\r\n<!-- groundwire -->\r\n" in first
    card(asked(run, card=target))
    assert target.read_bytes() == first


def test_unknown_emissions_are_told_and_hinder_nothing(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    lost = metric("carbon.emissions_kg", None, quality="unknown", reason="location unknown")
    (place,) = write(tmp_path, audit(1, metric("carbon.energy_kwh", 2.0, unit="kWh"), lost))
    found = card(asked(place))
    assert "co2_eq_emissions" not in found.text
    assert "2 kWh" in found.text
    assert (found.told, found.hindrance) == (("no emissions were written: location unknown",), "")


def test_a_score_that_is_not_there_hinders_after_what_is_known(run: Path) -> None:
    found = card(asked(run, "sci"))
    assert found.hindrance.startswith("No SCI score: M: ")
    assert "not known" in found.text


def test_a_score(run: Path) -> None:
    found = card(asked(run, "sci", shape="json", **EMBODIED))
    assert found.hindrance == ""
    assert json.loads(found.text)["score"] == pytest.approx(100 + 1e7 / (4 * 8760))


@pytest.mark.parametrize(("shape", "first"), [(None, "Evidence for"), ("markdown", "# Evidence for"), ("json", "{")])
def test_the_form_in_each_shape(run: Path, shape: str | None, first: str) -> None:
    found = card(asked(run, "eu-gpai", shape=shape))
    assert found.text.startswith(first)
    assert found.text.endswith("\n")


@pytest.mark.parametrize("form", ["huggingface", "sci", "eu-gpai"])
def test_an_unfinished_run_is_told(tmp_path: Path, form: str) -> None:
    if form == "huggingface":
        pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    (place,) = write(tmp_path, known(status="interrupted"))
    found = card(asked(place, form))
    assert "NOT FINISHED: it was interrupted after 100 steps" in found.told[0]
    assert "NOT FINISHED" in found.text


def test_a_record_without_an_audit_is_judged_first(tmp_path: Path) -> None:
    place = tmp_path / "run"
    make_run(place)
    assert "20261121T0059-7f3a" in card(asked(place, "eu-gpai")).text
    assert json.loads((place / "audit.json").read_text())["run"]["id"] == "20261121T0059-7f3a"


def test_no_card_is_made_from_a_changed_audit(run: Path) -> None:
    file = run / "audit.json"
    file.write_text(file.read_text().replace('"value": 0.1,', '"value": 0.01,'))
    with pytest.raises(RecordError, match="digest does not fit"):
        card(asked(run))


def test_no_card_is_made_from_a_damaged_record(tmp_path: Path) -> None:
    (place,) = write(tmp_path, known(damage=("events.jsonl: 3 of 9 lines missing",)))
    with pytest.raises(RecordError, match="3 of 9 lines missing"):
        card(asked(place, "sci"))


def test_a_model_that_was_only_asked_has_no_training_to_tell_of(run: Path) -> None:
    found = known()
    only = found.model_copy(update={"run": found.run.model_copy(update={"kind": RunKind.GENERATION})})
    (run / "audit.json").write_text(dump(only))
    with pytest.raises(UsageError, match="is no training"):
        card(asked(run))


@pytest.mark.parametrize(
    ("form", "options", "told"),
    [
        ("huggingface", {"per": "token"}, "--per belongs to --format sci"),
        ("sci", {"training_type": "pre-training"}, "--training-type belongs to --format huggingface"),
        ("eu-gpai", {"card": Path("README.md")}, "--card belongs to"),
        ("huggingface", {"shape": "json"}, "is Markdown"),
        ("sci", {"embodied_kg": 5.0}, "take both"),
        ("sci", {"share": 0.5}, "take both"),
        ("sci", EMBODIED | {"share": 1.5}, "in (0, 1], got 1.5"),
        ("sci", EMBODIED | {"embodied_kg": 0.0}, "--embodied-kg must be a number above 0"),
        ("sci", EMBODIED | {"lifetime_years": float("nan")}, "--lifetime-years must be a number above 0"),
        ("sci", EMBODIED | {"hours_reserved": 1e6}, "is less than the 1,000,000 hours"),
    ],
)
def test_wrong_options_are_refused(run: Path, form: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as error:
        card(asked(run, form, **options))
    assert told in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "folder"])
def test_a_model_card_that_cannot_be_read_is_refused(run: Path, tmp_path: Path, content: bytes | str | None) -> None:
    pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")
    target = tmp_path / "README.md"
    if isinstance(content, bytes):
        target.write_bytes(content)
    elif content:
        target.mkdir()
    with pytest.raises(UsageError, match=r"README\.md"):
        card(asked(run, card=target))


@pytest.mark.parametrize("where", ["", "nowhere"])
def test_a_run_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, RecordError)):
        card(Wanted(run=where, format="sci"))
