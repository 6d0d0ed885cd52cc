"""Pictures that a table names by URL: fetched once, before the first is read; one that does not come is a Reject."""

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from components.contracts.errors import TransientError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.remote.addresses import name_of
from components.data.remote.fetcher import Fetcher
from components.data.remote.s3 import bucket_and_key
from components.data.remote.unfetched import Unfetched
from components.data.shards import MAX_PICTURE_BYTES

OUTAGE = 100  # URLs in a row that do not answer: it is not they, it is the network


class Fetched:
    """The pictures at some URLs.

    Args:
        urls: each once.
        among: pictures of the table in all, those that lie here included.
        allow_hosts: hosts of this network, and buckets (`s3://bucket`), that may be asked.
        fetcher: how; made when it is first needed, if not given.
    """

    def __init__(
        self, urls: Sequence[str], among: int, allow_hosts: Sequence[str] = (), fetcher: Fetcher | None = None
    ) -> None:
        self.urls, self.among, self.allow_hosts, self._given = tuple(urls), among, tuple(allow_hosts), fetcher
        self._failed: dict[str, Reject] | None = None
        self._lock, self._in_a_row = threading.Lock(), 0

    @cached_property
    def _fetcher(self) -> Fetcher:
        return self._given or Fetcher(self.allow_hosts)

    def path_of(self, url: str) -> Path:
        """Return where a picture's bytes lie once they came."""
        return self._fetcher.store.path_of(url)

    def failures(self, progress: Progress) -> Mapping[str, Reject]:
        """Return name_of(url) -> why it did not come; asked for at the first call, and the same at each later one.

        Raises TransientError when no picture of the table comes, or a hundred in a row do not answer: the network is down, and
        what came is kept for the next run. DataError or CapabilityError when S3 refuses whoever asks.
        """
        if self._failed is None:
            failed: dict[str, Reject] = {}

            def work(url: str, _: str) -> None:
                try:
                    self._check_bucket(url)
                    self._fetcher.fetch(url, url, MAX_PICTURE_BYTES)
                except Unfetched as err:
                    name = name_of(url)
                    failed[name] = Reject(key=name, member=name, reason=err.reason, detail=err.detail)
                    self._look_at_network(url, err.transient)
                else:
                    self._look_at_network(url, False)

            self._fetcher.each({url: url for url in self.urls}, work, "fetch pictures", progress)
            self._failed = failed
        return self._failed

    def forget(self) -> None:
        """Remove the bytes from this disk; asked again, they are fetched anew."""
        self._failed = None
        self._fetcher.store.forget(self.urls)

    def _check_bucket(self, url: str) -> None:
        """Raise Unfetched for a bucket that nobody named: a table from anybody must not read with its reader's credentials."""
        bucket = f"s3://{bucket_and_key(url)[0]}"
        if url.lower().startswith("s3://") and bucket not in self.allow_hosts:
            raise Unfetched(
                "address_refused",
                f"rows may name no bucket that params.yaml does not. If it is meant: source: {{allow_hosts: ['{bucket}']}}",
            )

    def _look_at_network(self, url: str, silent: bool) -> None:
        with self._lock:
            self._in_a_row = self._in_a_row + 1 if silent else 0
            if self._in_a_row >= min(OUTAGE, self.among):
                raise TransientError(
                    f"{self._in_a_row:,} URLs in a row did not answer, {name_of(url)} the last of them. Is the network there? What "
                    "came is kept for a day: run again, and the rest is fetched."
                )
