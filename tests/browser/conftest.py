"""One browser and one set of pages for all of its tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "audit")]


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A tab of a browser, started once."""
    pytest.importorskip("websocket", reason="websocket-client is not installed")
    import devtools

    program = devtools.browser()
    if program is None:
        pytest.skip("no Chromium on this machine")
    with devtools.opened(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of reports of records that were made on the spot, by name."""
    import pages

    return pages.written(tmp_path_factory.mktemp("reports"))
