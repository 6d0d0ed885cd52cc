"""The short way of a usual request: JSON for a route that takes a body and nothing else goes straight to that route.

FastAPI's own way leads through ten layers, which cost a request more of the processor than any other part of the gateway. It stays the way of whatever is
unusual: what is asked differently, or is not good, is answered by FastAPI as if this were not here.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import get_type_hints

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from components.serving.gateway.border import API, Message, Receive, Send, replayed

JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class _Way:
    route: APIRoute
    endpoint: Callable[..., Awaitable[Response]]
    model: type[BaseModel]


class Direct:
    """The layer, behind the border, which has read the body.

    Args:
        app: what answers whatever is unusual, and whose state the routes see.
        routers: its own.
    """

    def __init__(self, app: FastAPI, routers: Iterable[APIRouter]) -> None:
        assert not app.user_middleware, "what every request passes belongs into the border, or the short way misses it"
        self._app = app
        routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
        self._ways = {route.path: way for route in routes if (way := _way(route)) is not None}

    @property
    def paths(self) -> set[str]:
        """Return those that there is a short way to."""
        return set(self._ways)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        way = self._ways.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if way is None or [value for name, value in scope["headers"] if name == b"content-type"] != [JSON]:
            await self._app(scope, receive, send)
            return
        body = (await receive())["body"]  # all of it, which the border has read
        asked = _read(way.model, body)
        if asked is None:
            await self._app(scope, replayed(body, receive), send)
            return
        scope["app"], scope["route"] = self._app, way.route
        answer = await way.endpoint(Request(scope), asked)
        await answer(scope, receive, send)


def _way(route: APIRoute) -> _Way | None:
    """Return the short way to a route; None where it takes more than a body, or does more than return a response."""
    takes = get_type_hints(route.endpoint, include_extras=True)
    alone = (
        route.path.startswith(API)
        and route.methods == {"POST"}
        and not route.dependencies
        and iscoroutinefunction(route.endpoint)
        and takes.keys() == {"request", "body", "return"}
        and takes["return"] is Response
        and isinstance(takes["body"], type)
        and issubclass(takes["body"], BaseModel)
    )
    return _Way(route, route.endpoint, takes["body"]) if alone else None


def _read(model: type[BaseModel], body: bytes) -> BaseModel | None:
    """Return what is asked; None where the body is not what the model describes, and FastAPI is to say why."""
    try:
        return model.model_validate(orjson.loads(body))
    except (orjson.JSONDecodeError, ValidationError):
        return None
