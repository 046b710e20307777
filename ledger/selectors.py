"""What the requests named, each in its sealed file, bound to the log by a commitment."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger import durable, sealed
from ledger.domain import Selector, selector_of
from ledger.errors import KeyMissing, SealAltered, WorkspaceBusy
from ledger.keys import suppression_key
from ledger.lock import BUSY
from unlearning.digests import canonical_json


@dataclass(frozen=True)
class SelectorStore:
    """The sealed selectors of one workspace: records/sealed/<ref>.bin.

    Of a request from which a part was taken, <part>.rest is what it names since.
    """

    folder: Path
    keys: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only process that seals or sweeps here; WorkspaceBusy if another is at it.

        Whoever lost the workspace's lock, and is held up in the middle, would seal what the next
        one has swept already: his request would be missing in the log.
        """
        with durable.only_writer(self.folder / "lock") as free:
            if free is None:
                raise WorkspaceBusy(BUSY)
            yield

    def put(self, ref: str, selector: Selector) -> str:
        """Seal a selector and return the commitment that the log keeps in its place.

        Until `recorded` is called the selector counts as one that a crash kept from the log; until
        then the caller is `alone`, and has made sure that the workspace's lock is still his.
        """
        sealed.require_reference(ref)
        durable.write(self._unrecorded, ref.encode())
        sealed.seal(self._path(ref), self.keys, ref, selector.as_value())
        return self._commitment(ref, selector)

    def put_rest(self, ref: str, part: str, rest: Selector) -> str:
        """Seal what a request names once `part`, which was `put` just now, is taken from it."""
        sealed.seal(self._rest(part), self.keys, ref, rest.as_value())
        return self._commitment(ref, rest)

    def get(self, ref: str, commitment: str, part: str | None = None) -> Selector:
        """Open a selector; SealAltered if it is not the one that was committed to.

        part: the last that was taken from it, if any.
        """
        path = self._path(ref) if part is None else self._rest(part)
        selector = selector_of(sealed.unseal(path, self.keys, ref))
        if not hmac.compare_digest(commitment, self._commitment(ref, selector)):
            raise SealAltered(
                f"{durable.short_name(path)}: holds another selector than the log committed to: "
                "restore it from your backup"
            )
        return selector

    def agrees(self, ref: str, selector: Selector, commitment: str) -> bool:
        """Whether a selector is the one that was sealed; False once nobody can tell any more."""
        try:
            return hmac.compare_digest(commitment, self._commitment(ref, selector))
        except KeyMissing:
            return False

    def key_digest(self, idempotency_key: str) -> str:
        """What the ledger keeps of an idempotency key.

        Keyed, because a caller may well have built it from a name or an account number.
        """
        content = f"idempotency\0{idempotency_key}".encode()
        return hmac.new(suppression_key(self.keys), content, hashlib.sha256).hexdigest()

    def content_digest(self, idempotency_key: str, selector: Selector, jurisdiction: str) -> str:
        """What the log keeps of a request under an idempotency key, to know it when it comes again.

        It outlives the selector, and nobody can test a guess against it without that key.
        """
        said = {
            "key": idempotency_key,
            "jurisdiction": jurisdiction,
            **selector.ordered().as_value(),
        }
        content = b"request\0" + canonical_json(said)
        return hmac.new(suppression_key(self.keys), content, hashlib.sha256).hexdigest()

    def unrecorded(self) -> frozenset[str]:
        """The request that was sealed last, if the log may not have it yet.

        SealAltered if it is no reference: files of that name are removed, wherever they lie.
        """
        try:
            ref = self._unrecorded.read_bytes().decode(errors="replace")
        except (FileNotFoundError, PermissionError):
            return frozenset()
        if not sealed.is_reference(ref):
            raise SealAltered(
                f"{durable.short_name(self._unrecorded)}: holds no reference of a request, "
                "expected one: the file was altered; remove it, and check `lethe verify --log`"
            )
        return frozenset({ref})

    def recorded(self) -> None:
        """Note that the log has the request that was sealed last."""
        durable.remove_file(self._unrecorded, within=self._unrecorded.parent)

    def destroy(self, ref: str) -> None:
        """Make a request's selector unreadable for good; twice is harmless."""
        sealed.shred(self.keys, ref)

    def sweep(self, known: Collection[str], ended: Collection[str]) -> None:
        """Prepare the folder, and finish what a crash cut off.

        The one selector that it kept from the log is removed; others that the log does not know
        stay: it is the log that is an older one then. Keys of requests that have ended go.
        """
        durable.make_folder(self.folder)
        with self.alone():
            for ref in self.unrecorded():
                if ref not in known:
                    durable.remove_file(self._rest(ref), within=self.folder)
                    sealed.discard(self._path(ref), self.keys, ref)
                self.recorded()
            sealed.clear_unfinished(self.folder, self.keys)
            for ref in sealed.with_key(self.keys) & set(ended):
                self.destroy(ref)

    @property
    def _unrecorded(self) -> Path:
        return self.folder / "unrecorded"

    def _commitment(self, ref: str, selector: Selector) -> str:
        # Under the request's own key: once that is shredded, nobody can test a guess against it.
        content = canonical_json(selector.as_value())
        return hmac.new(sealed.request_key(self.keys, ref), content, hashlib.sha256).hexdigest()

    def _path(self, ref: str) -> Path:
        return self.folder / f"{ref}.bin"

    def _rest(self, part: str) -> Path:
        return self.folder / f"{part}.rest"
