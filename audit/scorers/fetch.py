"""Downloads, in a process of their own: it can be killed, and what it sets or draws stays in it.

A thread that waits for a hub cannot be stopped; it would go on beside the training.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from . import SHOWN, ScorerError

LIMIT_S = 300.0  # for the weights; a slow line needs minutes for 400 MB
HUB_S = 60.0  # for configuration and tokenizer
STALL_S = 10.0  # without a byte
CHUNK = 2**20
DESCRIPTION = ["config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model"]


def fetch_weights(url: str, path: Path, *, limit_s: float = LIMIT_S) -> None:
    """Download a file to `path`, which exists only when it is complete.

    Raises:
        ScorerError: It cannot be had within `limit_s`, or nothing arrives for ten seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _in_another_process(["weights", url, str(part)], what=path.name, limit_s=limit_s)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # here, because a process that is killed leaves it


def fetch_hub(repository: str, *, limit_s: float = HUB_S) -> None:
    """Download a model's configuration and tokenizer into the hub's cache.

    Raises:
        ScorerError: They cannot be had within `limit_s`.
    """
    _in_another_process(["hub", repository], what=f"configuration of {repository!r}", limit_s=limit_s)


def _in_another_process(arguments: list[str], *, what: str, limit_s: float) -> None:
    quick = {"HF_HUB_ETAG_TIMEOUT": "10", "HF_HUB_DOWNLOAD_TIMEOUT": "10", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    # It imports what this process would, and not what happens to lie in the working directory.
    found = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    command = [sys.executable, "-P", "-m", __name__, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, env=os.environ | quick | found, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=limit_s, errors="replace", check=False,
        )  # fmt: skip
        problem = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:SHOWN]
    except subprocess.TimeoutExpired:
        done, problem = None, f"no answer within {limit_s:.0f} s"
    if done is None or done.returncode != 0:
        raise ScorerError(
            f"Detoxify's {what} cannot be had ({problem}); download it once where there is a network, or use"
            ' scorer="embedded"'
        )


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=STALL_S) as response, path.open("wb") as file:  # noqa: S310 - ours
        size = response.headers.get("Content-Length")
        while chunk := response.read(CHUNK):
            file.write(chunk)
    if size is not None and path.stat().st_size != int(size):
        raise OSError(f"{path.stat().st_size} of {size} bytes arrived")


def _main(arguments: list[str]) -> None:
    if arguments[0] == "weights":
        _download(arguments[1], Path(arguments[2]))
    else:
        from huggingface_hub import snapshot_download

        snapshot_download(arguments[1], allow_patterns=DESCRIPTION)


if __name__ == "__main__":
    _main(sys.argv[1:])
