"""The benchmark of scorers compares the same scores, on texts as long as it says."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import benchmarks`, also where pytest was not started with `-m`

from benchmarks import scorers

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.mark.parametrize("lengths", ["uniform", "log-uniform"])
def test_texts_have_16_to_512_tokens_in_random_order(lengths: str) -> None:
    found = [len(text.split()) + 2 for text in scorers.made_up_texts(200, lengths, scorers.made_up_words(50))]
    assert (min(found) >= 16, max(found) <= 512) == (True, True)
    assert (min(found) < 20, max(found) > 500) == (True, True)
    assert found != sorted(found)
    middle = sorted(found)[100]
    assert middle == pytest.approx(264 if lengths == "uniform" else 90, abs=3)


@pytest.mark.slow
def test_a_row_has_rates_ratios_and_a_difference_of_nothing(tmp_path: Path) -> None:
    words = scorers.made_up_words(100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ways = scorers.ways(scorers.random_detoxify(tmp_path, TINY, words))
    texts = scorers.made_up_texts(40, "log-uniform", words)
    cells = scorers.row("tiny | log-uniform", ways, texts, 2, time.perf_counter).strip("| ").split(" | ")
    assert len(cells) == len(scorers.COLUMNS)
    assert all(float(rate) > 0 for rate in cells[2:6])
    assert float(cells[-1]) < 1e-5


def test_ratios_are_formed_between_neighbours_in_time() -> None:
    assert scorers._ratio([2.0, 40.0, 9.0], [1.0, 10.0, 3.0]) == "3.00 (2.00–4.00)"
