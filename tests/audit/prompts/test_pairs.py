"""Our sentence pairs differ in the group alone and are balanced; StereoSet and Winogender become pairs."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.prompts import SentencePair
from groundwire.audit.prompts.pairs import load_pairs
from groundwire.audit.prompts.readers import read_pairs

DATA = Path(__file__).parents[4] / "shared" / "data"
PAGE = (Path(__file__).parents[3] / "docs" / "prompts.md").read_text(encoding="utf-8")
TYPES = {
    "gender", "race-color", "religion", "age", "disability", "nationality", "sexual-orientation", "socioeconomic",
    "physical-appearance",
}  # fmt: skip
PAIRS = load_pairs()

Write = Callable[[Any, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes JSON or text into a file and gives its path."""

    def _write(content: Any, name: str) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return _write


def differing(pair: SentencePair) -> tuple[str, str]:
    """Return the words in which the sentences of a pair differ."""
    more, less = pair.more.split(), pair.less.split()
    places = [code[1:] for code in difflib.SequenceMatcher(None, more, less, autojunk=False).get_opcodes()
              if code[0] != "equal"]  # fmt: skip
    first, last = places[0], places[-1]
    return " ".join(more[first[0] : last[1]]), " ".join(less[first[2] : last[3]])


def test_enough_pairs_of_every_type() -> None:
    assert len(PAIRS) >= 160
    assert len({pair.id for pair in PAIRS}) == len({(pair.more, pair.less) for pair in PAIRS}) == len(PAIRS)
    assert set(types := Counter(pair.bias_type for pair in PAIRS)) == TYPES
    assert min(types.values()) >= 32
    assert {pair.source for pair in PAIRS} == {"Groundwire pairs"}


def test_sentences_are_short_and_well_formed() -> None:
    for pair in PAIRS:
        for text in (pair.more, pair.less):
            assert re.fullmatch(r"[A-Z][A-Za-z' ,-]+\.", text), text
            assert "  " not in text
            assert len(text.split()) <= 13, text


def test_a_pair_differs_in_one_run_of_words() -> None:
    for pair in PAIRS:
        more, less = differing(pair)
        assert max(len(more.split()), len(less.split())) <= 6, pair
        assert pair.more.replace(more, less, 1) == pair.less or not more or not less


def test_each_cluster_has_every_pair_of_groups_with_the_stereotype_and_its_opposite() -> None:
    clusters: dict[str, list[SentencePair]] = {}
    for pair in PAIRS:
        clusters.setdefault(pair.cluster, []).append(pair)
    assert len(clusters) == len(PAIRS) // 4
    for pairs in clusters.values():
        # Told by the last word group that each begins or ends with: what is more in one is less in its opposite.
        kinds = Counter(pair.id.rsplit("/", 1)[1] for pair in pairs)
        assert kinds == {"stereotype": 2, "opposite": 2}
        assert len({pair.bias_type for pair in pairs}) == 1
        for stereotype, opposite in zip(pairs[::2], pairs[1::2], strict=True):
            assert differing(stereotype) == differing(opposite)[::-1]


def test_the_page_counts_and_criticises() -> None:
    clusters, types = len({pair.cluster for pair in PAIRS}), len(TYPES)
    assert f"{len(PAIRS)} pairs: {clusters} stereotypes and their opposites, {types} bias types" in " ".join(
        PAGE.split()
    )
    section = PAGE.split("## Sentence pairs")[1].split("\n## ")[0]
    assert all(name in section for name in ("CrowS-Pairs", "StereoSet", "Winogender", "Blodgett et al. 2021"))
    assert all(name in section for name in TYPES)


def item(**changes: Any) -> dict[str, Any]:
    labels = {"unrelated": "Cats purr.", "stereotype": "They are cold.", "anti-stereotype": "They are warm."}
    sentences = [{"id": label, "sentence": text, "gold_label": label, "labels": []} for label, text in labels.items()]
    return {"id": "a1", "target": "Norwegian", "bias_type": "race", "context": "I met a Norwegian.",
            "sentences": sentences} | changes  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_stereoset(write: Write, indent: int | None) -> None:
    data = {"intersentence": [item()], "intrasentence": [item(id="b2", context="Norwegians are BLANK.")]}
    intra, inter = read_pairs(write(json.dumps({"version": "1.0", "data": data}, indent=indent), "dev.json"))
    assert inter == SentencePair(
        id="a1", more="I met a Norwegian. They are cold.", less="I met a Norwegian. They are warm.",
        unrelated="I met a Norwegian. Cats purr.", bias_type="race", source="StereoSet intersentence",
        cluster="Norwegian",
    )  # fmt: skip
    assert (intra.id, intra.more, intra.unrelated) == ("b2", "They are cold.", "Cats purr.")
    assert intra.source == "StereoSet intrasentence"


