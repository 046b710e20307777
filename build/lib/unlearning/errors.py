"""Everything that can go wrong, as one small tree; `ledger.errors` adds leaves of its own.

Light, since the ledger imports it.

- LetheError                 base; `exit_code` is what the command line returns
  - UsageError          2    a setting, a file or an argument of the wrong kind
    - UnknownName       2    a method, attack, gate or network that is not registered
    - NotSafetensors    2    weights in any other format, pickles above all
    - PolicyError       2    a policy or a parameter file that cannot be used
    - Unrecordable      2    a value that a signed record must not or cannot hold
  - RequestDenied      12    the request cannot be carried out as it stands
  - InfrastructureError 20   something outside is missing or busy; trying again may help
    - AttemptFailed    20    a method gave no candidate; the ladder's next rung follows
      - Diverged       20    its training left the finite numbers
      - Hindered       20    what it stands on held it back: memory, a file that is gone
  - IntegrityError     30    bytes are not what they were
  - AttackFailed       11    an attack's scores are not finite, so that nothing was measured
"""

from __future__ import annotations

from typing import ClassVar


class LetheError(Exception):
    """Base of every error that Lethe raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(LetheError):
    """An argument, a setting or a file is of the wrong kind."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that no registry knows."""


class NotSafetensors(UsageError):
    """Weights were offered in another format than safetensors."""


class PolicyError(UsageError):
    """A policy or parameter file that cannot be used."""


class Unrecordable(UsageError):
    """A value that a signed record must not or cannot hold."""


class RequestDenied(LetheError):
    """A deletion request cannot be carried out as it stands."""

    exit_code = 12


class InfrastructureError(LetheError):
    """Something outside is missing, busy or full."""

    exit_code = 20


class AttemptFailed(InfrastructureError):
    """A method gave no candidate."""


class Diverged(AttemptFailed):
    """Training or unlearning produced a number that is not finite."""


class Hindered(AttemptFailed):
    """A method gave no candidate, for a reason that is not its own, and tells nothing of it."""


class AttackFailed(LetheError):
    """An attack gave scores that are no finite numbers: it failed, which is no finding."""

    exit_code = 11


class IntegrityError(LetheError):
    """Stored bytes are not the ones that were stored."""

    exit_code = 30


_NO_MEMORY = ("can't allocate memory", "CUDA out of memory", "Cannot allocate memory")


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether a machine or its GPU had less memory than was asked for; torch is not imported."""
    known = isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError"
    return known or any(words in str(problem) for words in _NO_MEMORY)
