"""The zip container of `torch.save`: which bytes of the file are which entry.

Zip readers differ in what they make of an unusual file, and torch's own takes names without regard to case. What
torch never writes is therefore refused: two entries of one name, compression, text before or after, overlaps.
"""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from itertools import pairwise
from typing import BinaryIO

from .extent import RefusalError

MAGIC = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # torch.serialization.MAGIC_NUMBER, pickled
_LOCAL_HEADER = 30
_END_RECORD = struct.Struct("<4s4H2LH")

Entries = dict[str, tuple[int, int]]


def entries(file: BinaryIO, size: int) -> Entries:
    """Return start and size in bytes of each entry, by its name within the archive's one folder.

    Args:
        file: An open file.
        size: Its bytes.

    Raises:
        RefusalError: It is cut off, or nothing that `torch.save` writes.
    """
    _refuse_text_after(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            listed, end = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OverflowError) as error:
        raise RefusalError("its zip directory cannot be read: the file is cut off or damaged") from error
    if not listed or min(info.header_offset for info in listed) != 0:
        raise RefusalError("it is a zip file with something before its first entry, which torch.save does not write")
    _refuse_twice([info.filename for info in listed])
    root = listed[0].filename.partition("/")[0] + "/"
    found = {info.filename: _place(file, info, end) for info in listed}
    _refuse_overlaps(found)
    return {_within(root, name): place for name, place in found.items()}


def _refuse_text_after(file: BinaryIO, size: int) -> None:
    """Refuse a file that does not end where its directory does: readers would look for the end in other ways."""
    file.seek(max(0, size - _END_RECORD.size))
    tail = file.read(_END_RECORD.size)
    if len(tail) < _END_RECORD.size or not tail.startswith(b"PK\x05\x06") or _END_RECORD.unpack(tail)[-1] != 0:
        raise RefusalError("its zip directory does not end with the file: it is cut off, or was added to")


def _refuse_twice(names: list[str]) -> None:
    name, count = Counter(map(str.lower, names)).most_common(1)[0]
    if count > 1:
        raise RefusalError(f"it has two entries named {name[:80]!r}, and nobody can tell which one counts")


def _within(root: str, name: str) -> str:
    inner = name.removeprefix(root)
    strange = not name.startswith(root) or "\\" in name or {"", ".", ".."} & set(inner.split("/"))
    if root == "/" or strange:
        raise RefusalError(f"it has an entry {name[:80]!r}, which torch.save does not write")
    return inner


def _place(file: BinaryIO, info: zipfile.ZipInfo, end: int) -> tuple[int, int]:
    """Return where an entry's bytes lie: behind its own header, which pads them to a round address."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
        raise RefusalError(f"its entry {info.filename[:80]!r} is packed or encrypted, which torch.save does not do")
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or not header.startswith(MAGIC):
        raise RefusalError(f"its entry {info.filename[:80]!r} does not lie where its directory says")
    flags, method = struct.unpack_from("<2H", header, 6)
    name, extra = struct.unpack_from("<2H", header, 26)
    if flags & 1 or method != zipfile.ZIP_STORED or file.read(name) != _bytes(info):
        raise RefusalError(f"its entry {info.filename[:80]!r} is described in two ways")
    start = info.header_offset + _LOCAL_HEADER + name + extra
    if start + info.file_size > end:
        raise RefusalError(f"its entry {info.filename[:80]!r} goes beyond its end")
    return start, info.file_size


def _bytes(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "surrogatepass")


def _refuse_overlaps(found: Entries) -> None:
    places = sorted((start, start + size) for start, size in found.values())
    if any(end > start for (_, end), (start, _) in pairwise(places)):
        raise RefusalError("entries of its zip directory overlap")
