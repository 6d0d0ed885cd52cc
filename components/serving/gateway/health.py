"""GET /healthz, /readyz and /metrics: whether the gateway lives, whether a model answers through it, and its counts."""

import asyncio
import time
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ConfigDict

from components.contracts.errors import DiptychError
from components.serving.gateway.answers import REFUSALS, Answer, as_json
from components.serving.gateway.fleet import Fleet, Version
from components.serving.gateway.metrics import exposition
from components.serving.health import TEXT, a_picture

READY_S = 10.0
FRESH_S = 0.5  # that an answer is good for
router = APIRouter()


class Kept:
    """What the champion's last answer was."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.at, self.label, self.ready = float("-inf"), "", False


class Lives(Answer):
    """It reads requests."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"]


class Ready(Answer):
    """The champion has just answered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ready", "model": "clip@3"}]})

    status: Literal["ready"]
    model: str


class NotReady(Answer):
    """It has not, or there is none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "not answering", "model": "clip@3"}]})

    status: Literal["not answering", "nothing served"]
    model: str | None = None


_BY_NAME: dict[int | str, dict[str, Any]] = {403: REFUSALS[403]}


@router.get(
    "/healthz", summary="Whether the gateway lives", response_model=None,
    responses={200: {"model": Lives, "description": "It does"}, **_BY_NAME},
)  # fmt: skip
async def healthz() -> Response:
    """Return 200 as long as requests are read at all."""
    return as_json({"status": "ok"})


@router.get(
    "/readyz", summary="Whether a model answers", response_model=None,
    responses={200: {"model": Ready, "description": "The champion does"}, 503: {"model": NotReady, "description": "None does"}, **_BY_NAME},
)  # fmt: skip
async def readyz(request: Request) -> Response:
    """Return 200 where the champion has just embedded a text and a picture, since Triton calls models ready whose process is dead."""
    fleet: Fleet = request.app.state.fleet
    if not fleet.versions:
        return as_json({"status": "nothing served"}, 503)
    kept: Kept = request.app.state.kept
    async with kept.lock:  # one question at a time, whoever asks
        if time.monotonic() - kept.at > FRESH_S or kept.label != fleet.versions[0].label:
            kept.label, kept.ready = fleet.versions[0].label, await _answers(fleet.versions[0])
            kept.at = time.monotonic()
    said = {"status": "ready" if kept.ready else "not answering", "model": kept.label}
    return as_json(said, 200 if kept.ready else 503)


async def _answers(version: Version) -> bool:
    try:
        async with asyncio.timeout(READY_S):
            await version.upstream.embed_text([TEXT])
            await version.upstream.embed_image([a_picture()])
    except (DiptychError, TimeoutError):
        return False
    return True


@router.get(
    "/metrics", summary="Counts for Prometheus", response_model=None, response_class=Response,
    responses={
        200: {"description": "The counts of all workers", "content": {"text/plain": {"schema": {"type": "string"}, "example": 'diptych_in_flight 0.0\n'}}},
        **_BY_NAME,
    },
)  # fmt: skip
async def metrics() -> Response:
    """Return the counts of all workers."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
