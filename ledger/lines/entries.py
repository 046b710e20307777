"""The entries of a log, by their number and by their key.

Those of a prefix that is known to be genuine are read from their lines when they are asked for: a
million of them take seconds and gigabytes, and most commands ask for a few.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator

from ledger.chain import Entry

_KEY, _AFTER_KEY = b'"key":"', b'","previous":"'
"""What stands around an entry's key in its line. Neither can be in a text, whose quotes are
escaped, and what follows the key is digits alone: so the last of each is the entry's own."""


class Entries:
    """All entries of one log, numbered from 1."""

    def __init__(self, content: bytes = b"", length: int = 0, more: Iterable[Entry] = ()) -> None:
        """Take over the lines in the first `length` bytes, all genuine, and the entries after."""
        self._content, self._ends = content, _ends(content, length)
        self._read: list[Entry | None] = [None] * len(self._ends)
        self._unread = len(self._ends) > 0
        lines = range(1, len(self._ends) + 1)
        self._numbers = {_key(content, *self._place(number)): number for number in lines}
        for entry in more:
            self.add(entry)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._read)

    def at(self, number: int) -> Entry:
        """The entry of this number."""
        found = self._read[number - 1]
        if found is None:
            start, end = self._place(number)
            found = Entry(**json.loads(self._content[start:end]))
            self._read[number - 1] = found
        return found

    def find(self, key: str) -> Entry | None:
        """The entry of this key."""
        number = self._numbers.get(key)
        return None if number is None else self.at(number)

    def after(self, number: int) -> tuple[Entry, ...]:
        """The entries whose numbers are above this one, in order."""
        if self._unread and number < len(self._ends):
            found = tuple(self.at(one) for one in range(number + 1, len(self) + 1))
            self._unread = number > 0
            return found
        return tuple(entry for entry in self._read[number:] if entry is not None)

    def newest_first(self) -> Iterator[Entry]:
        """The entries from the last to the first, each read when it is come to."""
        return (self.at(number) for number in range(len(self), 0, -1))

    def add(self, entry: Entry) -> None:
        """Take the next one."""
        self._read.append(entry)
        self._numbers[entry.key] = len(self._read)

    def _place(self, number: int) -> tuple[int, int]:
        return self._ends[number - 2] if number > 1 else 0, self._ends[number - 1]


def _ends(content: bytes, length: int) -> array[int]:
    """Give the position after each line."""
    ends, end = array("Q"), content.find(b"\n", 0, length) + 1
    while end:
        ends.append(end)
        end = content.find(b"\n", end, length) + 1
    return ends


def _key(content: bytes, start: int, end: int) -> str:
    end = content.rfind(_AFTER_KEY, start, end)
    text = content[content.rfind(_KEY, start, end) + len(_KEY) : end].decode()
    return str(json.loads(f'"{text}"')) if "\\" in text else text
