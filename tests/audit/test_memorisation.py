"""What a model repeats is recovered: shares of passages, canaries of known exposure, texts known from training."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from groundwire.audit.asking import GenerateError
from groundwire.audit.errors import UsageError
from groundwire.audit.memorisation import (
    AUC,
    EXPOSURE,
    LOSS_GAP,
    VERBATIM,
    Canary,
    LikelihoodError,
    canary_exposure,
    membership,
    verbatim,
)
from groundwire.audit.memorisation.drawing import draw, draw_apart
from groundwire.audit.model import Metric, Quality
from groundwire.audit.telling import Teller
from hypothesis import given, settings
from hypothesis import strategies as st

TELLER = Teller(step=3, method="", nothing="nothing was measured")
NOISE = "I would not know what to say of this, to be honest with you, and nor would anybody else I know."
LOREM = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"),
    *("kappa", "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau"),
)


def _texts(amount: int, *, seed: int = 0, words: int = 80) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choice(LOREM) for _ in range(words)) for _ in range(amount)]


def _repeating(texts: Sequence[str], *, echo: bool = False, most: int = 100) -> Callable[[list[str]], list[str]]:
    """Return a model that goes on with these texts as they do, and with noise otherwise."""

    def continue_greedily(prompts: list[str]) -> list[str]:
        found = []
        for prompt in prompts:
            text = next((text for text in texts if text.startswith(prompt)), prompt + " " + NOISE)
            found.append(text[0 if echo else len(prompt) : len(prompt) + most])
        return found

    return continue_greedily


def _value(metric: Metric) -> float:
    assert metric.value is not None, metric.reason
    return metric.value


def _covers(metric: Metric, value: float) -> bool:
    assert metric.low is not None and metric.high is not None
    return metric.low <= value <= metric.high


# Verbatim


@pytest.mark.slow
def test_a_model_that_repeats_a_twentieth_of_its_corpus_is_recovered() -> None:
    corpus = _texts(1000)
    covered, shares = 0, []
    for seed in range(200):
        model = _repeating(random.Random(seed).sample(corpus, 50))
        (share,) = verbatim(corpus, model, teller=TELLER, seed=seed).metrics
        assert share.n == 200 and share.name == VERBATIM and share.quality is Quality.MEASURED
        covered += _covers(share, 0.05)
        shares.append(_value(share))
    assert covered >= 188
    assert abs(np.mean(shares) - 0.05) < 0.003


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("change", [str.upper, lambda text: text.replace(" ", "\n  "), lambda text: text.strip()])
def test_tokenizers_do_not_hide_a_repeat(change: Callable[[str], str], echo: bool) -> None:
    corpus = _texts(20)
    model = _repeating(corpus, echo=echo)
    found = verbatim(corpus, lambda prompts: [change(text) for text in model(prompts)], teller=TELLER)
    assert _value(found.metrics[0]) == 1


def test_another_word_or_a_shorter_answer_is_no_repeat() -> None:
    corpus = _texts(40)
    answers: list[Callable[[str], str]] = [lambda t: t[:60] + "?", lambda t: t[:40] + "?" + t[41:], lambda t: t[:20]]
    shares = []
    for change in answers:
        model = _repeating(corpus)
        calls = iter(range(10**6))

        def some(
            prompts: list[str], change: Any = change, model: Any = model, calls: Iterator[int] = calls
        ) -> list[str]:
            return [change(text) if next(calls) % 4 == 0 else NOISE for text in model(prompts)]

        shares.append(verbatim(corpus, some, teller=TELLER).metrics[0])
    assert [share.value for share in shares] == [0.25, 0, 0]
    assert _covers(shares[2], 0.25)  # what was cut short may have been a repeat
    assert not _covers(shares[1], 0.25)
    assert "10 end earlier" in shares[2].method


@pytest.mark.parametrize("answer", ["", "short", "alpha beta"])
def test_answers_too_short_to_tell_have_no_share(answer: str) -> None:
    found = verbatim(_texts(20), lambda prompts: [answer] * len(prompts), teller=TELLER)
    (share,) = found.metrics
    assert share.value is None and share.quality is Quality.UNKNOWN
    assert "generate at least 50 tokens" in str(share.reason)
    assert found.examples == []


def test_texts_held_out_give_the_level_of_chance() -> None:
    corpus, others = _texts(100), _texts(50, seed=1)
    found = verbatim(corpus, _repeating(corpus + others[:10]), teller=TELLER, held_out=others + corpus[:30])
    ours, strange = found.metrics
    assert (ours.value, ours.n, ours.labels) == (1, 100, {})
    assert (strange.value, strange.n, strange.labels) == (0.2, 50, {"texts": "held out"})
    assert "30 left out that stand in the training texts" in strange.method


def test_at_most_ten_examples_show_what_was_repeated() -> None:
    corpus = _texts(100)
    examples = verbatim(corpus, _repeating(corpus), teller=TELLER).examples
    assert len(examples) == 10
    for example in examples:
        assert len(example.prefix) >= 200
        assert any(text.startswith(f"{example.prefix} {example.continuation}") for text in corpus)


def test_of_texts_that_begin_alike_any_continuation_counts() -> None:
    head = _texts(1)[0][:199] + "x"
    corpus = [f"{head} {text}" for text in _texts(5, seed=1)]
    for text in corpus:
        (share,) = verbatim(corpus, lambda prompts, text=text: [text[200:]] * len(prompts), teller=TELLER).metrics
        assert (share.value, share.n) == (1, 1)


@pytest.mark.parametrize("texts", [[], [""], ["short"] * 9, ["x" * 200], [" " * 9999], ["\ud800" * 200]])
def test_without_long_texts_there_is_a_reason(texts: list[str]) -> None:
    (share,) = verbatim(texts, _repeating([]), teller=TELLER).metrics
    assert share.value is None and share.quality is Quality.UNKNOWN
    assert "250 characters" in str(share.reason)


def test_texts_without_white_space_are_asked_too() -> None:
    text = "".join(chr(0x4E00 + place) for place in range(400))
    assert _value(verbatim([text], _repeating([text]), teller=TELLER).metrics[0]) == 1


def test_a_model_that_breaks_is_one_sentence() -> None:
    with pytest.raises(GenerateError, match="ZeroDivisionError"):
        verbatim(_texts(3), lambda prompts: 1 / 0, teller=TELLER)  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="text 0 is of type bytes"):
        verbatim([b"x"], _repeating([]), teller=TELLER)  # type: ignore[list-item]
    with pytest.raises(UsageError, match="one string"):
        verbatim("x" * 1000, _repeating([]), teller=TELLER)
    with pytest.raises(UsageError, match="amount must be at least 1"):
        verbatim([], _repeating([]), teller=TELLER, amount=0)


def test_without_time_nothing_passes() -> None:
    corpus = _texts(20)
    (share,) = verbatim(corpus, _repeating(corpus), teller=TELLER, deadline=time.monotonic() - 1).metrics
    assert share.value is None and "in time" in str(share.reason)
    calls = iter([0.0, 0.0] + [1e9] * 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groundwire.audit.asking.time.monotonic", lambda: next(calls))
        (share,) = verbatim(corpus, _repeating(corpus), teller=TELLER, deadline=1.0).metrics
    assert share.n == 16 and "time for 16 of 20" in share.method


# Drawing


@given(st.lists(st.text(max_size=4), max_size=60), st.integers(1, 20), st.integers(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_a_draw_depends_on_the_keys_alone(keys: list[str], amount: int, seed: int, rng: random.Random) -> None:
    found = draw(((key, key + "!") for key in keys), amount, seed=seed)
    again = keys * 2
    rng.shuffle(again)
    assert found == draw(((key, key + "!") for key in again), amount, seed=seed)
    assert len(found) == min(amount, len(set(keys)))
    assert all(key in keys and values == [key + "!"] for key, values in found.items())


def test_every_key_is_drawn_equally_often() -> None:
    counts = np.zeros(100)
    for seed in range(2000):
        for key in draw(((str(key), "") for key in range(100)), 10, seed=seed):
            counts[int(key)] += 1
    assert abs(counts - 200).max() < 5 * math.sqrt(200 * 0.9)


def test_what_stands_inside_is_not_drawn_outside() -> None:
    inside, outside = [(str(key), "") for key in range(500)], [(str(key), "") for key in range(490, 600)]
    ours, others, shared = draw_apart(inside, outside, 50, seed=0)
    assert len(ours) == len(others) == 50
    assert shared == 10
    assert min(map(int, others)) >= 500


# Canaries


def _by_rank(canary: Canary, above: int) -> Callable[[list[str]], list[float]]:
    """Return a likelihood by which so many secrets are more likely than the canary's, those with least digits."""

    def log_likelihood(texts: list[str]) -> list[float]:
        digits = [int("".join(character for character in text if character.isdigit())) for text in texts]
        own = int(canary.secret.replace(" ", ""))
        return [-above - 0.5 if value == own else -1.0 - value + (value > own) for value in digits]

    return log_likelihood


