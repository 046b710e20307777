"""The suppression list: recognises what was erased without saying what it was.

Each erased example leaves three lines, for its id, its bytes and its likeness; each person of whom
nothing is left, and each class or attribute that was asked for, leaves one. A line holds an
HMAC-SHA256 under keys/suppression.key and the run that erased it. The list must outlive the data:
it is what keeps an erased example from coming back with a later import or a restored backup, and
what answers a person who asks again. Bytes are compared exactly, so a copy is recognised under
another id. Another spelling of a text is no match, but it is found: lines about looks let whoever
typed it be asked, and likenesses whoever brings a picture that was encoded anew.

The list means something under its own key alone, so both travel together; a line of kind "key" lets
a wrong key be told from a list that lists somebody else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ledger import durable
from ledger.domain import Selector
from ledger.keys import SUPPRESSION, read_secret, suppression_key
from ledger.suppression import likeness
from ledger.suppression.likeness import PICTURE, SEALED
from ledger.suppression.likeness import Likeness as Likeness
from ledger.suppression.values import ID, IMAGE, KEY, KINDS, LOOK, Look, folded
from ledger.suppression.values import example_values as example_values
from ledger.suppression.values import ids_of as ids_of
from ledger.suppression.values import looks as looks
from ledger.suppression.values import named_values as named_values
from ledger.suppression.values import selector_values as selector_values
from ledger.suppression.values import subject_values as subject_values
from ledger.suppression.values import tokens_of as tokens_of
from unlearning.digests import canonical_json, from_hex, sha256_hex
from unlearning.errors import IntegrityError, UsageError

FILE = "suppression.jsonl"
EARLIER = "an earlier run"
"""Named where the list does not say which run erased something."""

_MAC = hashlib.sha256().digest_size

Token = tuple[str, str]
"""What a line is about, by kind, and its HMAC in hexadecimal; of a likeness its ciphertext."""


@dataclass(frozen=True)
class Suppression:
    """The list as read at one moment, for many questions. tokens: each with the run that erased."""

    key: bytes
    tokens: Mapping[Token, str]

    def contains(self, example_id: str, image_sha256: str) -> bool:
        """Whether an example of this id, or one of these bytes, was erased."""
        wanted = example_values(example_id, image_sha256)
        return any(self._token(value) in self.tokens for value in wanted)

    def example_erased_by(self, example_id: str, run: str) -> bool:
        """Whether it is this run that erased an example of this id."""
        return self.tokens.get(self._token((ID, example_id))) == run

    def likenesses(self) -> dict[Likeness, str]:
        """Give each likeness that is listed, with the run that erased it; personal data.

        IntegrityError for one that does not open.
        """
        sealed = {text: run for (kind, text), run in self.tokens.items() if kind == PICTURE}
        try:
            opened = likeness.opened(self.key, sealed)
        except ValueError as error:
            raise IntegrityError(
                f"{FILE}: a likeness does not open under {SUPPRESSION}, expected what an erasure "
                "wrote: the list was altered; restore it from your backup"
            ) from error
        return dict(zip(opened, sealed.values(), strict=True))

    def pictures(self) -> tuple[int, int]:
        """Count the erased pictures, by their bytes, and the likenesses that are listed.

        Two that are alike to a bit have one likeness together, so the first may be larger where
        none is missing.
        """
        kinds = [kind for kind, _ in self.tokens]
        return kinds.count(IMAGE), kinds.count(PICTURE)

    def apart_from(self, runs: Set[str]) -> Suppression:
        """The list without what these runs put on it."""
        return Suppression(self.key, {t: run for t, run in self.tokens.items() if run not in runs})

    def erased_by(self, selector: Selector) -> str | None:
        """The run that erased the first of a selector's values that is listed; None if none is."""
        return next(iter(self.erasers(selector)), None)

    def erasers(self, selector: Selector) -> tuple[str, ...]:
        """The runs that erased what is listed of a selector's values, each once, in their order."""
        found = (self.tokens.get(self._token(value)) for value in selector_values(selector))
        return tuple(dict.fromkeys(run for run in found if run is not None))

    @property
    def sha256(self) -> str:
        """SHA-256 of the file that holds just this."""
        return sha256_hex(_encoded(self.tokens, self.key))

    def alike(self, values: Iterable[tuple[str, str]], look: Look) -> list[tuple[str, str]]:
        """Those of (kind, value) pairs that are not listed, and look like one that is.

        A list of before there were lines about looks tells of the erased that are in plain form.
        """
        return [value for value in values if not self.lists(value) and self._looks(value, look)]

    def looks_like(self, value: tuple[str, str], look: Look) -> str | None:
        """The run that erased what a (kind, value) pair looks like; None if nothing such was."""
        kind, plain = value[0], folded(value[1], look)
        both = (self.tokens.get(self._token((name, plain))) for name in (kind, kind + LOOK))
        return next((run for run in both if run is not None), None)

    def _looks(self, value: tuple[str, str], look: Look) -> bool:
        return self.looks_like(value, look) is not None

    def lists(self, value: tuple[str, str]) -> bool:
        """Whether a (kind, value) pair is listed."""
        return self._token(value) in self.tokens

    def _token(self, value: tuple[str, str]) -> Token:
        return _token(self.key, *value)


