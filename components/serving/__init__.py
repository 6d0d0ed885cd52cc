"""A package as a Triton model repository, the server that runs it, the gateway before it, and the clients that ask."""

from typing import Any

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Return a client of the gateway, imported by whoever asks for it alone."""
    if name in __all__:
        from components.serving import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