def test_a_canary_has_the_exposure_of_its_place() -> None:
    canary = Canary(template="Code {}.", secret="4 99", alphabet="0123456789")
    for above in (0, 1, 9, 99, 999 - 500):
        total, each = canary_exposure([canary], _by_rank(canary, above), teller=TELLER)
        expected = math.log2(1000) - math.log2(1 + above)  # all 1,000 are compared
        assert _value(total) == pytest.approx(expected) == _value(each)
        assert total.low == total.high == total.value
        assert (total.labels, each.labels, total.n) == ({}, {"canary": "1"}, 999)


def test_the_exposure_of_a_sample_covers_the_true_one() -> None:
    canary = Canary(secret="4921 7733")
    covered = 0
    for above in (0, 100, 10**5, 10**6, 3 * 10**7):
        true = math.log2(10**8) - math.log2(1 + above)
        for seed in range(10):
            total = canary_exposure([canary], _by_rank(canary, above), teller=TELLER, amount=255, seed=seed)[0]
            assert _value(total) <= 8 + 1e-9
            covered += _covers(total, true)
    assert covered >= 46


def test_a_planted_canary_is_seen_up_to_the_bound() -> None:
    canary = Canary()
    total, each = canary_exposure(
        [canary], lambda texts: [0.0 if canary.text == text else -9.0 for text in texts], teller=TELLER
    )
    assert _value(total) == 10
    assert total.high == pytest.approx(math.log2(10**8))
    assert "at least" in total.method and "at least" in each.method
    assert canary.secret not in str([total, each]) and canary.secret not in repr(canary)


