"""Shares of sentence pairs are exact, their intervals cover, and what is no log-likelihood is refused."""

from __future__ import annotations

import csv
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.likelihood import NAMES, LikelihoodError, LikelihoodFound, measure_likelihood
from groundwire.audit.model import Metric, Quality
from groundwire.audit.prompts import SentencePair
from groundwire.audit.prompts.pairs import load_pairs
from groundwire.audit.prompts.readers import read_pairs
from groundwire.audit.statistics import proportion_interval
from groundwire.audit.telling import Teller
from hypothesis import given, settings
from hypothesis import strategies as st

CROWS = Path(__file__).parents[3] / "shared" / "data" / "crows_pairs.csv"
SHARE, SENSE, ICAT = NAMES
NORMALISED = {"normalised": "per character"}
SIMULATIONS = 200


def teller() -> Teller:
    return Teller(step=7, method="", nothing="nothing was measured")


def pair(more: str, less: str, **options: str) -> SentencePair:
    return SentencePair(**({"id": more, "more": more, "less": less} | options))


def metric(found: LikelihoodFound, name: str = SHARE, **labels: str) -> Metric:
    return next(one for one in found.metrics if one.name == name and one.labels == labels)


def by_table(table: dict[str, float]) -> Callable[[list[str]], list[float]]:
    return lambda texts: [table[text] for text in texts]


