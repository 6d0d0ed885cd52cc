"""Pictures that a table names by URL: fetched once, before the first is read; one that does not come is a Reject."""

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from components.contracts.errors import TransientError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.remote.addresses import name_of
from components.data.remote.fetcher import Fetcher, host_of
from components.data.remote.s3 import bucket_and_key
from components.data.remote.unfetched import Unfetched
from components.data.shards import MAX_PICTURE_BYTES

OUTAGE = 100  # URLs in a row that do not answer: it is not they, it is the network, or their one host
OTHERS = 3  # hosts that are asked which of the two it is


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
        self._silent, self._answered = (
            set[str](),
            dict[str, str](),
        )  # hosts since the last answer; host -> URL, last at the end

    @cached_property
    def _fetcher(self) -> Fetcher:
        return self._given or Fetcher(self.allow_hosts)

    def path_of(self, url: str) -> Path:
        """Return where a picture's bytes lie once they came."""
        return self._fetcher.store.path_of(url)

    def failures(self, progress: Progress) -> Mapping[str, Reject]:
        """Return name_of(url) -> why it did not come; asked for at the first call, and the same at each later one.

        Raises TransientError when no picture of the table comes, or a hundred in a row do not answer: the network is down, and
        what came is kept for the next run. Where all these are of one host, others that answered are asked again first, and if
        one does, it is that host. DataError or CapabilityError when S3 refuses whoever asks.
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
                    if err.reason != "address_refused":  # then nobody was asked
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
        host = host_of(url)
        with self._lock:
            if not silent:
                self._answered.pop(host, None)
                self._in_a_row, self._answered[host] = 0, url
                self._silent.clear()
                return
            self._in_a_row += 1
            self._silent.add(host)
            most = min(OUTAGE, self.among)
            if self._in_a_row < most:
                return
            if self._silent == {host} and self._another_answers(host):
                self._in_a_row = 0
                return
            raise TransientError(
                f"{most:,} URLs in a row did not answer, {name_of(url)} the last of them. Is the network there? What "
                "came is kept for a day: run again, and the rest is fetched."
            )

    def _another_answers(self, silent: str) -> bool:
        """Return whether a host answers, other than the one that does not, of those that answered last."""
        for url in islice((url for host, url in reversed(self._answered.items()) if host != silent), OTHERS):
            try:
                self._fetcher.about(url)
            except Unfetched as err:
                if err.transient:
                    continue
            return True
        return False