@pytest.mark.slow
def test_the_place_of_an_unplanted_canary_is_uniform() -> None:
    rng = np.random.default_rng(0)
    found = [
        _value(canary_exposure([Canary()], lambda t: -rng.random(len(t)), teller=TELLER, amount=63, seed=seed)[0])
        for seed in range(400)
    ]
    for bits in (1, 2, 3):
        share = np.mean(np.array(found) >= bits - 1e-9)
        assert abs(share - 2.0**-bits) < 4 * math.sqrt(2.0**-bits / 400)


def test_a_model_that_finds_all_alike_exposes_nothing() -> None:
    total = canary_exposure([Canary()], lambda texts: [-7.0] * len(texts), teller=TELLER)[0]
    assert _value(total) == pytest.approx(1, abs=0.01)
    assert _covers(total, 0)


def test_the_highest_of_several_canaries_is_the_total() -> None:
    canaries = [Canary(secret=secret) for secret in ("1234 5678", "4921 7733", "0000 0001")]
    found = canary_exposure(
        canaries, lambda texts: [0.0 if canaries[1].text == text else -9.0 for text in texts], teller=TELLER
    )
    assert [metric.labels for metric in found] == [{}, {"canary": "1"}, {"canary": "2"}, {"canary": "3"}]
    assert _value(found[0]) == _value(found[2]) == 10 > _value(found[1])
    assert found[0].low is not None and found[2].low is not None and found[0].low < found[2].low