class Bigrams:
    """A causal model over characters: p(text) = ∏ p(character | the one before), add-one smoothed."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.pairs = Counter(two for text in texts for two in zip(f"\n{text}", f"{text}\n", strict=True))
        self.before = Counter(one for text in texts for one in f"\n{text}")
        self.characters = len({one for text in texts for one in text}) + 1  # and the end

    def log_probability(self, text: str) -> float:
        steps = zip(f"\n{text}", f"{text}\n", strict=True)
        return math.fsum(math.log((self.pairs[a, b] + 1) / (self.before[a] + self.characters)) for a, b in steps)

    def __call__(self, texts: list[str]) -> list[float]:
        return [self.log_probability(text) for text in texts]


def crows_rows() -> list[dict[str, str]]:
    if not CROWS.exists():
        pytest.skip(f"{CROWS} is not here: a fresh clone of the project has no public data")
    with CROWS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_bigrams_are_a_distribution() -> None:
    model = Bigrams(["ab", "b"])
    total = sum(math.exp(model.log_probability(text)) for text in ("", "a", "b", "aa", "ab", "ba", "bb"))
    assert model.log_probability("ab") == pytest.approx(math.log(2 / 5 * 2 / 4 * 3 / 5))
    assert total < 1


def test_crows_pairs_equals_a_direct_computation() -> None:
    rows = crows_rows()
    model = Bigrams([row["sent_less"] for row in rows[::2]])
    more = [model.log_probability(row["sent_more"]) for row in rows]
    less = [model.log_probability(row["sent_less"]) for row in rows]
    wins = [float(a > b) + (a == b) / 2 for a, b in zip(more, less, strict=True)]
    scaled = [
        float(a / len(row["sent_more"]) > b / len(row["sent_less"]))
        + (a / len(row["sent_more"]) == b / len(row["sent_less"])) / 2
        for a, b, row in zip(more, less, rows, strict=True)
    ]

    found = measure_likelihood(read_pairs(CROWS), model, teller=teller())

    told = metric(found)
    assert (told.value, told.n, found.pairs_done) == (sum(wins) / 1508, 1508, 1508)
    assert (told.quality, told.scorer, told.step) == (Quality.MEASURED, None, 7)
    assert metric(found, **NORMALISED).value == sum(scaled) / 1508
    exact = 0
    for kind, count in Counter(row["bias_type"] for row in rows).items():
        of_kind = [win for win, row in zip(wins, rows, strict=True) if row["bias_type"] == kind]
        one = metric(found, bias_type=kind)
        assert (one.value, one.n) == (sum(of_kind) / count, count)
        if 0.5 not in of_kind:
            exact += 1
            assert (one.low, one.high) == proportion_interval(round(sum(of_kind)), count)
    assert exact >= 3  # bigrams do not see who of two did what to whom: some pairs tie
    assert len(found.metrics) == 2 + 9  # one set: no row of its own; no triples


@pytest.mark.slow
def test_crows_pairs_with_a_tiny_gpt2_equals_a_direct_computation(request: pytest.FixtureRequest) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    rows = crows_rows()
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # such a model is too small for more
    config = transformers.GPT2Config(vocab_size=257, n_positions=512, n_embd=16, n_layer=2, n_head=2)
    model = transformers.GPT2LMHeadModel(config).double().eval()

    def log_likelihood(texts: list[str]) -> Any:
        tokens = [[256, *text.encode()] for text in texts]
        longest = max(map(len, tokens))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in tokens])
        with torch.no_grad():
            told = model(ids[:, :-1]).logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
        counted = torch.arange(longest - 1) < torch.tensor([[len(row) - 1] for row in tokens])
        return (told * counted).sum(-1)  # a tensor

    def directly(text: str) -> float:
        ids = torch.tensor([[256, *text.encode()]])
        with torch.no_grad():
            loss = model(ids, labels=ids).loss  # mean over the tokens after the first
        return -float(loss) * (ids.shape[1] - 1)

    likelier = sum(directly(row["sent_more"]) > directly(row["sent_less"]) for row in rows)
    assert metric(measure_likelihood(read_pairs(CROWS), log_likelihood, teller=teller())).value == likelier / 1508


def test_each_sentence_is_divided_by_its_own_length() -> None:
    pairs = [pair("ab", "abcd", unrelated="abcdefgh")]
    found = measure_likelihood(pairs, by_table({"ab": -3.0, "abcd": -4.0, "abcdefgh": -6.0}), teller=teller())
    assert (metric(found).value, metric(found, SENSE).value) == (1.0, 1.0)
    assert (metric(found, **NORMALISED).value, metric(found, SENSE, **NORMALISED).value) == (0.0, 0.0)


def test_ties_count_half() -> None:
    pairs = [pair(f"more {place}", f"less {place}") for place in range(40)]
    table = {text: -5.0 for one in pairs for text in (one.more, one.less)}
    table |= {one.more: -4.0 for one in pairs[:19]}
    table |= {one.less: -4.0 for one in pairs[19:39]}
    found = measure_likelihood(pairs, by_table(table), teller=teller())
    told = metric(found)
    assert told.value == (19 + 0.5) / 40
    assert told.low is not None
    assert told.high is not None
    assert told.low < 0.4
    assert told.high > 0.6
    assert (told.quality, told.n) == (Quality.MEASURED, 40)
    assert "ties count half" in told.method


def test_a_function_that_says_the_same_of_all_decides_nothing() -> None:
    found = measure_likelihood(load_pairs(), lambda texts: [-3.0] * len(texts), teller=teller())
    told = metric(found)
    assert (told.value, told.quality) == (0.5, Quality.UNKNOWN)
    assert told.reason is not None
    assert told.reason.startswith("100 % of the pairs are equally likely to the last digit: sum log-probabilities in")
    assert told.reason in found.problems


def test_our_pairs_are_even_for_a_model_that_only_prefers_words() -> None:
    texts = [text for one in load_pairs() for text in (one.more, one.less)]
    rng = np.random.default_rng(0)
    weights = {word: float(rng.uniform(-12, -4)) for text in texts for word in text.rstrip(".").split()}
    found = measure_likelihood(
        load_pairs(), lambda told: [math.fsum(weights[word] for word in text.rstrip(".").split()) for text in told],
        teller=teller(),
    )  # fmt: skip
    assert metric(found).value == 0.5
    assert all(one.value == 0.5 for one in found.metrics if "bias_type" in one.labels)
    assert metric(found).n == len({one.cluster for one in load_pairs()})


def test_our_pairs_tell_a_model_that_knows_the_stereotypes() -> None:
    more = {one.more for one in load_pairs()}
    less = {one.less for one in load_pairs()}
    assert not more & less
    found = measure_likelihood(load_pairs(), lambda texts: [-1.0 - (t in less) for t in texts], teller=teller())
    told = metric(found)
    assert told.value == 1.0
    assert told.low is not None
    assert told.low > 0.9
    assert len([one for one in found.metrics if "bias_type" in one.labels]) == 9


def test_minus_infinity_is_less_than_any_number_and_equal_to_itself() -> None:
    pairs = [pair(f"more {place}", f"less {place}") for place in range(40)]
    table = {one.more: -900.0 for one in pairs} | {one.less: -math.inf for one in pairs}
    table |= {pairs[0].more: -math.inf}
    found = measure_likelihood(pairs, by_table(table), teller=teller())
    assert metric(found).value == 39.5 / 40
    assert metric(found, **NORMALISED).value == 39.5 / 40
    assert found.problems == ["40 of 40 pairs have a sentence of probability 0"]


def test_stereoset_scores() -> None:
    pairs = [
        pair(f"more {place}", f"less {place}", unrelated=f"none {place}", source="StereoSet") for place in range(50)
    ]
    table = {one.more: -2.0 for one in pairs} | {one.less: -3.0 for one in pairs}
    table |= {one.less: -1.0 for one in pairs[:20]}  # SS = 30 / 50
    table |= {one.unrelated: -9.0 for one in pairs} | {one.unrelated: -1.5 for one in pairs[:10]}  # between both
    found = measure_likelihood([*pairs, pair("a", "b", source="own")], by_table({**table, "a": -1, "b": -2}),
                               teller=teller())  # fmt: skip
    assert metric(found).value == 31 / 51
    assert metric(found, set="StereoSet").value == 30 / 50
    assert metric(found, set="own").value == 1.0
    assert metric(found, SENSE).value == (2 * 40 + 10) / 100
    assert metric(found, ICAT).value == pytest.approx(90 * min(60, 40) / 50)
    for told in (metric(found, SENSE), metric(found, ICAT)):
        assert told.value is not None
        assert told.low is not None
        assert told.high is not None
        assert told.low < told.value < told.high
        assert told.n == 50
    assert not [one for one in found.metrics if one.labels == {"set": "own"} and one.name != SHARE]


@pytest.mark.parametrize(("share", "sense", "score"), [(1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.5, 1.0, 100.0)])
def test_icat_at_its_ends(share: float, sense: float, score: float) -> None:
    pairs = [pair(f"more {place}", f"less {place}", unrelated=f"none {place}") for place in range(20)]
    table = {text: -9.0 for one in pairs for text in (one.more, one.less, one.unrelated)}
    table |= {one.more: -2.0 for one in pairs} | {one.less: -3.0 for one in pairs}
    table |= {one.less: -1.0 for one in pairs[round(20 * share) :]}
    told = metric(measure_likelihood(pairs, by_table(table), teller=teller()), ICAT)
    assert told.value == score * sense
    assert told.low is not None
    assert told.high is not None
    assert 0 <= told.low <= score <= told.high <= 100


def covered(
    draw: Callable[[np.random.Generator], tuple[list[SentencePair], dict[str, float]]], truth: float
) -> float:
    """Return in how many of the simulations the interval holds the planted preference."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(SIMULATIONS):
        pairs, table = draw(rng)
        told = metric(measure_likelihood(pairs, by_table(table), teller=teller()))
        assert told.low is not None
        assert told.high is not None
        held += told.low <= truth <= told.high
    return held / SIMULATIONS


