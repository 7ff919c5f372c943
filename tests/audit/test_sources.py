"""The training passages most like a text are found, with the words that they share."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.sources import PASSAGE, SHOWN, Sources, SourcesError, passages
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "To be, or not to be: that is the question.",
    "",
    "我喜欢在公园里散步",
    "😀😀",
    "A recipe for bread: flour, water, salt and yeast.",
]


def test_the_nearest_passage_comes_first_with_what_is_shared() -> None:
    found = Sources(TEXTS).nearest("He said THE QUICK, brown fox jumps under a bread", k=2)
    assert [passage.place for passage in found] == [0, 5]
    assert found[0].shared == "The quick brown fox jumps"
    assert found[0].text == TEXTS[0]
    assert found[0].score > found[1].score > 0


def test_a_text_of_frequent_words_is_found_too() -> None:
    assert Sources(TEXTS).nearest("to be or not to be")[0].shared == "To be, or not to be"


@pytest.mark.parametrize("sample", ["", " \n", "😀😀", "公园", "zzz unheard-of", "\x00\ud800", "x" * 3_000_000])
def test_what_shares_no_word_has_no_source(sample: str) -> None:
    assert Sources(TEXTS).nearest(sample) == []


@pytest.mark.parametrize("texts", [[], ["", " "], ["😀"], ["\x00", "\ud800"], ["a b c"]])
def test_texts_without_words_have_no_passages_to_find(texts: list[str]) -> None:
    assert Sources(texts).nearest("the quick brown fox") == []


def test_megabytes_of_rubbish_do_no_harm() -> None:
    rubbish = ["x" * 3_000_000, " " * 3_000_000, "\ud800" * 10_000, "a\x00" * 100_000, TEXTS[0]]
    sources = Sources(rubbish)
    assert sources.nearest("quick brown fox " * 100_000, k=1)[0].place == 4
    assert sources.amount < 10  # pieces that are the same are one


def test_texts_are_read_once_and_no_more_of_them_than_allowed() -> None:
    def texts() -> Iterator[str]:
        yield from ("one apple", "two pears", "one apple")
        yield "three plums"
        raise AssertionError("read on")

    sources = Sources(texts(), most=2)
    assert sources.nearest("apple")[0].copies == 2
    assert sources.nearest("plums") == []
    assert (sources.cut, sources.amount) == (True, 2)
    assert not Sources(["one", "two"], most=2).cut


def test_of_a_long_passage_the_shared_words_are_shown() -> None:
    filler = " ".join(f"word{number}" for number in range(100))
    text = f"{filler} the needle in the haystack"
    (found,) = Sources([text]).nearest("a needle in the haystack")
    assert len(found.text) <= SHOWN
    assert found.shared == "needle in the haystack"
    assert found.shared in found.text
    assert found.text in text


@given(st.lists(st.text(alphabet=st.sampled_from("ab \n"), max_size=3 * PASSAGE), max_size=4))
@settings(max_examples=50, deadline=None)
def test_passages_are_short_and_lose_nothing_but_white_space(texts: list[str]) -> None:
    found = list(passages(texts))
    assert all(0 < len(passage) <= PASSAGE and passage == passage.strip() for _, passage in found)
    for place, text in enumerate(texts):
        mine = [passage for number, passage in found if number == place]
        assert "".join("".join(mine).split()) == "".join(text.split())


def test_words_stay_whole_where_a_text_is_cut() -> None:
    words = [f"word{number}" for number in range(1000)]
    assert [word for _, passage in passages([" ".join(words)]) for word in passage.split()] == words


def test_what_is_no_list_of_texts_is_said() -> None:
    with pytest.raises(UsageError, match="one string"):
        Sources("a text").nearest("a text")
    sources = Sources(["a", 1])  # type: ignore[list-item]
    for _ in range(2):
        with pytest.raises(UsageError, match="text 1 is of type int"):
            sources.nearest("a text")
    with pytest.raises(UsageError, match="most must be at least 1"):
        Sources([], most=0)


def test_random_states_stay_as_they_are() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()
    Sources(TEXTS).nearest("the quick brown fox")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(SourcesError, match="pip install"):
        Sources(TEXTS).nearest("the quick brown fox")


@pytest.mark.slow
def test_nothing_is_printed_logged_or_warned_and_nothing_drawn() -> None:
    program = (
        "import logging, random, numpy, warnings; warnings.simplefilter('error'); logging.basicConfig(level=10)\n"
        "before = random.getstate(), numpy.random.get_state()[1].tolist()\n"
        "from groundwire.audit.sources import Sources\n"
        f"assert Sources({TEXTS!r} * 50).nearest('the quick brown fox')\n"
        "assert (random.getstate(), numpy.random.get_state()[1].tolist()) == before"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert logging.getLogger().level != logging.DEBUG
