"""What every request passes: a number, a look at who asks and how much they send, a limit on all at once, and a record of how it went.

One layer of plain ASGI, since each layer of a framework costs a request some tenths of a millisecond.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import orjson

from components.serving.gateway.keys import Keyring
from components.serving.gateway.metrics import IN_FLIGHT, REFUSED, REQUESTS, SECONDS
from components.serving.gateway.rates import Rates
from components.serving.gateway.refusal import Refusal, bad
from components.serving.gateway.samples import Samples, embedded, language_of
from components.serving.gateway.settings import Settings
from components.serving.gateway.traces import Tracing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
API = "/v1/"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BODY_S = 10.0  # that a request has to be sent in
MOST_HELD = 256 * 2**20  # bytes of bodies that one worker holds at once
AWAY_S = 0.1  # that whoever is turned away waits to hear it: who asks again at once takes the processor from those who are answered
MOST_WAITING = 1024  # for that; more hear it at once
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
)


class Border:
    """The layer.

    Args:
        app: what answers.
        settings: of the gateway.
        samples: where a share of the requests is kept.
    """

    def __init__(self, app: App, settings: Settings, samples: Samples) -> None:
        self._app = app
        self._samples = samples
        self._names = {*OWN_NAMES, *(name.lower() for name in settings.hosts)}
        self._most = int(settings.max_body_mb * 2**20)
        self._in_flight = settings.in_flight
        self._deadline_s = settings.deadline_s
        self._keys = Keyring(settings.root)
        self._rates = Rates(settings.workers)
        self._tracing = Tracing.set_up(settings)
        self._now = 0
        self._held = 0  # bytes of bodies
        self._waiting = 0  # of those who are turned away

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or hand on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"]}
        request_id = _number(headers.get(b"x-request-id", b"").decode("latin-1"))
        scope.setdefault("state", {})["request_id"] = request_id
        began, status, started = time.perf_counter(), 500, False

        async def answer(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                extra = ((b"x-request-id", request_id.encode()), *SECURITY)
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        with self._tracing.span(scope, headers, request_id) as span:
            try:
                await self._guarded(scope, headers, receive, answer)
            except Refusal as err:
                REFUSED.labels(err.code).inc()
                if not started:
                    await _refuse(err, request_id, answer)
            except Exception as err:  # the application has told the client what it may know
                self._tracing.failed(span, err)
                self._tracing.log(err, request_id)
                if not started:
                    REFUSED.labels("internal_error").inc()
                    fault = Refusal(
                        500,
                        "internal_error",
                        f"The gateway failed ({type(err).__name__}); its log has request {request_id}.",
                    )
                    await _refuse(fault, request_id, answer)
            finally:
                self._tracing.ended(span, scope, status)
                route = _route(scope)
                REQUESTS.labels(route, str(status)).inc()
                seconds = time.perf_counter() - began
                SECONDS.labels(route).observe(seconds)
                if scope["path"].startswith(API) and scope["method"] == "POST":
                    self._samples.take(lambda: _sampled(scope["state"], headers, route, status, seconds))

    async def _guarded(self, scope: Message, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        self._check_name(headers)
        if not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        self._check_key(scope, headers)
        body = await self._body(headers, receive)
        if self._now >= self._in_flight:
            self._held -= len(body)
            del body
            await self._turn_away(_deadline(headers, AWAY_S))
        try:
            self._now += 1
            IN_FLIGHT.inc()
            try:
                until = asyncio.get_running_loop().time() + _deadline(headers, self._deadline_s)
                scope["state"]["until"] = until
                async with asyncio.timeout_at(until):
                    await self._app(scope, replayed(body, receive), send)
            except TimeoutError as err:
                raise Refusal(
                    504,
                    "deadline_exceeded",
                    "There was no answer in the time that the request has. Try again, or send less at once.",
                    1.0,
                ) from err
            finally:
                self._now -= 1
                IN_FLIGHT.dec()
        finally:
            self._held -= len(body)

    async def _turn_away(self, wait_s: float) -> NoReturn:
        """Refuse whoever comes while as many are under way as are taken at once, after `wait_s` seconds."""
        now = self._now
        if self._waiting < MOST_WAITING:
            self._waiting += 1
            try:
                await asyncio.sleep(wait_s)
            finally:
                self._waiting -= 1
        raise self._overloaded(f"{now} requests are under way here, as many as are taken at once")

    def _overloaded(self, why: str) -> Refusal:
        return Refusal(503, "overloaded", f"{why}. Try again.", 1.0)

    def _check_name(self, headers: dict[bytes, bytes]) -> None:
        """Refuse whoever comes by another name: a page elsewhere can point its own at this machine (DNS rebinding)."""
        name = headers.get(b"host", b"").decode("latin-1").lower()
        if re.sub(r":\d+$", "", name) not in self._names:
            raise Refusal(
                403,
                "wrong_host",
                "This gateway is not called so. Whoever runs it can allow the name: diptych serve --host NAME",
            )

    def _check_key(self, scope: Message, headers: dict[bytes, bytes]) -> None:
        if not self._keys.asks:
            scope["state"]["key"] = None
            return
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else headers.get(b"x-api-key", b"").decode("latin-1")
        key = self._keys.found(token) if token else None
        if key is None:
            said = "This key is not known here" if token else "A key is needed here"
            raise Refusal(
                401, "invalid_key", f"{said}. Send one as Authorization: Bearer dip_…; diptych keys add makes it."
            )
        if key.ended(datetime.now(UTC)):
            raise Refusal(401, "expired_key", f"The key of {key.name} was good until {key.ends_at}. Ask for a new one.")
        scope["state"]["key"] = key.name
        counts = (
            scope["method"] == "POST" and key.per_minute is not None
        )  # what a page shows of an answer is part of it
        if counts and key.per_minute is not None and (wait_s := self._rates.wait_s(key.name, key.per_minute)):
            raise Refusal(
                429, "rate_limited", f"The key of {key.name} may ask {key.per_minute:g} times a minute.", wait_s
            )

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Return the body, whose bytes count as held until the request is over."""
        said = headers.get(b"content-length", b"0")
        if said.isdigit() and int(said) > self._most:
            raise self._too_large()
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(BODY_S):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise bad("disconnected", "The request was not sent whole.")
                    part = message.get("body", b"")
                    size += len(part)
                    self._held += len(part)
                    if size > self._most:
                        raise self._too_large()
                    if self._held > MOST_HELD:
                        raise self._overloaded("Too many large requests are under way here")
                    parts.append(part)
                    more = message.get("more_body", False)
        except BaseException as err:
            self._held -= size
            if isinstance(err, TimeoutError):
                raise Refusal(408, "body_too_slow", f"The request was not sent in {BODY_S:g} s.") from err
            raise
        return b"".join(parts)

    def _too_large(self) -> Refusal:
        return Refusal(
            413,
            "body_too_large",
            f"A request may have {self._most / 2**20:g} MB. Send fewer or smaller pictures at once.",
        )