@pytest.mark.slow
@pytest.mark.parametrize("preference", [0.5, 0.65, 0.95])
def test_the_interval_covers_a_planted_preference(preference: float) -> None:
    def draw(rng: np.random.Generator) -> tuple[list[SentencePair], dict[str, float]]:
        pairs = [pair(f"more {place}", f"less {place}") for place in range(80)]
        wins = rng.random(80) < preference
        return pairs, {one.more: -1.0 - (not win) for one, win in zip(pairs, wins, strict=True)} | {
            one.less: -1.5 for one in pairs
        }

    assert covered(draw, preference) >= 0.93


@pytest.mark.slow
def test_the_interval_covers_with_ties() -> None:
    def draw(rng: np.random.Generator) -> tuple[list[SentencePair], dict[str, float]]:
        pairs = [pair(f"more {place}", f"less {place}") for place in range(80)]
        values = rng.choice([-1.0, -1.5, -2.0], p=[0.6, 0.2, 0.2], size=80)
        return pairs, {one.more: float(v) for one, v in zip(pairs, values, strict=True)} | {
            one.less: -1.5 for one in pairs
        }

    assert covered(draw, 0.6 + 0.1) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(4,), (2, 4, 9)])
def test_the_interval_covers_where_pairs_of_a_cluster_are_alike(sizes: tuple[int, ...]) -> None:
    def draw(rng: np.random.Generator) -> tuple[list[SentencePair], dict[str, float]]:
        pairs, table = [], {}
        for cluster in range(75):
            leaning = rng.beta(1.2, 0.8)  # mean 0.6, intracluster correlation 1/3
            for place in range(sizes[cluster % len(sizes)]):
                one = pair(f"more {cluster} {place}", f"less {cluster} {place}", cluster=str(cluster))
                pairs.append(one)
                table |= {one.more: -1.0 - float(rng.random() > leaning), one.less: -1.5}
        return pairs, table

    assert covered(draw, 0.6) >= 0.93


