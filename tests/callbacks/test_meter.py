"""codecarbon on its thread: provenance, sleep, errors that it swallows, and a network that does not answer."""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
from groundwire.callbacks import account as accounts
from groundwire.callbacks import locating
from groundwire.callbacks.account import Account, MeterError, Reading, provenance
from groundwire.callbacks.attribution import Attribution
from groundwire.callbacks.locating import locate
from groundwire.callbacks.meter import Meter
from groundwire.callbacks.phases import Phases


def found(cpu: float = 0.0, gpu: float = 0.0, ram: float = 0.0, duration: float = 1.0) -> Any:
    return SimpleNamespace(cpu_energy=cpu, gpu_energy=gpu, ram_energy=ram, duration=duration)


class CPU:
    """As codecarbon's, in name and mode."""

    def __init__(self, mode: str) -> None:
        self._mode = mode

    def description(self) -> str:
        return "CPU"


class RAM(CPU):
    """The same of memory."""


class AppleSiliconChip(CPU):
    """A chip of which two parts are read."""

    chip_part = "GPU"


@pytest.mark.parametrize(
    ("hardware", "forced", "expected"),
    [
        ([CPU("intel_rapl"), RAM("")], None, {"cpu": "counter", "ram": "constant"}),
        ([CPU("cpu_load"), RAM("")], 30.0, {"cpu": "load-model", "ram": "declared"}),
        ([CPU("constant"), AppleSiliconChip("powermetrics")], None, {"cpu": "constant", "gpu": "counter"}),
        ([], None, {}),
    ],
)
def test_provenance_is_that_of_each_component(hardware: list[Any], forced: Any, expected: dict[str, str]) -> None:
    assert provenance(SimpleNamespace(_hardware=hardware, _force_ram_power=forced)) == expected


def test_a_sleep_costs_no_modelled_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, busy = [100.0], [5.0]
    monkeypatch.setattr(accounts.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(accounts.time, "process_time", lambda: busy[0])
    account = Account(period_s=10)
    account.provenance = {"cpu": "load-model", "gpu": "counter"}
    clock[0], busy[0] = 110.0, 14.0
    assert account.add(found(cpu=1.0, gpu=1.0)).kwh == {"cpu": 1.0, "gpu": 1.0, "ram": 0.0}
    clock[0], busy[0] = 1010.0, 14.5  # fifteen minutes in which nothing ran; up to 90 s are believed
    slept = account.add(found(cpu=91.0, gpu=2.0))
    assert slept.kwh == pytest.approx({"cpu": 10.0, "gpu": 2.0, "ram": 0.0})
    assert slept.asleep_s == pytest.approx(810)
    clock[0], busy[0] = 1910.0, 900.0  # as late, but at work
    assert account.add(found(cpu=181.0, gpu=3.0)).kwh == pytest.approx({"cpu": 100.0, "gpu": 3.0, "ram": 0.0})


@pytest.mark.parametrize("bad", [float("nan"), 0.5, float("inf")])
def test_a_counter_that_runs_backwards_is_an_error(bad: float) -> None:
    account = Account(period_s=10)
    account.add(found(cpu=1.0))
    with pytest.raises(MeterError, match="no counter does"):
        account.add(found(cpu=bad))


def test_the_energy_between_two_readings_is_shared_out_by_time() -> None:
    now = [0.0]
    phases = Phases(lambda: now[0])
    shared = Attribution(phases, 0.0)
    now[0] = 6.0
    phases.switch("validation")
    now[0] = 8.0
    shared.add(Reading(at=8.0, kwh={"gpu": 4.0}, duration_s=8.0))
    phases.switch("training")
    now[0] = 10.0
    shared.add(Reading(at=10.0, kwh={"gpu": 10.0}, duration_s=10.0))
    assert shared.kwh == pytest.approx({"training": 3 + 6, "validation": 1, "generation": 0, "checkpoint": 0})


class Tracker:
    """codecarbon's tracker, as far as the meter asks it."""

    broken: str = ""
    _hardware: tuple[Any, ...] = ()

    def __init__(self, *, output_handlers: list[Any], **options: Any) -> None:
        self.handler, self.kwh = output_handlers[0], 0.0
        if self.broken == "construct":
            raise OSError("no hardware")

    def start(self) -> None:
        if self.broken == "start":
            raise OSError("no counter")

    def flush(self) -> None:
        self._out("flush")

    def stop(self) -> None:
        self._out("stop")

    def _out(self, when: str) -> None:
        if self.broken != when:  # codecarbon swallows what breaks in it
            self.kwh += 1.0
            more = {
                "energy_consumed": self.kwh,
                "emissions": 0.4 * self.kwh,
                "on_cloud": "N",
                "codecarbon_version": "3",
            }
            place = {"country_iso_code": "FRA", "region": ""}
            self.handler.out(SimpleNamespace(**vars(found(cpu=self.kwh)), **more, **place), None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("", ""),
        ("construct", "codecarbon: OSError: no hardware"),
        ("start", "codecarbon: OSError: no counter"),
        ("flush", "could not measure"),
        ("stop", "could not measure"),
    ],
)
def test_what_codecarbon_swallows_is_unknown(monkeypatch: pytest.MonkeyPatch, broken: str, told: str) -> None:
    import codecarbon

    monkeypatch.setattr(Tracker, "broken", broken)
    monkeypatch.setattr(codecarbon, "OfflineEmissionsTracker", Tracker)
    running, readings = Meter({}, period_s=0.05), []
    while not running.problem and len(readings) < 3 and running._thread.is_alive() and broken != "stop":
        readings += running.take()
        time.sleep(0.01)
    problem = running.stop(20)
    assert told in problem if told else not problem
    if not told:
        readings += running.take()
        # The first holds what codecarbon's start is taken to have cost.
        assert readings[-1].total_kwh - readings[0].total_kwh == pytest.approx(len(readings) - 1)
        assert readings[-1].kg_per_kwh == pytest.approx(0.4)


