"""The versions that answer now: who gets a request, and what happens when that one does not answer.

The records on disk are the truth, so that a deploy needs to tell nobody, and any number of workers follow it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from components.contracts.errors import DiptychError, TransientError
from components.serving.endpoint import Endpoint, served_folder
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.gateway.alone import Alone
from components.serving.gateway.metrics import SHADOWED, VERSION_SECONDS, VERSION_SQUARES, VERSIONS
from components.serving.gateway.opened import IndexUnusable, OwnIndexes, PackagedIndex
from components.serving.gateway.refusal import Refusal, told_of
from components.serving.gateway.room import Room
from components.serving.gateway.upstream import Upstream
from components.serving.gateway.vectors import Vectors
from components.serving.routes import FILE, Routes, read_routes
from components.serving.search.searcher import Searcher

LOG = logging.getLogger("diptych.gateway")
LOOK_EVERY_S = 0.25
LINGER_S = 30.0  # that a server which is replaced may still be answering
GRACE_S = 1.0  # in which whoever has just chosen it asks it; Triton, told to end, waits for open connections
HANGS_S = 0.5  # that a version had for an answer until it counts as one that does not answer in time, and not its client as hasty
SLOW_S = 5.0  # that who did not answer in time is asked last
MOST_COMPARING = 8  # answers of a shadow that are waited for at once
ALIASES = ("champion", "challenger")
T = TypeVar("T")


@dataclass(slots=True, kw_only=True, eq=False)
class Version:
    """One served version.

    Args:
        endpoint: as it was recorded.
        upstream: the connection to it.
        vectors: who makes them.
        root: of the workspace, whose data its index is joined with.
        share: of requests that it gets.
        shadow: whether it is asked beside the others.
        searching: lets one thread at a time have a searcher.
        asking: questions to it under way.
        comparing: of those, asked of it as a shadow.
        slow_until: by the monotonic clock, until when another is asked first, since it did not answer in time.
    """

    endpoint: Endpoint
    upstream: Upstream
    vectors: Vectors
    root: Path
    share: float
    shadow: bool
    searching: Alone = field(default_factory=Alone)
    asking: int = 0
    comparing: int = 0
    slow_until: float = float("-inf")
    _index: PackagedIndex = field(init=False)
    _own: OwnIndexes = field(init=False)

    def __post_init__(self) -> None:
        repository, root = self.endpoint.repository, self.root
        self._index = PackagedIndex(repository, root)
        self._own = OwnIndexes(root, self.endpoint.space)

    @property
    def label(self) -> str:
        """Return such as clip@3."""
        return self.endpoint.label

    @property
    def name(self) -> str:
        """Return the model's name, such as clip."""
        return self.label.partition("@")[0]

    async def index(self) -> Searcher | None:
        """Return its index, opened once for all who ask, and again where that went wrong; None where it has none. Raises IndexUnusable."""
        return await self._index.get(self.label)

    async def counted(self, searcher: Searcher) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        """Return `facets` and `languages` of its index's catalogue. Raises IndexUnusable."""
        with self._index.read(self.label):
            return await self.searching.call(lambda: (searcher.catalogue.facets(), searcher.catalogue.languages()))

    async def own(self, name: str) -> tuple[str, Searcher] | None:
        """Return an index of one's own, and the space of its vectors; None where there is none of that name that this version can search. Raises Refusal."""
        return await self._own.get(name)

    async def close(self) -> None:
        """Let go of all it holds."""
        self.vectors.close()
        await self.upstream.close()
        self._index.close()
        self._own.close()