likelihoods = st.one_of(st.floats(-50, 0), st.sampled_from([-3.0, -2.0, -math.inf]))


@st.composite
def asked(draw: st.DrawFn) -> tuple[list[SentencePair], dict[str, float]]:
    """Draw pairs with their log-likelihoods."""
    count = draw(st.integers(1, 12))
    pairs = [
        pair(f"more {place}", f"less {place}", bias_type=draw(st.sampled_from(["age", "religion", ""])),
             cluster=draw(st.sampled_from(["", "a", "b"])), source=draw(st.sampled_from(["", "x", "y"])))
        for place in range(count)
    ]  # fmt: skip
    return pairs, {text: draw(likelihoods) for one in pairs for text in (one.more, one.less)}


@pytest.mark.slow
@given(asked())
@settings(max_examples=40, deadline=None)
def test_swapping_the_sentences_turns_the_share_round(
    given_pairs: tuple[list[SentencePair], dict[str, float]],
) -> None:
    pairs, table = given_pairs
    swapped = [
        SentencePair(id=p.id, more=p.less, less=p.more, bias_type=p.bias_type, source=p.source, cluster=p.cluster)
        for p in pairs
    ]
    first, second = (measure_likelihood(each, by_table(table), teller=teller()) for each in (pairs, swapped))
    for one, other in zip(first.metrics, second.metrics, strict=True):
        assert (one.key, one.n, one.quality) == (other.key, other.n, other.quality)
        assert one.value is not None
        assert other.value is not None
        assert one.value == pytest.approx(1 - other.value)
        assert one.low is not None
        assert one.high is not None
        assert 0 <= one.low <= one.value <= one.high <= 1


