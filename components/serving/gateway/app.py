"""The gateway as an ASGI application: `uvicorn --factory components.serving.gateway.app:from_environment`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version as version_of

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from components.serving.gateway import classify, embeddings, feedback, health, models, paging, pictures_out, search
from components.serving.gateway.answers import as_json
from components.serving.gateway.border import App, Border
from components.serving.gateway.described import Described
from components.serving.gateway.direct import Direct
from components.serving.gateway.fleet import Fleet
from components.serving.gateway.metrics import REFUSED
from components.serving.gateway.pictures_out import Thumbnails
from components.serving.gateway.refusal import Refusal, bad
from components.serving.gateway.room import Room
from components.serving.gateway.samples import MOST_S, Samples
from components.serving.gateway.settings import Settings

ROUTES = (embeddings, classify, search, models, pictures_out, feedback, health, paging)
_KNOWN = {
    400: ("invalid_json", "The body is not JSON in UTF-8."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address is not asked so."),
}
ABOUT = """Texts and pictures to vectors, labels and neighbours, from the model that is served here.

Where keys are in use, send one as `Authorization: Bearer dip_…`. Every refusal has a code and says how to mend it."""


def from_environment() -> App:
    """Return the application that a worker serves; the process that starts it says how, see settings.py."""
    return create(Settings.told())


def create(settings: Settings) -> App:
    """Return the application.

    Args:
        settings: of the gateway.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        room = Room.of(settings.workers) if settings.in_process else None
        async with Fleet(settings.root, deadline_s=settings.deadline_s, room=room) as fleet:
            app.state.fleet = fleet
            writing = asyncio.create_task(_write_regularly(app.state.samples))
            yield
            writing.cancel()
            app.state.samples.write()

    app = Described(
        title="Diptych",
        version=version_of("diptych"),
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.samples = Samples(settings.root, settings.log_share, settings.log_days, settings.log_mb)
    app.state.kept = health.Kept()
    app.state.thumbnails = Thumbnails(settings.root)
    for route in ROUTES:
        app.include_router(route.router)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _unknown)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Exception, _failed)
    return Border(Direct(app, (route.router for route in ROUTES)), settings, app.state.samples)


async def _write_regularly(samples: Samples) -> None:
    """Write what was sampled also where nobody asks any more; what a thread has been given is written also where the gateway ends."""
    while True:
        await asyncio.sleep(MOST_S)
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(None, samples.keep, samples.hand_over()))


async def _refused(request: Request, err: Exception) -> Response:
    assert isinstance(err, Refusal)
    REFUSED.labels(err.code).inc()
    answer = as_json(err.body(request.state.request_id), err.status)
    answer.headers.update(err.headers())
    return answer


async def _invalid(request: Request, err: Exception) -> Response:
    assert isinstance(err, RequestValidationError)
    first = err.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])  # before it is what it came in: body, query or path
    if first["type"] == "json_invalid":
        where = f"The body, at character {where}"
    more = f" ({len(err.errors()) - 1} more)" if len(err.errors()) > 1 else ""
    said = f"{where or 'The body'}: {first['msg']}{more}. GET /openapi.json says what is taken."
    return await _refused(request, bad("invalid_request", said))


async def _unknown(request: Request, err: Exception) -> Response:
    assert isinstance(err, StarletteHTTPException)
    code, said = _KNOWN.get(err.status_code, ("refused", str(err.detail)))
    return await _refused(request, Refusal(err.status_code, code, f"{said} GET /openapi.json says what there is."))


async def _failed(request: Request, err: Exception) -> Response:
    """Say that the gateway failed; the traceback is for its log, which the border writes."""
    number = request.state.request_id
    said = f"The gateway failed ({type(err).__name__}); its log has request {number}."
    return await _refused(request, Refusal(500, "internal_error", said))