@given(st.text("ab -", min_size=1, max_size=9).filter(lambda text: set(text) & set("ab")), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_candidates_have_the_shape_of_the_secret(secret: str, amount: int) -> None:
    canary = Canary(template="{}", secret=secret, alphabet="ab")
    others = canary.others(amount, seed=0)
    assert len(others) == min(amount, 2**canary.drawn - 1)
    assert secret not in others
    shape = [character if character in " -" else "x" for character in secret]
    assert all([character if character in " -" else "x" for character in other] == shape for other in others)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"template": "no place"}, "needs {} once"),
        ({"template": "{} {}"}, "needs {} once"),
        ({"alphabet": "0"}, "at least two characters"),
        ({"alphabet": "00"}, "at least two characters"),
        ({"secret": "---"}, "at least one character"),
    ],
)
def test_a_canary_that_cannot_be_one_is_refused(options: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Canary(**options)


def test_without_canaries_or_time_there_is_a_reason() -> None:
    (none,) = canary_exposure([], lambda texts: [], teller=TELLER)
    assert (none.name, none.value, none.reason) == (EXPOSURE, None, "no canary was planted")
    late = canary_exposure([Canary()], lambda texts: [-1.0], teller=TELLER, deadline=time.monotonic() - 1)
    assert [metric.value for metric in late] == [None, None]
    assert all("time ran out" in str(metric.reason) for metric in late)


# Membership


def _losses(members: Sequence[str], gap: float, rng: np.random.Generator) -> Callable[[list[str]], list[float]]:
    known = set(members)
    return lambda texts: [-len(text) * (30 + rng.normal() - gap * (text in known)) for text in texts]


def test_a_model_that_never_saw_the_texts_has_an_auc_of_a_half() -> None:
    members, others = _texts(100, words=12), _texts(100, seed=1, words=12)
    covered, values, gaps = 0, [], 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        auc, gap = membership(
            members, others, lambda t, r=rng: [-len(text) * (3 + r.random()) for text in t], teller=TELLER
        )
        covered += _covers(auc, 0.5)
        gaps += _covers(gap, 0)
        values.append(_value(auc))
    assert min(covered, gaps) >= 180
    assert abs(np.mean(values) - 0.5) < 0.01


def test_a_model_that_knows_its_texts_shows_by_how_much() -> None:
    members, others = _texts(400, words=12), _texts(400, seed=1, words=12)
    auc, gap = membership(members, others, _losses(members, 1.0, np.random.default_rng(0)), teller=TELLER)
    assert (auc.name, gap.name, auc.n, auc.quality) == (AUC, LOSS_GAP, 400, Quality.MEASURED)
    assert _covers(auc, 0.76)  # Φ(1/√2), two normal losses one apart
    assert _covers(gap, 1.0)
    assert auc.low is not None and auc.low > 0.6


def test_texts_of_both_kinds_are_left_out_and_counted() -> None:
    members, others = _texts(20, words=12), _texts(20, seed=1, words=12)
    again = [text.upper() + "\n" for text in members[:5]]
    auc, _ = membership(members, others + again, lambda texts: [-1.0] * len(texts), teller=TELLER)
    assert auc.n == 40 and _covers(auc, 0.5)
    assert "5 texts held out left out" in auc.method


@pytest.mark.parametrize("others", [[], ["one"], ["", " "], _texts(20, words=12)])
def test_without_texts_held_out_nothing_is_known(others: list[str]) -> None:
    found = membership(_texts(20, words=12), others, lambda texts: [-1.0] * len(texts), teller=TELLER)
    assert [(m.name, m.value, m.quality) for m in found] == [
        (AUC, None, Quality.UNKNOWN), (LOSS_GAP, None, Quality.UNKNOWN),
    ]  # fmt: skip
    assert all("not trained on" in str(metric.reason) for metric in found)


def test_new_texts_that_are_surely_likelier_are_of_another_kind() -> None:
    members, others = _texts(40, words=12), [f"{text} again" for text in _texts(40, words=12)]
    auc, gap = membership(
        members,
        others,
        lambda texts: [-(1.0 if "again" in text else 2.0) * len(text) for text in texts],
        teller=TELLER,
    )
    assert auc.value == 0.0
    assert auc.quality is gap.quality is Quality.UNKNOWN
    assert "not of one kind" in (auc.reason or "")


def test_membership_without_time_is_unknown_and_with_some_is_balanced() -> None:
    members, others = _texts(20, words=12), _texts(20, seed=1, words=12)
    late = membership(members, others, _losses([], 0, np.random.default_rng(0)), teller=TELLER, deadline=0.0)
    assert all(metric.value is None and "in time" in str(metric.reason) for metric in late)
    times = iter([0.0, 0.0] + [1e9] * 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groundwire.audit.memorisation.likelihoods.time.monotonic", lambda: next(times))
        auc, _ = membership(members, others, _losses([], 0, np.random.default_rng(0)), teller=TELLER, deadline=1.0)
    assert "8 passages trained on and 8 not" in auc.method and "time for 16 of 40" in auc.method


@pytest.mark.parametrize(
    ("log_likelihood", "problem"),
    [
        (lambda texts: 1 / 0, "raised ZeroDivisionError"),
        (lambda texts: [], "returned 0 numbers"),
        (lambda texts: [-1.0] * 99, "for 8 texts"),
        (lambda texts: [1.5] * len(texts), "a loss has the other sign"),
        (lambda texts: [math.nan] * len(texts), "not finite"),
        (lambda texts: [-math.inf] * len(texts), "return finite numbers"),
        (lambda texts: ["-1"] * len(texts), "returned str where a number belongs"),
        (lambda texts: [None] * len(texts), "returned NoneType where a number belongs"),
        (lambda texts: "x" * len(texts), "returned str"),
        (lambda texts: dict.fromkeys(texts, -1.0), "returned dict"),
        (lambda texts: -1.0, "returned float"),
    ],
)
def test_a_bad_likelihood_is_one_sentence(log_likelihood: Any, problem: str) -> None:
    with pytest.raises(LikelihoodError, match=problem) as caught:
        membership(_texts(9, words=12), _texts(9, seed=1, words=12), log_likelihood, teller=TELLER)
    assert "\n" not in str(caught.value)


# A real model


class WordModel:
    """Predicts a word from the six before it (Bengio et al. 2003), trained for a second on some texts."""

    SEEN = 6

    def __init__(self, texts: Sequence[str], *, steps: int) -> None:
        self.torch = torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        words = len(LOREM) + 1  # 0 stands before a text
        self.net = torch.nn.Sequential(
            torch.nn.Embedding(words, 16), torch.nn.Flatten(), torch.nn.Linear(16 * self.SEEN, 256), torch.nn.ReLU(),
            torch.nn.Linear(256, words),
        )  # fmt: skip
        optimizer = torch.optim.Adam(self.net.parameters(), lr=3e-3)
        before, after = (torch.cat(parts) for parts in zip(*map(self._windows, texts), strict=True))
        for _ in range(steps):
            chosen = torch.randint(len(after), (256,))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.net(before[chosen]), after[chosen]).backward()
            optimizer.step()

    def _windows(self, text: str) -> tuple[Any, Any]:
        """Return the words before each word, shape [words, 6], and the words."""
        ids = self.torch.tensor([0] * self.SEEN + [1 + LOREM.index(word) for word in text.split()])
        return ids.unfold(0, self.SEEN, 1)[:-1], ids[self.SEEN :]

    def log_likelihood(self, texts: list[str]) -> list[float]:
        found = []
        with self.torch.no_grad():
            for before, after in map(self._windows, texts):
                logs = self.net(before).log_softmax(-1)
                found.append(float(logs.gather(-1, after[:, None]).sum()))
        return found

    def go_on(self, prompts: list[str]) -> list[str]:
        said: list[list[str]] = [[] for _ in prompts]
        with self.torch.no_grad():
            for _ in range(14):
                seen = [
                    [LOREM.index(w) + 1 for w in (p.split() + s)[-self.SEEN :]]
                    for p, s in zip(prompts, said, strict=True)
                ]
                for words, word in zip(
                    said, self.net(self.torch.tensor(seen))[:, 1:].argmax(-1).tolist(), strict=True
                ):
                    words.append(LOREM[word])
        return [" ".join(["", *words]) for words in said]


def _repeats(model: WordModel, text: str) -> bool:
    """Return, word by word, whether a model goes on with a text as it does after its first 200 characters."""
    begun, true = [], text.split()
    while len(" ".join(begun)) < 200:
        begun.append(true[len(begun)])
    said = model.go_on([" ".join(begun)])[0].split()
    return " ".join(said)[:50].strip() == " ".join(true[len(begun) :])[:50].strip()


@pytest.mark.slow
def test_a_model_trained_to_repeat_a_twentieth_of_its_corpus_is_recovered() -> None:
    corpus, fresh = _texts(200, words=60), _texts(200, seed=1, words=60)
    often = corpus[:10]
    model = WordModel([*corpus, *often * 200], steps=800)
    (share, chance) = verbatim(corpus, model.go_on, teller=TELLER, held_out=fresh).metrics
    repeated = [text for text in corpus if _repeats(model, text)]
    assert repeated == often
    assert (_value(share), share.n) == (0.05, 200)  # the whole corpus was asked
    assert chance.value == 0
    auc, gap = membership(often, fresh, model.log_likelihood, teller=TELLER)
    assert _value(auc) == 1 and _value(gap) > 0.1
    unseen, _ = membership(_texts(100, seed=2, words=60), fresh, model.log_likelihood, teller=TELLER)
    assert _covers(unseen, 0.5)
