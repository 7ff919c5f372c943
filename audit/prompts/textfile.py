"""Opens the files that users have, and says in a sentence why it cannot."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..errors import UsageError
from ..escape import visible

LONGEST_PATH = 300  # characters that a message shows
LONGEST_FIELD = 2**31 - 1  # characters; csv refuses more than 131,072 unless told


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[Path, TextIO]]:
    """Open a UTF-8 file, with or without a byte-order mark, whose CSV fields may be of any length.

    Raises:
        UsageError: There is no such file, it cannot be read, or it is not UTF-8, which is found while reading.
    """
    place = _plain(path)
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            yield place, file
    except UnicodeDecodeError as error:
        raise UsageError(_not_utf8(place)) from error
    except OSError as error:
        raise UsageError(f"cannot read {place} ({error.strerror or error}): check who may read it") from error
    finally:
        csv.field_size_limit(before)


def _plain(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):
        raise UsageError("the path of the file is empty: give one")
    place = Path(path).expanduser()
    shown = visible(str(place), cap=LONGEST_PATH)
    try:
        if place.is_dir():
            raise UsageError(f"{shown} is a folder: give one of the files in it")
        if not place.exists():
            raise UsageError(f"there is no file {shown}: check its path")
        if not place.is_file():  # a pipe would wait for ever, a device never end
            raise UsageError(f"{shown} is not a plain file: save what it gives in one")
    except OSError as error:
        raise UsageError(f"cannot read {shown} ({error.strerror or error}): check its path") from error
    return place


def _not_utf8(path: Path) -> str:
    """Say where a file stops being UTF-8: the error itself counts from the last block that was read."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{path} is not UTF-8 text (byte {error.start + 1} of line {number} is"
                    f" 0x{line[error.start]:02x}): save it as UTF-8"
                )
    return f"{path} is not UTF-8 text: save it as UTF-8"


def first_line(file: TextIO) -> str:
    """Return the first line that is not blank, and go back to the start of the file."""
    line = next((line for line in file if line.strip()), "")
    file.seek(0)
    return line
