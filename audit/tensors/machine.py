"""Reads a pickle as data: a machine that knows the opcodes of `torch.save` and calls nothing.

Python's own unpickler runs what a file names. Here a name stays a name: tensors, storages and ordered dictionaries
become data, whatever else a file would build becomes an `Opaque`, and names outside a short list of harmless ones are
told to the caller. Values are neither hashed nor compared, as deep ones would bring a process down.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .extent import RefusalError


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that a pickle names."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """Something that is not built: what `name` would have made."""

    name: str


Call = Callable[[str, tuple[Any, ...]], Any]
Storage = Callable[[Any], Any]

_SCALARS = (str, int, float, bytes, type(None))  # what a key may be


@dataclass(slots=True)
class Machine:
    """One pickle being read.

    Attributes:
        call: Makes data of a name and its arguments.
        storage: Makes data of a persistent id.
        names: All names in the pickle, once it is read.
    """

    call: Call
    storage: Storage
    names: set[str] = field(default_factory=set)
    _stack: list[Any] = field(default_factory=list)
    _marks: list[int] = field(default_factory=list)
    _memo: dict[int, Any] = field(default_factory=dict)

    def read(self, content: bytes) -> Any:
        """Return what a pickle holds.

        Raises:
            RefusalError: It is cut off, or has opcodes that `torch.save` does not write.
        """
        try:
            for opcode, argument, _ in pickletools.genops(content):
                step = _STEPS.get(opcode.name)
                if step is None:
                    raise RefusalError(f"its pickle has the opcode {opcode.name}, which torch.save does not write")
                step(self, argument)
            return self._stack.pop()
        except RefusalError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, Warning) as error:
            raise RefusalError(f"its pickle is not whole ({type(error).__name__})") from error

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        """Take the top off; what lies below a mark belongs to somebody else."""
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise IndexError
        return self._stack.pop()

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    def _remember(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._push(self._memo[place])

    def _named(self, module_and_name: str) -> None:
        """Push a name; pickletools parts module and name by a space."""
        name = module_and_name.replace(" ", ".")
        self.names.add(name)
        self._push(Named(name))

    def _reduce(self) -> None:
        arguments, called = self._pop(), self._pop()
        if not isinstance(called, Named | Opaque) or not isinstance(arguments, tuple):
            raise RefusalError("its pickle calls what is no function")
        self._push(self.call(called.name, arguments) if isinstance(called, Named) else Opaque(called.name))

    def _make(self) -> None:
        self._pop()
        made = self._pop()
        self._push(Opaque(getattr(made, "name", "object")))

    def _build(self) -> None:
        """Leave out attributes: of an ordered dictionary torch keeps `_metadata` there."""
        self._pop()
        if not isinstance(self._stack[-1], dict | Opaque):
            raise RefusalError("its pickle changes what has no attributes")

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if len(items) % 2 or not isinstance(target, dict | Opaque):
            raise RefusalError("its pickle sets items of what has none")
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                target[key if isinstance(key, _SCALARS) else Opaque("key")] = value

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list | Opaque):
            raise RefusalError("its pickle appends to what is no list")
        if isinstance(target, list):
            target.extend(items)

    def _tuple_of(self, count: int) -> None:
        found = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(found)))

    def _protocol(self, number: int) -> None:
        if number not in (2, 3):
            raise RefusalError(f"it is pickled with protocol {number}, torch.save takes 2 unless told otherwise")


def _push(machine: Machine, argument: Any) -> None:
    machine._push(argument)


_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": Machine._protocol,
    "STOP": lambda *_: None,
    "NONE": lambda machine, _: machine._push(None),
    "NEWTRUE": lambda machine, _: machine._push(True),  # noqa: FBT003
    "NEWFALSE": lambda machine, _: machine._push(False),  # noqa: FBT003
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"), _push),
    **dict.fromkeys(("BINUNICODE", "BINBYTES", "SHORT_BINBYTES"), _push),
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "MARK": lambda machine, _: machine._mark(),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._since_mark())),
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "SETITEM": lambda machine, _: machine._set_items([machine._pop(), machine._pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set_items(machine._since_mark()),
    "APPEND": lambda machine, _: machine._append([machine._pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), Machine._remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), Machine._recall),
    "GLOBAL": Machine._named,
    "REDUCE": lambda machine, _: machine._reduce(),
    "NEWOBJ": lambda machine, _: machine._make(),
    "BUILD": lambda machine, _: machine._build(),
    "BINPERSID": lambda machine, _: machine._push(machine.storage(machine._pop())),
}
