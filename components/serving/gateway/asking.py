"""From a route to a version: who answers, what the client is told when nobody can, and what is kept of it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from components.serving.errors import RequestRefused
from components.serving.gateway.fleet import Fleet, Version
from components.serving.gateway.refusal import bad

T = TypeVar("T")


async def asked(
    request: Request,
    model: str,
    question: Callable[[Version], Awaitable[T]],
    same: Callable[[T, T], bool] | None = None,
) -> tuple[Version, T]:
    """Return who answered, and the answer.

    Args:
        model: as the client calls it; empty for any.
        question, same: as of Fleet.ask.

    Raises Refusal.
    """
    fleet: Fleet = request.app.state.fleet
    try:
        version, answer = await fleet.ask(model, question, same, request.state.until)
    except RequestRefused as err:
        code = "invalid_image" if "picture" in str(err) else "refused_by_model"
        raise bad(code, str(err)) from err
    endpoint = version.endpoint
    request.state.version, request.state.package, request.state.space = (
        version.label,
        endpoint.package_digest,
        endpoint.space,
    )
    return version, answer
