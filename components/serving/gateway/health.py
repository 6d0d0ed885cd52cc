"""GET /healthz, /readyz and /metrics: whether the gateway lives, whether a model answers through it, and its counts."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from components.contracts.errors import DiptychError
from components.serving.gateway.answers import as_json
from components.serving.gateway.fleet import Fleet
from components.serving.gateway.metrics import exposition
from components.serving.health import TEXT

READY_S = 10.0
router = APIRouter()


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
    version = fleet.versions[0]
    try:
        async with asyncio.timeout(READY_S):
            await version.upstream.embed_text([TEXT])
    except (DiptychError, TimeoutError):
        return as_json({"status": "not answering", "model": version.label}, 503)
    return as_json({"status": "ready", "model": version.label})


@router.get("/metrics", summary="Counts for Prometheus", response_model=None)
async def metrics() -> Response:
    """Return the counts of all workers."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