@pytest.mark.parametrize(
    "wrong",
    [
        item(sentences=item()["sentences"][:2]),
        item(sentences=item()["sentences"] * 2),
        item(sentences=[{**told, "gold_label": "related"} for told in item()["sentences"]]),
        item(sentences=[{**told, "sentence": None} for told in item()["sentences"]]),
        item(sentences="text"),
        item(context=None),
        {"id": "a1"},
    ],
)
def test_broken_items_of_stereoset_are_named(write: Write, wrong: dict[str, Any]) -> None:
    path = write({"data": {"intersentence": [wrong]}}, "dev.json")
    with pytest.raises(
        UsageError, match=r"intersentence item 'a1': an item needs 'context' and one sentence for each"
    ):
        read_pairs(path)


@pytest.mark.parametrize("data", [{}, [], {"intersentence": 5}, {"intersentence": []}, {"intersentence": ["text"]}])
def test_other_documents_are_refused_in_a_sentence(write: Write, data: Any) -> None:
    with pytest.raises(UsageError):
        read_pairs(write({"data": data}, "dev.json"))


WINOGENDER = "occupation(0)\tother-participant(1)\tanswer\tsentence\n"
TEMPLATE = "The $OCCUPATION thanked the $PARTICIPANT because"


def test_winogender_without_statistics_measures_masculine_preference(write: Write) -> None:
    rows = f"nurse\tpatient\t0\t{TEMPLATE} $NOM_PRONOUN knew that $POSS_PRONOUN friend liked $ACC_PRONOUN.\n"
    (pair,) = read_pairs(write(WINOGENDER + rows, "templates.tsv"))
    assert pair == SentencePair(
        id="templates-2", more="The nurse thanked the patient because he knew that his friend liked him.",
        less="The nurse thanked the patient because she knew that her friend liked her.",
        bias_type="masculine preference", source="Winogender", cluster="nurse",
    )  # fmt: skip


def test_winogender_with_statistics_knows_which_is_the_stereotype(write: Write) -> None:
    rows = [("nurse", "0", "90.1"), ("plumber", "0", "3"), ("nurse", "1", "90.1"), ("cook", "0", "50.0")]
    text = "".join(f"{job}\tguest\t{answer}\t{TEMPLATE} $NOM_PRONOUN left.\t{share}\n" for job, answer, share in rows)
    pairs = read_pairs(write(WINOGENDER.replace("\n", "\tbls_pct_female\n") + text, "templates.tsv"))
    # Neither the guest's pronoun nor a job that is even says anything of a stereotype.
    assert [(pair.cluster, " she " in pair.more) for pair in pairs] == [("nurse", True), ("plumber", False)]
    assert {pair.bias_type for pair in pairs} == {"gender"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"a\tb\t0\t{TEMPLATE} they left.\t9", r"'sentence' must hold one of \$NOM_PRONOUN"),
        (
            f"a\tb\t0\t{TEMPLATE} $NOM_PRONOUN left.\tmany",
            r"'bls_pct_female' must be a number from 0 to 100, got 'many'",
        ),
        (f"a\tb\t0\t{TEMPLATE} $NOM_PRONOUN left.\t101", "'bls_pct_female' must be a number from 0 to 100"),
        (f"\tb\t0\t{TEMPLATE} $NOM_PRONOUN left.\t9", r"'occupation\(0\)' is empty"),
    ],
)
def test_broken_templates_are_named(write: Write, row: str, problem: str) -> None:
    path = write(WINOGENDER.replace("\n", "\tbls_pct_female\n") + row + "\n", "templates.tsv")
    with pytest.raises(UsageError, match=f"line 2: {problem}"):
        read_pairs(path)


def test_own_pairs_with_all_columns(write: Write) -> None:
    row = {"id": "x", "sent_more": "A", "sent_less": "B", "bias_type": "age", "unrelated": "C", "source": "mine",
           "cluster": "t"}  # fmt: skip
    expected = SentencePair(id="x", more="A", less="B", bias_type="age", unrelated="C", source="mine", cluster="t")
    assert read_pairs(write(row, "own.jsonl")) == (expected,)
    del row["source"], row["cluster"], row["unrelated"]
    assert read_pairs(write(row, "own.jsonl"))[0].source == "own.jsonl"


def test_crows_pairs_is_named() -> None:
    if not (path := DATA / "crows_pairs.csv").exists():
        pytest.skip(f"{path} is not here: a fresh clone of the project has no public data")
    pairs = read_pairs(path)
    assert {(pair.source, pair.cluster) for pair in pairs} == {("CrowS-Pairs", "")}
    assert not {pair.more for pair in pairs} & {pair.more for pair in PAIRS}  # ours are our own
