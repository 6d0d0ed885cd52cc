"""The versions that answer now: who gets a request, and what happens when that one does not answer.

The records on disk are the truth, so that a deploy needs to tell nobody, and any number of workers follow it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from components.contracts.errors import DiptychError, TransientError
from components.serving.endpoint import Endpoint, served_folder
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.gateway.metrics import SHADOWED, VERSION_SECONDS, VERSIONS
from components.serving.gateway.refusal import Refusal
from components.serving.gateway.upstream import Upstream
from components.serving.routes import FILE, Routes, read_routes
from components.serving.search.searcher import Searcher

LOOK_EVERY_S = 0.25
LINGER_S = 30.0  # a server that is replaced may still be answering
ALIASES = ("champion", "challenger")
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Version:
    """One served version.

    Args:
        endpoint: as it was recorded.
        upstream: the connection to it.
        searcher: its index, opened; None where it has none.
        share: of requests that it gets.
        shadow: whether it is asked beside the others.
        searching: held while a thread has the searcher.
    """

    endpoint: Endpoint
    upstream: Upstream
    searcher: "asyncio.Future[Searcher | None]"
    share: float
    shadow: bool
    searching: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def label(self) -> str:
        """Return such as clip@3."""
        return self.endpoint.label


class Fleet:
    """All versions of a workspace. Use it on one event loop, as an async context manager.

    Args:
        root: of the workspace.
        seed: of who gets which request.
    """

    def __init__(self, root: Path, seed: int | None = None) -> None:
        self.root = root
        self.versions: tuple[Version, ...] = ()
        self.fault: str = ""
        self._stamp: object = None
        self._random = random.Random(seed)
        self._looking = asyncio.Lock()
        self._tasks: set[asyncio.Task[object]] = set()
        self._lingering: list[Version] = []

    async def __aenter__(self) -> "Fleet":
        await self.look()
        self._keep(asyncio.create_task(self._follow()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for version in (*self.versions, *self._lingering):
            await _close(version)

    async def look(self) -> None:
        """Read the records again where they have changed."""
        async with self._looking:
            stamp = _stamp(self.root)
            if stamp == self._stamp:
                return
            try:
                routes = read_routes(self.root)
            except DiptychError as err:
                self.fault = str(err)
                return
            self._stamp, self.fault = stamp, ""
            self._take(routes)

    def _take(self, routes: Routes) -> None:
        known = {version.endpoint.instance: version for version in self.versions}
        shares = {one.endpoint.instance: (one.share, one.shadow) for one in routes.beside}
        rest = max(0.0, 1 - sum(one.share for one in routes.beside if not one.shadow))
        now = []
        for endpoint in routes.endpoints:
            share, shadow = shares.get(endpoint.instance, (rest, False))
            version = known.pop(endpoint.instance, None)
            if version is None or version.endpoint != endpoint:
                opened = asyncio.ensure_future(asyncio.to_thread(Searcher.open, endpoint.repository, self.root))
                opened.add_done_callback(lambda its: its.cancelled() or its.exception())  # told to whoever searches
                version = Version(
                    endpoint=endpoint, upstream=Upstream(endpoint.http), searcher=opened, share=share, shadow=shadow
                )
            version.share, version.shadow = share, shadow
            now.append(version)
        self.versions = tuple(now)
        for version in known.values():
            self._lingering.append(version)
            self._keep(asyncio.create_task(self._close_later(version)))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def _close_later(self, version: Version) -> None:
        await asyncio.sleep(LINGER_S)
        self._lingering.remove(version)
        await _close(version)

    def _keep(self, task: "asyncio.Task[object]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def named(self, name: str | None) -> Version:
        """Return the version that a client asks for, or one by chance and share where it leaves that to us.

        Args:
            name: a label such as clip@3, `champion`, `challenger`, a model's name without version; None, or empty, for any.

        Raises Refusal: 404 for a name that nothing served has, 503 where nothing is served.
        """
        if not self.versions:
            why = f" ({self.fault})" if self.fault else ""
            raise Refusal(
                503, "nothing_served", f"No model is served here{why}. Run make run, which ends with one.", 5.0
            )
        if not name or name == ALIASES[0]:
            return self.versions[0] if name else self._drawn()
        beside = self.versions[1:]
        if name == ALIASES[1] and beside:
            return beside[0]
        for version in self.versions:
            if name in (version.label, version.endpoint.package_digest):
                return version
        if any(name == version.label.partition("@")[0] for version in self.versions):
            return self._drawn()
        served = ", ".join(version.label for version in self.versions)
        raise Refusal(
            404,
            "model_not_found",
            f"No model {name[:80]!r} is served here. There is {served}; leave model out for any.",
        )

    def _drawn(self) -> Version:
        shares = [0.0 if version.shadow else version.share for version in self.versions]
        return self._random.choices(self.versions, shares)[0] if sum(shares) > 0 else self.versions[0]

    async def ask(
        self,
        name: str | None,
        question: Callable[[Version], Awaitable[T]],
        same: Callable[[T, T], bool] | None = None,
    ) -> tuple[Version, T]:
        """Return who answered, and the answer; another is asked where the first does not answer.

        Args:
            name: as of `named`; a version that was asked for by its own name has no other in its place.
            question: what is asked of a version; RequestRefused is the client's own fault and final.
            same: says whether a shadow's answer is the one given; None where shadows are not asked.

        Raises Refusal.
        """
        first = self.named(name)
        tried: list[Version] = []
        version: Version | None = first
        while version is not None:
            tried.append(version)
            try:
                answer = await _timed(version, question)
            except (TransientError, ServerFailed):
                await self.look()  # it may have been replaced while we asked
                version = self._instead(first, tried, name)
                continue
            if same is not None:
                self._shadow(version, question, answer, same)
            return version, answer
        raise Refusal(
            503,
            "model_unavailable",
            f"{first.label} does not answer at the moment; it is started again by itself. Try again.",
            2.0,
        )

    def _instead(self, first: Version, tried: Sequence[Version], name: str | None) -> Version | None:
        known = {version.endpoint.instance for version in tried}
        own = bool(name) and name in (first.label, first.endpoint.package_digest)
        for version in self.versions:
            if version.endpoint.instance not in known and (not own or version.label == first.label):
                return version
        return None

    def _shadow(
        self, version: Version, question: Callable[[Version], Awaitable[T]], answer: T, same: Callable[[T, T], bool]
    ) -> None:
        async def compare(shadow: Version) -> None:
            try:
                other = await _timed(shadow, question)
                outcome = "same" if same(answer, other) else "other"
            except Exception:
                outcome = "failed"
            SHADOWED.labels(shadow.label, outcome).inc()

        for shadow in self.versions:
            if shadow.shadow and shadow is not version:
                self._keep(asyncio.create_task(compare(shadow)))


async def _timed(version: Version, question: Callable[[Version], Awaitable[T]]) -> T:
    began, outcome = time.perf_counter(), "failed"
    try:
        answer = await question(version)
        outcome = "answered"
        return answer
    except RequestRefused:
        outcome = "refused"
        raise
    finally:
        VERSIONS.labels(version.label, outcome).inc()
        VERSION_SECONDS.labels(version.label).observe(time.perf_counter() - began)


def _stamp(root: Path) -> object:
    stamps = []
    for name in ("server.json", FILE):
        try:
            about = (served_folder(root) / name).stat()
            stamps.append((about.st_mtime_ns, about.st_ino, about.st_size))
        except FileNotFoundError:
            stamps.append((0, 0, 0))
    return stamps


async def _close(version: Version) -> None:
    await version.upstream.close()
    with suppress(Exception):
        searcher = await version.searcher
        if searcher is not None:
            searcher.close()
