"""One pass over a run folder that is redacted: what each file becomes, before any is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from .formats import count
from .runfile import RunFile
from .scrubbing import Scrubber
from .storage import Folder


@dataclass(kw_only=True)
class Work:
    """What is known of a redaction while it is planned.

    Attributes:
        folder: Of the run.
        run: What run.json says.
        scrubber: Takes texts out and counts them.
        files: New content of files, in the order in which they were looked at; None for those that go.
        told: What is done to each of these files, in words.
        raw: Files that hold raw text, by which pieces of it are found in others.
        stated_in: The file that is to say what went; empty where there is none.
        notes: What else has to be said.
    """

    folder: Folder
    run: RunFile
    scrubber: Scrubber = field(default_factory=Scrubber)
    files: dict[str, bytes | None] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)
    stated_in: str = ""
    notes: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes | None, told: str) -> None:
        """Remember what a file becomes."""
        self.files[name], self.told[name] = content, told

    @contextmanager
    def counted(self, name: str) -> Iterator[Callable[[bytes | None], None]]:
        """Give a function that remembers what a file becomes; what is counted meanwhile is said of it."""
        before = self.scrubber.counts.copy()

        def put(content: bytes | None) -> None:
            self.put(name, content, amounts(self.scrubber.counts - before) or "written anew")

        yield put


def amounts(counts: Mapping[str, int] | Counter[str]) -> str:
    """Return `2 prompts, 1 continuation`."""
    return ", ".join(count(amount, what, _many(what)) for what, amount in counts.items() if amount)


def _many(what: str) -> str | None:
    return "saved batches" if what == "saved batch" else None
