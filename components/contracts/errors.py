"""What can go wrong, by who can mend it. Every message says what, why, and how to mend.

A fault of the world (a lost connection, a full disk) stays the OSError it is; `is_transient` tells which of those
are worth another try. Everything below is the user's to mend, and is never retried.
"""

import errno
import os

_TRANSIENT_ERRNO = frozenset(
    {
        errno.EAGAIN,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETUNREACH,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


class DiptychError(Exception):
    """A fault with a remedy in its message.

    Args:
        message: what, why, and how to mend.
        why: of it what and why, for who knows of another remedy; the message unless given.
    """

    def __init__(self, message: str = "", why: str = "") -> None:
        super().__init__(message)
        self.why = why or message


class DataError(DiptychError):
    """The data is not what was promised: a broken picture, a missing caption, a digest that does not match."""


class ConfigError(DiptychError):
    """A number or name in params.yaml, a recipe or a call does not make sense."""


class CapabilityError(DiptychError):
    """This machine or this model cannot do what is asked, such as run Triton on a system without its wheel."""


class OutOfMemory(CapabilityError):
    """A step has no room in the memory of this machine, or of its GPU: fewer rows at once take less."""


class LeakageError(DiptychError):
    """A test picture or its twin would be trained on."""


class StaleArtifact(DiptychError):
    """A file is not the one its digest promises: it was changed after it was made."""


class Untrusted(DiptychError):
    """Nobody whom params.yaml trusts has signed a model, or what was signed is not what is there."""


class GateClosed(DiptychError):
    """The data or the model is worse than params.yaml allows; nothing after the gate runs."""


class Busy(DiptychError):
    """Somebody else holds the lock: one writer a workspace, always."""


class Interrupted(DiptychError):
    """A signal asked us to stop, and we did, leaving what is whole."""


class TransientError(DiptychError):
    """The world failed in a way that another try may not: a time-out, a lost connection."""


class Preempted(TransientError):
    """Somebody took the machine back and asked us to go; all that was done is kept, and the next try goes on from there."""


def is_transient(err: BaseException) -> bool:
    """Return whether trying again, with nothing changed, may help."""
    if isinstance(err, (TransientError, TimeoutError, ConnectionError)):
        return True
    return isinstance(err, OSError) and err.errno in _TRANSIENT_ERRNO


def explained(err: OSError) -> str:
    """Return what a fault of the world means and how to mend it, in one sentence or two."""
    where = os.fsdecode(err.filename) if isinstance(err.filename, str | bytes) else "the file"
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where} cannot be read or written by this user ({err.strerror}). Give user {os.geteuid()} the right to, or "
            "work in a checkout of your own."
        )
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"there is no room left to write {where} ({err.strerror}). Free some room on that disk, and run again."
    return f"{type(err).__name__}: {err}"