def load(records: Path, keys: Path) -> Suppression:
    """Read the list.

    IntegrityError names a line that is none of ours, or says that the key is not this list's.
    """
    return _read(records / FILE, suppression_key(keys))


def digest(records: Path) -> str:
    """SHA-256 of the list's bytes; of none while there is no list."""
    path = records / FILE
    return sha256_hex(durable.read(path) if path.exists() else b"")


def add(
    records: Path,
    keys: Path,
    values: Iterable[tuple[str, str]],
    *,
    run: str,
    pictures: Iterable[Likeness] = (),
) -> int:
    """List (kind, value) pairs and likenesses as erased by a run; return the number of new lines.

    The file is replaced as a whole and sorted, so that a repeated call changes nothing and the
    order tells nothing.
    """
    listed = load(records, keys)
    wanted = {_token(listed.key, *value) for value in values}
    wanted |= {(PICTURE, text) for text in likeness.sealed(listed.key, pictures)}
    wanted -= listed.tokens.keys()
    if wanted:
        _write(records, {**listed.tokens, **dict.fromkeys(wanted, run)}, listed.key)
    return len(wanted)


def joined(one: Suppression, other: Suppression) -> Suppression:
    """Join two lists under one key; where both have a line, the first says who erased."""
    return Suppression(one.key, {**other.tokens, **one.tokens})


def encoded(listed: Suppression) -> bytes:
    """Give the bytes of a file that holds just this list."""
    return _encoded(listed.tokens, listed.key)


def replace(records: Path, listed: Suppression) -> None:
    """Put a list in the place of the workspace's; the caller has seen that it lacks no line."""
    _write(records, listed.tokens, listed.key)


def bring(records: Path, keys: Path, source: Path, source_key: Path) -> int:
    """Take another workspace's list and its key along into one that has neither; return the lines.

    The same list again changes nothing. UsageError if this workspace has a list or key of its own,
    IntegrityError if list and key do not belong together.
    """
    if not source.is_file():
        raise UsageError(f"{source.name}: is no file, expected a list such as records/{FILE}")
    key = read_secret(source_key)
    listed = _read(source, key)
    there = keys / SUPPRESSION
    own = _read(records / FILE, read_secret(there)) if there.exists() else None
    if own and own != listed and (own.tokens or own.key != key):
        raise UsageError(
            f"{FILE}: is there with a key of its own, expected a workspace that erased nothing: "
            "take the list along with `lethe init` in an empty folder"
        )
    durable.write(there, key.hex().encode() + b"\n")
    _write(records, listed.tokens, key)
    return len(listed.tokens)


def _write(records: Path, tokens: Mapping[Token, str], key: bytes) -> None:
    durable.write(records / FILE, _encoded(tokens, key))


def _encoded(tokens: Mapping[Token, str], key: bytes) -> bytes:
    return b"".join(
        canonical_json({"kind": kind, _field(kind): token, "run": run}) + b"\n"
        for (kind, token), run in sorted({**tokens, _token(key, KEY, ""): EARLIER}.items())
    )


def _read(path: Path, key: bytes) -> Suppression:
    return parsed(durable.read(path) if path.exists() else b"", key, path.name)


def parsed(content: bytes, key: bytes, name: str) -> Suppression:
    """Read a list's bytes under its key; IntegrityError as in `load`. name: stands in messages."""
    lines = content.splitlines()
    tokens = dict(_parse(line, number) for number, line in enumerate(lines, start=1))
    own = _token(key, KEY, "")
    if any(kind == KEY and (kind, token) != own for kind, token in tokens):
        raise IntegrityError(
            f"{name}: was written under another key than {SUPPRESSION}, so it recognises "
            "nobody: restore the key that belongs to the list"
        )
    return Suppression(key, {token: run for token, run in tokens.items() if token != own})


def _token(key: bytes, kind: str, value: str) -> Token:
    return kind, hmac.new(key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()


def _field(kind: str) -> str:
    return "sealed" if kind == PICTURE else "hmac"


def _parse(line: bytes, number: int) -> tuple[Token, str]:
    try:
        fields = json.loads(line)
        kind, run = fields["kind"], fields.get("run", EARLIER)
        token = fields[_field(kind)]
        genuine = kind in KINDS and isinstance(run, str)
        genuine = genuine and len(from_hex(token)) == (SEALED if kind == PICTURE else _MAC)
    except (ValueError, TypeError, KeyError, AttributeError):
        genuine = False
    if not genuine:
        raise IntegrityError(
            f"{FILE}: line {number} is no entry, expected a kind and an HMAC or likeness: "
            "the list was altered; restore it from your backup"
        )
    return (kind, token), run
