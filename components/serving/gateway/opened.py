"""A searcher that is opened once for all who ask, and again where that went wrong: of the index that a version brings along, and of indexes of one's own."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts.errors import DiptychError
from components.serving.gateway.refusal import Refusal
from components.serving.indexes import borrowed
from components.serving.search.own import Stamp, open_own, stamp_of
from components.serving.search.searcher import FILE, Searcher

LOG = logging.getLogger("diptych.gateway")
LINGER_S = 60.0  # in which whoever has been given a searcher that is replaced has asked it


class Opened:
    """One searcher.

    Args:
        how: opens it, in a thread; None where there is nothing to open.
    """

    def __init__(self, how: Callable[[], Searcher | None]) -> None:
        self._how = how
        self._opening: asyncio.Future[Searcher | None] | None = None

    async def get(self) -> Searcher | None:
        """Return it. Raises what `how` does."""
        if self._opening is None or (self._opening.done() and self._failed(self._opening)):
            self._opening = asyncio.ensure_future(asyncio.to_thread(self._how))
        return await asyncio.shield(self._opening)  # whoever asks may go; the opening goes on

    def close(self) -> None:
        """Let go of its files; where they are being opened, when whoever waits for them has asked."""
        opening = self._opening
        if opening is None:
            return
        if not opening.done():
            later = opening.get_loop().call_later
            opening.add_done_callback(lambda _: later(LINGER_S, self.close))
        elif not self._failed(opening) and (found := opening.result()):
            found.close()

    @staticmethod
    def _failed(opening: "asyncio.Future[Searcher | None]") -> bool:
        return opening.cancelled() or opening.exception() is not None


class IndexUnusable(Refusal):
    """The index that a version brings along cannot be read, which is a failure of that version.

    Args:
        label: of the version.
        why: the kind of error; what it says may name a path.
    """

    def __init__(self, label: str, why: str) -> None:
        super().__init__(
            503,
            "index_unusable",
            f"The index that {label} brings along cannot be read ({why}). Its gateway's log says what whoever runs it can do.",
        )


class PackagedIndex:
    """The index that a version brings along.

    Args:
        repository: what its server serves.
        root: of the workspace, whose data it is joined with.
    """

    def __init__(self, repository: Path, root: Path) -> None:
        self._repository = repository
        self._opened = Opened(lambda: Searcher.open(repository, root))
        self._said = ""

    async def get(self, label: str) -> Searcher | None:
        """Return its searcher, None where there is no index; `label` is the version's, for what is said. Raises IndexUnusable."""
        with self.read(label):
            return await self._opened.get()

    @contextmanager
    def read(self, label: str) -> Iterator[None]:
        """Turn whatever goes wrong with its files, for which sqlite and numpy have errors of their own, into IndexUnusable; the log says it once."""
        try:
            yield
        except Exception as err:
            why = f"{type(err).__name__}: {err}"
            if why != self._said:
                LOG.warning(
                    "The index that %s brings along cannot be read (%s). If %s is damaged, remove it, and it is made again; else serve another version, and then this one again.",
                    label, why, self._repository.parent / FILE,
                )  # fmt: skip
            self._said = why
            raise IndexUnusable(label, type(err).__name__) from err

    def close(self) -> None:
        """Let go of its files, where they are open."""
        self._opened.close()


class OwnIndexes:
    """The indexes of one's own that a version can be asked for: of its space, or such as its texts may search, as they lie on disk now.

    Args:
        root: of the workspace.
        space: of the version.
    """

    def __init__(self, root: Path, space: str) -> None:
        self._root, self._space = root, space
        self._opened: dict[str, tuple[tuple[str, Stamp], Opened]] = {}

    async def get(self, name: str) -> tuple[str, Searcher] | None:
        """Return the space of an index's vectors, and its searcher, opened again where its file is another; None where there are no such vectors.

        Raises Refusal where what lies there cannot be searched.
        """
        try:
            lent = borrowed(self._root, name, self._space)
            space = self._space if lent is None else lent.space
            stamp = stamp_of(self._root, name, space)
            known = self._opened.get(name)
            if known is not None and known[0] != (space, stamp):
                del self._opened[name]
                asyncio.get_running_loop().call_later(LINGER_S, known[1].close)
            if stamp is None:
                return None
            if name not in self._opened:
                self._opened[name] = (space, stamp), Opened(lambda: open_own(self._root, name, space))
            searcher = await self._opened[name][1].get()
        except FileNotFoundError:  # it was taken away just now
            return None
        except DiptychError as err:
            raise Refusal(503, "index_unusable", _without_paths(name, err)) from err
        return None if searcher is None else (space, searcher)

    def close(self) -> None:
        """Let go of all of them."""
        for _, opened in self._opened.values():
            opened.close()


def _without_paths(name: str, err: DiptychError) -> str:
    said = str(err)
    return (
        said
        if "/" not in said
        else f"The index {name} cannot be read. diptych index PICTURES --name {name} makes it again."
    )
