"""The receiver of MLflow's webhooks as an ASGI application: verify, tell Prefect, answer. What is done about it, Prefect says.

An answer of 5xx makes MLflow try again; so does no answer in 30 s. Every other one is its last word, see docs/webhooks.md.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.contracts.errors import DiptychError
from components.registry.hooks import MOST_BYTES, AliasSet, Deliveries, Fault, Refused, alias_set, verified
from components.registry.turns import CHAMPION
from components.stages.place import private
from flows.ours import own_models
from flows.telling.events import ALIAS_SET, model_resource, tell_prefect
from flows.webhooks.secrets import webhook_secrets

STATUS: dict[Fault, int] = {"forged": 401, "stale": 400, "replayed": 409, "unreadable": 400}
BODY_WITHIN_S = 10.0
RETRY_AFTER_S = 20  # three tries of MLflow then bridge a minute, in which a Prefect server is up again

Answer = tuple[int, dict[str, str]]
"""A status of HTTP, and `taken`, `ignored` or `refused` with a sentence."""
Tell = Callable[[AliasSet], Awaitable[None]]
"""Hands on that a champion was set; TransientError where nobody took it."""


async def tell_alias_set(wish: AliasSet) -> None:
    """Have Prefect know it, as `diptych.alias.set` about `diptych.model.<name>`; the delivery's id is the event's."""
    payload = {"model": wish.model, "alias": wish.alias, "version": wish.version}
    await tell_prefect(ALIAS_SET, model_resource(wish.model), payload, _uuid(wish.delivery))


class Receiver:
    """What answers MLflow in a workspace.

    Args:
        root: of the workspace, where the secrets and the deliveries of the last minutes are.
        tell: hands on what was verified.
        clock: gives seconds since 1970.
        retry_after_s: what a sender is asked to wait before another try.
        log: gets a line for each answer.
    """

    def __init__(
        self, root: Path, tell: Tell = tell_alias_set, *, clock: Callable[[], float] = time.time,
        retry_after_s: int = RETRY_AFTER_S, log: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._root = root
        self._tell = tell
        self._clock = clock
        self._retry_after_s = retry_after_s
        self._log = log
        self._done = Deliveries(private(root, "hooks") / "deliveries.sqlite")
        self._under_way: set[str] = set()

    def app(self) -> Starlette:
        """Return the application: POST /mlflow, GET /healthz."""
        return Starlette(
            routes=[Route("/mlflow", self._take, methods=["POST"]), Route("/healthz", _healthy, methods=["GET"])]
        )

    async def _take(self, request: Request) -> Response:
        status, said = await self._answered(request)
        if self._log is not None:
            self._log(f"{status} {' '.join(said.values())}")
        return JSONResponse(said, status, {"retry-after": str(self._retry_after_s)} if status == 503 else None)

    async def _answered(self, request: Request) -> Answer:
        try:
            body = await _body(request)
            if body is None:
                return 413, {"refused": f"the body has more than {MOST_BYTES:,} bytes, which MLflow's never have."}
            return await self._answer(request, body)
        except Refused as err:
            return STATUS[err.fault], {"refused": str(err)}
        except TimeoutError:
            return 408, {"refused": f"the body did not come within {BODY_WITHIN_S:.0f} s."}
        except ClientDisconnect:
            return 400, {"refused": "the sender has gone."}
        except (DiptychError, OSError) as err:  # Prefect, or our own files: the sender keeps what it has to say
            return 503, {"refused": f"{err} Try again."}

    async def _answer(self, request: Request, body: bytes) -> Answer:
        now_s = self._clock()
        delivery = verified(request.headers, body, webhook_secrets(self._root), now_s)
        if delivery.id in self._under_way or self._done.has(delivery):
            raise Refused("replayed", f"delivery {delivery.id} was taken before, so nothing is done a second time.")
        wish = alias_set(delivery)
        if wish is None or wish.alias != CHAMPION:
            return 200, {"ignored": f"only the alias {CHAMPION} of a model, set, is acted on."}
        if wish.model not in own_models(self._root):
            return 200, {
                "ignored": f"{wish.model} is no recipe of params.yaml here, and was neither packaged nor served."
            }
        self._under_way.add(delivery.id)
        try:
            await self._tell(wish)
            self._done.add(delivery, now_s)  # after it was handed on: whoever is killed between the two is asked again
        finally:
            self._under_way.discard(delivery.id)
        return 202, {"taken": f"{CHAMPION} of {wish.model} is looked at; it was set to version {wish.version}."}


async def _body(request: Request) -> bytes | None:
    """Return the body, None where it is too large, whatever its header says."""
    body = bytearray()
    async with asyncio.timeout(BODY_WITHIN_S):
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return None
    return bytes(body)


async def _healthy(_: Request) -> Response:
    return JSONResponse({"state": "ok"})


def _uuid(delivery: str) -> UUID | None:
    try:
        return UUID(delivery)
    except ValueError:
        return None
