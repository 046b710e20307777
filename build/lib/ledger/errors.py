"""What can go wrong in the ledger alone: leaves of the one tree in `unlearning.errors`.

- UsageError          2
  - UnknownReference  2    a request or a run that was never recorded
  - KeyConflict       2    one idempotency key, two different contents
  - Replayed          2    a signed message came a second time
  - KeyUnusable       2    a file that is no key of the expected kind
  - AlreadySealed     2    other content over evidence that is sealed
- RequestDenied      12
  - LateExtension    12    an extension asked for after the first deadline
  - NotAuthentic     12    what came from outside is not signed by a known source
- InfrastructureError 20
  - WorkspaceBusy    20    another process is at work in the workspace
  - KeyMissing       20    a key file that should be there is not
  - SelectorMissing  20    what a request named is not there
- IntegrityError     30
  - LogAltered       30    a line of the log is not the one that was written
  - LogTruncated     30    the log lacks entries that it once had
  - SealAltered      30    a sealed file is not the one that was sealed
  - ProjectionBroken 30    the request table does not agree with the log
  - OutsideWorkspace 30    what is to be removed does not lie in the workspace
"""

from __future__ import annotations

from unlearning.errors import InfrastructureError, IntegrityError, RequestDenied, UsageError


class UnknownReference(UsageError):
    """A request or a run that was never recorded here."""


class KeyConflict(UsageError):
    """An idempotency key came back with another content."""


class Replayed(UsageError):
    """A signed message came a second time."""


class KeyUnusable(UsageError):
    """A file is no key of the expected kind."""


class AlreadySealed(UsageError):
    """Other content was offered for evidence that is already sealed."""


class LateExtension(RequestDenied):
    """An extension was asked for after the first deadline had passed."""


class NotAuthentic(RequestDenied):
    """What came from outside is not signed by a known source."""


class WorkspaceBusy(InfrastructureError):
    """Another process is at work in the workspace."""


class KeyMissing(InfrastructureError):
    """A key file that should be there is not."""


class SelectorMissing(InfrastructureError):
    """The sealed file of what a request named is not there."""


class LogAltered(IntegrityError):
    """A line of the log is not the one that was written."""


class LogTruncated(IntegrityError):
    """The log lacks entries that it once had."""


class SealAltered(IntegrityError):
    """A sealed file is not the one that was sealed."""


class ProjectionBroken(IntegrityError):
    """The request table does not agree with the log."""


class OutsideWorkspace(IntegrityError):
    """What is to be removed does not lie where this workspace may remove anything."""
