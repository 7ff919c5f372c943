"""Where a machine stands, asked from the network; only on demand, and never for long."""

from __future__ import annotations

import json
import threading
import urllib.request
from typing import Any

URL = "https://get.geojs.io/v1/ip/geo.json"
PATIENCE_S = 2.0


def locate(patience_s: float = PATIENCE_S) -> dict[str, str] | None:
    """Return country and region of this machine's public address, as codecarbon's options; None where nobody answers.

    codecarbon's own look-up answers with a place in Canada when the network does not.
    """
    found: dict[str, str] = {}
    # The resolver of names knows no time-out: it is left behind on a thread that ends with the process.
    asking = threading.Thread(target=_ask, args=(found, patience_s), daemon=True, name="groundwire-location")
    asking.start()
    asking.join(patience_s)
    return dict(found) or None


def _ask(found: dict[str, str], patience_s: float) -> None:
    try:
        with urllib.request.urlopen(URL, timeout=patience_s) as answer:
            told: Any = json.loads(answer.read(10_000))
        country, region = told.get("country_code3"), told.get("region")
    except Exception:  # noqa: BLE001 - then the location stays unknown
        return
    if isinstance(country, str) and len(country) == 3:
        found.update({"country_iso_code": country} | ({"region": region.lower()} if isinstance(region, str) else {}))
