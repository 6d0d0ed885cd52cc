"""GET /healthz, /readyz and /metrics: whether the gateway lives, whether a model answers through it, and its counts."""

import asyncio
import time

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from components.contracts.errors import DiptychError
from components.serving.gateway.answers import as_json
from components.serving.gateway.fleet import Fleet, Version
from components.serving.gateway.metrics import exposition
from components.serving.health import TEXT

READY_S = 10.0
FRESH_S = 0.5  # that an answer is good for
router = APIRouter()


class Kept:
    """What the champion's last answer was."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.at, self.label, self.ready = float("-inf"), "", False


@router.get("/healthz", summary="Whether the gateway lives", response_model=None)
async def healthz() -> Response:
    """Return 200 as long as requests are read at all."""
    return as_json({"status": "ok"})


@router.get(
    "/readyz", summary="Whether a model answers", response_model=None, responses={503: {"description": "None does"}}
)
async def readyz(request: Request) -> Response:
    """Return 200 where the champion has just embedded a text, since Triton calls models ready whose process is dead."""
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
    except (DiptychError, TimeoutError):
        return False
    return True


@router.get("/metrics", summary="Counts for Prometheus", response_model=None)
async def metrics() -> Response:
    """Return the counts of all workers."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
