"""A server that gives pages under the header of a locked-down viewer of CI artefacts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HEADERS = {
    "open": "",
    "locked": "sandbox; default-src 'none'; img-src 'self'; style-src 'self'",
    "bare": "sandbox; default-src 'none'",
}


class _Handler(SimpleHTTPRequestHandler):
    """Gives `/KIND/FILE` with the header of that kind; `asked` keeps every path that anybody asked for."""

    timeout = 1.0  # browsers open connections that they never use, and other tests count threads

    def __init__(self, *options: Any, asked: list[str], **more: Any) -> None:
        self.asked = asked
        super().__init__(*options, **more)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.kind, _, rest = self.path.lstrip("/").partition("/")
        self.path = f"/{rest}"
        super().do_GET()

    def end_headers(self) -> None:
        if HEADERS.get(self.kind):
            self.send_header("Content-Security-Policy", HEADERS[self.kind])
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; yield its address and the list of what is asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder), asked=asked))
    server.daemon_threads = False  # closing waits for them
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