def _deadline(headers: dict[bytes, bytes], most_s: float) -> float:
    """Return the seconds that a request has: ours, or fewer where it says so in x-deadline-ms."""
    said = headers.get(b"x-deadline-ms")
    if said is None:
        return most_s
    if not said.isdigit() or len(said) > 9 or int(said) < 1:
        raise bad("bad_deadline", "x-deadline-ms has to be a whole number of milliseconds, from 1 on.")
    return min(most_s, int(said) / 1000)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that has been read, whole, and then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(err: Refusal, request_id: str, send: Send) -> None:
    body = orjson.dumps(err.body(request_id))
    headers = {"content-type": "application/json", "content-length": str(len(body)), **err.headers()}
    if err.code == "body_too_large":
        headers["connection"] = "close"  # what it still sends is not read
    coded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": err.status, "headers": coded})
    await send({"type": "http.response.body", "body": body})


def _sampled(
    state: MutableMapping[str, Any], headers: dict[bytes, bytes], route: str, status: int, seconds: float
) -> dict[str, Any]:
    """Return the row of a request; what it searched for and found, and what was embedded for it, is there where it was.

    Scores are of searches among all of the model's own pictures: among others, or some of them, lower ones are no drift.
    """
    query, found, whole = state.get("searched", (None, (), True))
    stated = headers.get(b"content-language", b"").decode("latin-1")
    samples, vectors = state.get("embedded", ((), None))
    return {
        "request_id": state["request_id"], "route": route, "version": state.get("version"), "package": state.get("package"), "space": state.get("space"),
        "key_name": state.get("key"), "status": status, "seconds": seconds, "query": query, "lang": language_of(query, stated),
        "keys": [one.entry.key for one in found], "scores": [one.score if whole else None for one in found],
        **({} if vectors is None else embedded(samples, vectors, stated)),
    }  # fmt: skip


def _number(given: str) -> str:
    """Return the request's own number where it has a decent one, else a new one."""
    return given if _ID.fullmatch(given) else secrets.token_hex(12)


def _route(scope: Message) -> str:
    """Return the pattern of what was asked for, never its text: each would be a series of its own."""
    route = scope.get("route")
    return str(getattr(route, "path", None) or ("none" if scope["path"].startswith(API) else "page"))