class Fleet:
    """All versions of a workspace. Use it on one event loop, as an async context manager.

    Args:
        root: of the workspace.
        seed: of who gets which request.
        deadline_s: that a request has which says nothing else.
        room: for the encoders of each version here; None asks each vector of its server.
    """

    def __init__(self, root: Path, seed: int | None = None, deadline_s: float = 20.0, room: Room | None = None) -> None:
        self.root = root
        self._room = room
        self._deadline_s = deadline_s
        self._judged_until = float("-inf")  # seconds since 1970
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
            await version.close()

    async def look(self) -> None:
        """Read the records again where they have changed."""
        async with self._looking:
            try:
                stamp = _stamp(self.root)
                if stamp == self._stamp:
                    return
                routes = read_routes(self.root)
            except (DiptychError, OSError) as err:  # what is served goes on, and the next look may succeed
                self.fault = str(err)
                return
            self._stamp, self.fault = stamp, ""
            self._take(routes)

    def _take(self, routes: Routes) -> None:
        known = {(version.endpoint.instance, version.endpoint.http): version for version in self.versions}
        shares = {one.endpoint.instance: (one.share, one.shadow) for one in routes.beside}
        self._judged_until = max((one.until for one in routes.beside if one.until is not None), default=float("-inf"))
        rest = max(0.0, 1 - sum(one.share for one in routes.beside if not one.shadow))
        now = []
        for endpoint in routes.endpoints:
            share, shadow = shares.get(endpoint.instance, (rest, False))
            version = known.pop((endpoint.instance, endpoint.http), None)
            if version is None:
                upstream = Upstream(endpoint.http)
                vectors = Vectors(
                    upstream, endpoint.repository, self._room, endpoint.label, self._are_alike, served_folder(self.root)
                )
                version = Version(
                    endpoint=endpoint, upstream=upstream, vectors=vectors, root=self.root, share=share, shadow=shadow
                )
            version.endpoint = endpoint  # it may be called otherwise now
            version.share, version.shadow = share, shadow
            now.append(version)
        self.versions = tuple(now)
        for version in known.values():
            self._lingering.append(version)
            self._keep(asyncio.create_task(self._close_later(version)))

    def _are_alike(self) -> bool:
        """Return whether vectors may be made here: while a canary is judged, where those of all are, so that seconds are held against seconds of the like."""
        return time.time() > self._judged_until or all(its.vectors.are_open for its in self.versions)

    async def _follow(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
                said = ""
            except Exception as err:  # the next record may be a better one, and nobody else would follow it
                if repr(err) != said:
                    LOG.exception("The records of what is served cannot be followed, and what is served goes on")
                said = repr(err)

    async def _close_later(self, version: Version) -> None:
        until = time.monotonic() + LINGER_S
        await asyncio.sleep(GRACE_S)
        while version.asking and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
        self._lingering.remove(version)
        await version.close()

    def _keep(self, task: "asyncio.Task[object]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def order(self, name: str | None) -> list[Version]:
        """Return who may answer a client that asks for a name, in the order in which they are asked.

        Args:
            name: a label such as clip@3, a package's digest, `champion`, `challenger`, a space, a model's name without version; None, or
                empty, for any. What is asked for by a name of its own has nobody in its place.

        Raises Refusal: 404 for a name that nothing served has, 503 where nothing is served.
        """
        if not self.versions:
            why = f" ({self.fault})" if self.fault else ""
            raise Refusal(
                503, "nothing_served", f"No model is served here{why}. Run make run, which ends with one.", 5.0
            )
        champion, *beside = self.versions
        if name == ALIASES[0]:
            return [champion]
        if name == ALIASES[1] and beside:
            return [beside[0]]
        for version in self.versions:
            if name and name in (version.label, version.endpoint.package_digest):
                return [version]
        among = [its for its in self.versions if not name or name in (its.name, its.endpoint.space)]
        if not among:
            served = ", ".join(version.label for version in self.versions)
            raise Refusal(
                404,
                "model_not_found",
                f"No model {str(name)[:80]!r} is served here. There is {served}; leave model out for any.",
            )
        sharing = [its for its in among if not its.shadow and (its.share > 0 or its is champion)] or among[:1]
        shares = [its.share for its in sharing]
        first = self._random.choices(sharing, shares)[0] if sum(shares) > 0 else sharing[0]
        now = time.monotonic()
        return sorted(
            [first, *(version for version in sharing if version is not first)], key=lambda its: its.slow_until > now
        )

    async def ask(
        self,
        name: str | None,
        question: Callable[[Version], Awaitable[T]],
        same: Callable[[T, T], bool] | None = None,
        until: float | None = None,
    ) -> tuple[Version, T]:
        """Return who answered, and the answer; another is asked where the first does not answer, or not in half of the time that is left, or has not what is asked for, or cannot read its index.

        That nobody has it is said where all answered: whoever did not may have it.

        Args:
            name: as of `order`.
            question: what is asked of a version; RequestRefused is the client's own fault and final.
            same: says whether a shadow's answer is the one given; None where shadows are not asked.
            until: by the loop's clock, when the request is over, which whoever calls sees to; None: in `deadline_s`.

        Raises Refusal.
        """
        tried: set[tuple[str, str]] = set()
        refused: list[Refusal] = []
        silent: Version | None = None
        first = self.order(name)[0]
        clock = asyncio.get_running_loop().time
        until = clock() + self._deadline_s if until is None else until
        while True:
            left = [one for one in self.order(name) if (one.endpoint.instance, one.endpoint.http) not in tried]
            if not left:
                if refused and silent is None:
                    raise told_of(refused)
                silent = silent or first
                raise Refusal(
                    503,
                    "model_unavailable",
                    f"{silent.label} does not answer at the moment{self._mended(silent)}. Try again.",
                    2.0,
                )
            version = first if not tried and first in left else left[0]
            tried.add((version.endpoint.instance, version.endpoint.http))
            began = clock()
            half_s = max(0.0, until - began) / 2
            at_once = version.asking + 1
            try:
                async with asyncio.timeout(half_s if len(left) > 1 else None):
                    answer = await _timed(version, question, half_s)
            except (TimeoutError, asyncio.CancelledError) as err:
                if clock() - began >= HANGS_S:
                    version.slow_until = time.monotonic() + SLOW_S
                if len(left) == 1 or isinstance(err, asyncio.CancelledError):
                    raise  # the request's own time is over
                silent = silent or version
            except Refusal as err:
                if err.status != 404 and not isinstance(err, IndexUnusable):
                    raise
                refused.append(err)
            except (TransientError, ServerFailed):
                version.slow_until, silent = time.monotonic() + SLOW_S, silent or version
                await self.look()  # it may have been replaced while we asked
            else:
                if same is not None:
                    self._shadow(version, question, answer, same, at_once)
                return version, answer

    def _mended(self, version: Version) -> str:
        """Return what the keeper does about a version that does not answer, as the rest of a sentence."""
        if version is self.versions[0]:
            return "; it is started again by itself"
        return "; it stands beside the champion, and is started again by itself unless it has ended or is a canary"

    def _shadow(
        self,
        version: Version,
        question: Callable[[Version], Awaitable[T]],
        answer: T,
        same: Callable[[T, T], bool],
        at_once: int,
    ) -> None:
        """Ask shadows what was answered: each no more at once than the version had when it was asked, so that seconds of the like are held against each other."""

        async def compare(shadow: Version) -> None:
            try:
                async with asyncio.timeout(self._deadline_s):
                    other = await _timed(shadow, question, self._deadline_s / 2)
                outcome = "same" if same(answer, other) else "other"
            except Exception:
                outcome = "failed"
            finally:
                shadow.comparing -= 1
            SHADOWED.labels(shadow.label, outcome).inc()

        for shadow in self.versions:
            if not shadow.shadow or shadow is version:
                continue
            if shadow.comparing >= min(at_once, MOST_COMPARING):  # each holds what was asked, pictures too
                SHADOWED.labels(shadow.label, "skipped").inc()
                continue
            shadow.comparing += 1
            self._keep(asyncio.create_task(compare(shadow)))


async def _timed(version: Version, question: Callable[[Version], Awaitable[T]], patience_s: float) -> T:
    """Return the answer; a question that was given up before `patience_s` seconds, or HANGS_S where that is more, is nobody's failure."""
    began, outcome = time.perf_counter(), "failed"
    version.asking += 1
    try:
        answer = await question(version)
        outcome = "answered"
        return answer
    except IndexUnusable:
        raise
    except (RequestRefused, Refusal):
        outcome = "refused"
        raise
    except asyncio.CancelledError:
        if time.perf_counter() - began < 0.9 * max(patience_s, HANGS_S):
            outcome = "given up"
        raise
    finally:
        version.asking -= 1
        took_s = time.perf_counter() - began
        VERSIONS.labels(version.label, outcome).inc()
        if outcome != "refused":
            VERSION_SECONDS.labels(version.label).observe(took_s)
            VERSION_SQUARES.labels(version.label).inc(took_s**2)


def _stamp(root: Path) -> object:
    stamps = []
    for name in ("server.json", FILE):
        try:
            about = (served_folder(root) / name).stat()
            stamps.append((about.st_mtime_ns, about.st_ino, about.st_size))
        except FileNotFoundError:
            stamps.append((0, 0, 0))
    return stamps
