"""What can go wrong between a package and an answer, beside the faults that every part knows."""

from components.contracts.errors import DataError, DiptychError, GateClosed, TransientError


class NotServed(DiptychError):
    """Somebody asks, and no server of ours runs in this workspace."""


class ServerFailed(DiptychError):
    """The server could not be started or stopped, or stopped answering; its last log lines are in the message."""


class NeverReady(TransientError):
    """The server did not load its models in the time it was given, which a busy machine may be the reason of, or the model."""


class RequestRefused(DataError):
    """The server looked at what we sent and will not take it: bytes that are no picture, an empty batch."""


class BadPicture(DataError):
    """A picture that a model cannot be shown.

    Args:
        place: of it among those that were given.
        why: in words.
    """

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place


class ParityFailed(GateClosed):
    """The server answers otherwise than the package does, so it must not get traffic."""
