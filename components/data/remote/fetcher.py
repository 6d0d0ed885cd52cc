"""Many URLs at once, each onto this disk: in any order, a few a host, and cut off when nobody wants them."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import zip_longest
from pathlib import Path
from urllib.parse import urlsplit

from components.contracts.progress import Progress
from components.data.remote.addresses import Addresses, Resolve, resolved
from components.data.remote.http import Http, Said
from components.data.remote.s3 import S3
from components.data.remote.store import Store, cache_dir
from components.data.remote.turns import Patience, Stopped, Turns
from components.data.remote.unfetched import Unfetched

AT_ONCE = 16  # requests, to all hosts together
_POLL_S = 0.5


class Fetcher:
    """Fetches URLs of http, https and s3 into files that are kept.

    Args:
        allow: hosts that may be asked although they lie in this network, and buckets that data may name.
        patience: how often, and how long.
        folder: where files are kept; in the user's cache if not given.
        resolve: looks a name up.
        wait: waits some seconds before another try; as the clock goes if not given.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        patience: Patience | None = None,
        folder: Path | None = None,
        resolve: Resolve = resolved,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self.allow, self.stop = tuple(allow), threading.Event()
        turns = Turns(patience or Patience(), self._wait if wait is None else wait)
        self.http, self.s3 = Http(Addresses(allow, resolve), turns, self.stop), S3(turns, self.stop)
        self.store = Store(folder or cache_dir("fetched"))
        self.store.sweep()

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped

    def fetch(self, url: str, name: str, most_bytes: int, version: str = "") -> Said | None:
        """Keep the bytes of a URL under a name; None when they were there. Raises Unfetched, and OSError when the disk is full."""
        if self.store.has(name):
            return None
        with self.store.new(name) as file:
            if url.lower().startswith("s3://"):
                return self.s3.fetch(url, file, most_bytes, version)
            said = self.http.fetch(url, file, most_bytes)
            if version and said.version != version:
                raise Unfetched("fetch_failed", "it is another one than was listed; it was changed meanwhile")
            return said

    def about(self, url: str) -> Said:
        """Return what is said of a URL's bytes. Raises Unfetched."""
        return self.s3.about(url) if url.lower().startswith("s3://") else self.http.about(url)

    def each(self, urls: Mapping[str, str], work: Callable[[str, str], None], doing: str, progress: Progress) -> None:
        """Call work(name, url) for each, hosts by turns; the first error ends all.

        Memory: a piece of each that is under way, and four futures a thread.
        """
        self.stop.clear()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch")
        waiting, running, done = by_turns(urls), set[Future[None]](), 0
        try:
            while True:
                while len(running) < 4 * AT_ONCE and (one := next(waiting, None)) is not None:
                    running.add(pool.submit(work, *one))
                if not running:
                    return
                ended, running = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                done += len(ended)
                if done:
                    progress(doing, done, len(urls))
        except BaseException:
            self.stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def by_turns(urls: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name, url), hosts in turn, so that one that is slow does not hold all threads."""
    hosts: dict[str, list[tuple[str, str]]] = {}
    for name, url in urls.items():
        hosts.setdefault(host_of(url), []).append((name, url))
    for row in zip_longest(*hosts.values()):
        yield from (one for one in row if one is not None)


def host_of(url: str) -> str:
    """Return the host, or bucket, that a URL names; empty where it is none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
