"""Everything that can go wrong in the ledger, as one small tree.

- LedgerError                base; `exit_code` is what the command line returns
  - UsageError          2    an argument or a file of the wrong kind
    - UnknownReference  2    a request or a run that was never recorded
    - UnfitForLog       2    a value that the log must not or cannot hold
    - KeyConflict       2    one idempotency key, two different contents
    - KeyUnusable       2    a file that is no key of the expected kind
    - AlreadySealed     2    other content over evidence that is sealed
  - RequestDenied      12    the request's state does not allow what was asked
    - LateExtension    12    an extension asked for after the first deadline
  - StorageUnavailable 20    read-only, full or missing storage; trying again may help
    - WorkspaceBusy    20    another process is at work in the workspace
    - KeyMissing       20    a key file that should be there is not
  - IntegrityAlarm     30    bytes are not what they were
    - LogAltered       30    a line of the log is not the one that was written
    - LogTruncated     30    the log lacks entries that it once had
    - SealAltered      30    a sealed file is not the one that was sealed
    - ProjectionBroken 30    the request table does not agree with the log
"""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """Base of every error that the ledger raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(LedgerError):
    """An argument or a file is of the wrong kind."""

    exit_code = 2


class UnknownReference(UsageError):
    """A request or a run that was never recorded here."""


class UnfitForLog(UsageError):
    """A value that the log must not or cannot hold."""


class KeyConflict(UsageError):
    """An idempotency key came back with another content."""


class KeyUnusable(UsageError):
    """A file is no key of the expected kind."""


class AlreadySealed(UsageError):
    """Other content was offered for evidence that is already sealed."""


class RequestDenied(LedgerError):
    """The request's state does not allow what was asked."""

    exit_code = 12


class LateExtension(RequestDenied):
    """An extension was asked for after the first deadline had passed."""


class StorageUnavailable(LedgerError):
    """Storage is read-only, full or missing."""

    exit_code = 20


class WorkspaceBusy(StorageUnavailable):
    """Another process is at work in the workspace."""


class KeyMissing(StorageUnavailable):
    """A key file that should be there is not."""


class IntegrityAlarm(LedgerError):
    """Stored bytes are not the ones that were stored."""

    exit_code = 30


class LogAltered(IntegrityAlarm):
    """A line of the log is not the one that was written."""


class LogTruncated(IntegrityAlarm):
    """The log lacks entries that it once had."""


class SealAltered(IntegrityAlarm):
    """A sealed file is not the one that was sealed."""


class ProjectionBroken(IntegrityAlarm):
    """The request table does not agree with the log."""