@pytest.mark.slow
@given(asked(), st.randoms(use_true_random=False), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_the_order_of_pairs_and_the_size_of_batches_do_not_matter(
    given_pairs: tuple[list[SentencePair], dict[str, float]], random: Any, batch: int
) -> None:
    pairs, table = given_pairs
    mixed = random.sample(pairs, len(pairs))
    first = measure_likelihood(pairs, by_table(table), teller=teller())
    assert measure_likelihood(mixed, by_table(table), teller=teller(), batch=batch) == first


def test_batches_are_full_and_hold_each_text_once() -> None:
    calls: list[list[str]] = []

    def log_likelihood(texts: list[str]) -> list[float]:
        calls.append(texts)
        return [-float(len(text)) for text in texts]

    measure_likelihood(load_pairs(), log_likelihood, teller=teller())
    assert {len(call) for call in calls} == {32}
    assert Counter(text for call in calls for text in call) == Counter(
        text for one in load_pairs() for text in (one.more, one.less)
    )


def test_after_the_deadline_no_call_begins_and_what_was_done_is_a_random_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def log_likelihood(texts: list[str]) -> list[float]:
        now[0] += 1.0
        return [-float(len(text)) - 0.001 * place for place, text in enumerate(texts)]

    found = measure_likelihood(load_pairs(), log_likelihood, teller=teller(), deadline=4.5)
    assert now[0] == 5.0
    assert found.pairs_done == len(found.pairs) == 5 * 32 // 2
    assert "80 of 304 pairs drawn with seed 0 in the time given" in metric(found).method
    assert len({one.pair.bias_type for one in found.pairs}) == 9  # not the first types of the file

    found = measure_likelihood(load_pairs(), log_likelihood, teller=teller(), deadline=4.5)
    (told,) = found.metrics
    assert (told.name, told.value, found.pairs_done) == (SHARE, None, 0)
    assert told.reason == "the time was over before any sentence pair was asked"


def raises(_texts: list[str]) -> list[float]:
    raise RuntimeError("out of memory\nat line 3")


BAD: list[tuple[Any, str]] = [
    (raises, "log_likelihood raised RuntimeError: out of memory; it gets a list of texts, as strings"),
    (lambda texts: [math.nan] * len(texts), "returned nan for text 1 of a call: look for weights"),
    (lambda texts: [math.inf] * len(texts), "returned inf .*no logarithm of a probability is above 0"),
    (lambda texts: [3.25] * len(texts), "returned 3.25 .*: sum the log-probabilities of the tokens"),
    (lambda texts: [-1.0] * (len(texts) - 1), "returned 1 numbers for 2 texts: return one for each"),
    (lambda texts: [[-1.0]] * len(texts), "returned list where a number belongs: return floats"),
    (lambda texts: ["-1"] * len(texts), "returned str where a number belongs"),
    (lambda texts: [True] * len(texts), "returned bool where a number belongs"),
    (lambda _: "-1-1", "returned str: return a list with one number for each text"),
    (lambda _: None, "returned NoneType: return a list"),
    (lambda _: -1.0, "returned float: return a list"),
    (lambda _: np.float32(-1), "returned float: return a list"),
    (lambda texts: dict.fromkeys(texts, -1.0), "returned dict: return a list"),
    (lambda texts: -np.ones((len(texts), 1)), "returned list where a number belongs"),
]


@pytest.mark.parametrize(("log_likelihood", "problem"), BAD)
def test_what_is_no_log_likelihood_is_one_sentence(log_likelihood: Any, problem: str) -> None:
    with pytest.raises(LikelihoodError, match=problem) as caught:
        measure_likelihood([pair("A woman", "A man")], log_likelihood, teller=teller())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda values: [np.float32(v) for v in values]])
def test_lists_tuples_and_arrays_are_taken(kind: Any) -> None:
    found = measure_likelihood([pair("A woman", "A man")], lambda _: kind([-1.0, 0.0005]), teller=teller())
    assert metric(found).value == 0.0


def test_nothing_to_ask_and_no_batch() -> None:
    with pytest.raises(UsageError, match="there are no sentence pairs: give at least one"):
        measure_likelihood([], raises, teller=teller())
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        measure_likelihood([pair("a", "b")], raises, teller=teller(), batch=0)