class AskedError(RuntimeError):
    """Says that the network was asked."""


@pytest.mark.slow
def test_nobody_is_asked_unless_it_was_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        asked.append(arguments)
        raise AskedError

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    running = Meter({"country_iso_code": "FRA"}, period_s=0.5)
    time.sleep(1.5)
    assert running.stop(20) == ""
    assert not asked
    assert (running.facts or {})["location"] == "FRA"


def test_a_network_that_swallows_everything_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: release.wait(30))
    started = time.monotonic()
    assert locate(0.2) is None
    assert time.monotonic() - started < 5
    release.set()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'{"country_code3": "FRA", "region": "Normandy"}', {"country_iso_code": "FRA", "region": "normandy"}),
        (b'{"country_code3": "FRA"}', {"country_iso_code": "FRA"}),
        (b'{"country_code3": 3}', None),
        (b"<html>log in to the hotel</html>", None),
        (b"[]", None),
    ],
)
def test_only_an_answer_that_names_a_country_is_a_place(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, expected: dict[str, str] | None
) -> None:
    class Answer:
        def read(self, most: int) -> bytes:
            return answer[:most]

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

    monkeypatch.setattr(locating.urllib.request, "urlopen", lambda *_, **__: Answer())
    assert locate() == expected


def test_codecarbon_is_quiet_while_it_is_ours_and_not_after(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import codecarbon

    log = logging.getLogger("codecarbon")
    before = log.level

    class Talking(Tracker):
        def start(self) -> None:
            for thread in (threading.Thread(target=log.warning, args=("a thread of its own",)),):
                thread.start()
                thread.join()
            log.warning("no counter")

    monkeypatch.setattr(codecarbon, "OfflineEmissionsTracker", Talking)
    assert Meter({}, period_s=0.05).stop(20) == ""
    assert capfd.readouterr().err == ""
    assert log.level == before
