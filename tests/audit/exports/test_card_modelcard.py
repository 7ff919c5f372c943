"""Model cards are changed in one place and nowhere else, and huggingface_hub reads them back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.exports.modelcard import END, ENTRY, START, changed
from hypothesis import given
from hypothesis import strategies as st

hub = pytest.importorskip("huggingface_hub", reason="needs groundwire[text]")

OURS: dict[str, Any] = {"emissions": 600.0, "source": "Groundwire 0.1.0, modelled: x", "hardware_used": "2 × H200"}
CARD = """---
# keep me
license: mit
language:
- no   # Norwegian, not false
tags: [a, "b"]
version: 1.10
{entry}# and me
date: 2024-01-02
---

# A model\t
trailing spaces  \n\n"""
NESTED = "co2_eq_emissions:\n  emissions: 5\n  training_type: fine-tuning\n  source: 'mlco2'  # grams\n"
FOLDED = "co2_eq_emissions:\n  source: >-\n    in two\n    lines\n"
FLOW = "co2_eq_emissions: {emissions: 5,\n  source: here}\n"
OLD = ["", NESTED, FOLDED, FLOW, "co2_eq_emissions: 5\n", "'co2_eq_emissions': 5 # comment\n", "co2_eq_emissions:\n"]


def put(text: str, entry: dict[str, Any] | None = OURS, section: str = "## Energy\n\nmuch\n") -> str:
    return changed(text, entry, section, where="README.md").text


def without(text: str) -> str:
    """Return a card without what we may write: our entry and section."""
    text = re.sub(rf"{ENTRY}:(.*)(\r?\n {{2}}.*)*\r?\n", "", text)
    return re.sub(rf"{START}[\s\S]*{END}\r?\n", "", text)


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("old", OLD)
def test_every_other_byte_stays(old: str, line_break: str) -> None:
    card = CARD.format(entry=old).replace("\n", line_break)
    new = put(card)
    assert without(new) == CARD.format(entry="").replace("\n", line_break)
    assert line_break == "\n" or not re.search(r"(?<!\r)\n", new)
    read = hub.ModelCard(new)
    assert read.data.to_dict()[ENTRY]["emissions"] == 600.0
    assert "much" in read.text


@pytest.mark.parametrize("old", OLD)
def test_the_second_time_changes_nothing_and_the_third_replaces(old: str) -> None:
    once = put(CARD.format(entry=old))
    assert put(once) == once
    other = put(once, OURS | {"emissions": 7.0}, "## Energy\n\nless")
    assert other == once.replace("600.0", "7.0").replace("much", "less")


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200),
)
def test_any_body_is_kept_and_any_text_comes_back(body: str, source: str) -> None:
    entry = {"emissions": 1.5, "source": " ".join(f"Groundwire {source}".split())}
    card = f"---\nlicense: mit\n---\n{body}"
    new = put(card, entry)
    assert new.split("\n---\n", 1)[1].startswith(body)
    assert hub.ModelCard(new).data.to_dict()[ENTRY] == entry
    assert put(new, entry) == new


def test_what_the_owner_declared_of_the_training_stays() -> None:
    read = hub.ModelCard(put(CARD.format(entry=NESTED))).data.to_dict()[ENTRY]
    assert read == {"training_type": "fine-tuning"} | OURS
    said = hub.ModelCard(put(CARD.format(entry=NESTED), OURS | {"training_type": "pre-training"}))
    assert said.data.to_dict()[ENTRY]["training_type"] == "pre-training"


def test_foreign_emissions_are_replaced_with_a_word_and_stay_when_ours_are_unknown() -> None:
    card = CARD.format(entry=NESTED)
    assert "were replaced" in changed(card, OURS, "x", where="README.md").told[0]
    kept = changed(card, None, "x", where="README.md")
    assert "stay as they are" in kept.told[0]
    assert kept.text.startswith(card)


def test_our_emissions_of_an_earlier_run_are_removed_when_they_are_unknown() -> None:
    card = CARD.format(entry="")
    found = changed(put(card), None, "## Energy\n\nmuch", where="README.md")
    assert ENTRY not in found.text
    assert "were removed" in found.told[0]
    assert found.text.startswith(card)
    only = changed(put("# x\n"), None, "x", where="README.md").text
    assert hub.ModelCard(only).data.to_dict() == {}


def test_a_card_without_metadata_gets_some_only_when_emissions_are_known() -> None:
    assert put("# Model\n").startswith(f"---\n{ENTRY}:\n  emissions: 600.0\n")
    assert put("# Model\n", None).startswith(f"# Model\n\n{START}\n")
    assert put("", None).startswith(START)


@pytest.mark.parametrize(
    "metadata",
    ["[unclosed", "- a list", "{license: mit}", f"{ENTRY}: &x {{a: 1}}\nother: *x", f"{ENTRY}: 1\n{ENTRY}: 2",
     "  license: mit", "a: 1\n...", "just text"],
)  # fmt: skip
def test_metadata_that_cannot_be_changed_are_refused(metadata: str) -> None:
    with pytest.raises(UsageError, match=r"^The metadata of README\.md "):
        put(f"---\n{metadata}\n---\n# x\n")


@pytest.mark.parametrize("body", [START, END, f"{END}\n{START}", f"{START}\n{START}\n{END}", f"{START}{END}{END}"])
def test_markers_that_do_not_pair_are_refused(body: str) -> None:
    with pytest.raises(UsageError, match="must have"):
        put(body)


def test_without_huggingface_hub_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"groundwire\[text\]"):
        put("# x\n")
