"""A call to a model that takes too long is interrupted, whatever it catches."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from groundwire.audit.language_model import LanguageModel, bounded


def test_what_is_in_time_is_returned() -> None:
    assert bounded(lambda texts: [text.upper() for text in texts], 5)(["a"]) == ["A"]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def hang() -> None:
    while True:
        time.sleep(5)


def hang_and_catch() -> None:
    while True:
        try:
            time.sleep(5)
        except Exception:  # noqa: BLE001 - as users write it
            continue


@pytest.mark.parametrize("call", [hang, hang_and_catch])
def test_what_hangs_is_interrupted(call: object) -> None:
    with pytest.raises(TimeoutError, match="longer than 0 s"):
        bounded(call, 0.05)()  # type: ignore[arg-type]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_somebody_elses_alarm_is_left_alone() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        bounded(time.sleep, 0.05)(0.4)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_in_another_thread_it_is_called_as_it_is() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(bounded(lambda: 1, 5)()))
    thread.start()
    thread.join()
    assert found == [1]


def test_what_is_missing_stays_missing() -> None:
    model = LanguageModel(generate=lambda prompts: prompts).bounded(5)
    assert model.greedy is None
    assert model.log_likelihood is None
    assert model.generate(["a"]) == ["a"]
