"""A small DevTools client: opens a page in headless Chromium and looks at it as a reader would."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
    "--disable-component-update", "--no-first-run", "--remote-debugging-port=0", "--remote-allow-origins=*",
    "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE_S = 30.0


def browser() -> str | None:
    """Return the path of a browser, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=PATIENCE_S, suppress_origin=True)
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; what the browser reports meanwhile goes to `events`."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def view(self, width: int, height: int, *, scheme: str = "light", media: str = "", scripts: bool = True) -> None:
        """Emulate a reader's window."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, place: Path | str) -> None:
        """Open a file or an address and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=place if isinstance(place, str) else place.as_uri())
        deadline = time.monotonic() + PATIENCE_S
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page did not load"
            self.events.append(json.loads(self._socket.recv()))

    def ask(self, expression: str) -> Any:
        """Return the value of an expression, and of a promise what it promised."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """Return what the page asked for since it was opened, but for itself and data."""
        sent = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in sent[1:] if not url.startswith("data:")]

    def unfold(self) -> None:
        """Open all that is folded away."""
        self.ask("document.querySelectorAll('details').forEach(each => { each.open = true })")

    def ground(self) -> None:
        """Give a page without a background the canvas that it is shown on, so that scripts can see it."""
        self.ask("""(() => {
            const bare = each => getComputedStyle(each).backgroundColor === 'rgba(0, 0, 0, 0)';
            if (bare(document.body) && bare(document.documentElement)) document.body.style.backgroundColor = 'Canvas';
        })()""")

    def dialogs(self) -> list[str]:
        """Return what the page has shown in dialogs."""
        return [e["params"]["message"] for e in self.events if e["method"] == "Page.javascriptDialogOpening"]

    def complaints(self) -> list[str]:
        """Return what the browser wrote into its log."""
        return [e["params"]["entry"]["text"] for e in self.events if e["method"] == "Log.entryAdded"]

    def picture(self, *, clip: dict[str, float] | None = None, whole: bool = False) -> bytes:
        """Return a PNG of the window, of a part, or of the whole page."""
        more: dict[str, Any] = {"clip": clip | {"scale": 1}} if clip else {}
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole or bool(clip), **more)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        """Return the page printed on A4."""
        answer = self.call("Page.printToPDF", preferCSSPageSize=False, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(answer["data"])


@contextmanager
def opened(program: str, profile: Path) -> Iterator[Page]:
    """Start a browser with an own profile, yield a page, and end it."""
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield Page(_page_address(process))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def _page_address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if "DevTools listening on " in line:
            port = line.split("127.0.0.1:")[1].split("/")[0]
            return _first_page(port)
    raise AssertionError("the browser ended before it listened")


def _first_page(port: str) -> str:
    from urllib.request import urlopen

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
            pages = [item for item in json.load(answer) if item["type"] == "page"]
        if pages:
            return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError("the browser opened no page")
