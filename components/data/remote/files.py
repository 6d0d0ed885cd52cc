"""What lies at a URL: the objects below a prefix of S3, or files over http, each with its size and the version it has now."""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import ConfigError, DataError, explained
from components.contracts.progress import Progress, silent
from components.data.remote.addresses import REMOTE, name_of
from components.data.remote.fetcher import Fetcher
from components.data.remote.s3 import bucket_and_key
from components.data.remote.unfetched import Unfetched

MOST_URLS = 100_000
MOST_BYTES = 2**40  # of a file
MOST_TOLD = 1000  # files that source.json names
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file that lies elsewhere.

    Args:
        name: below the prefix, or the last part of the URL; as messages and keys have it.
        url: where it lies.
        size_bytes: as the server says; None where it does not.
        version: its ETag or date; what is fetched must have the same.
    """

    name: str
    url: str
    size_bytes: int | None
    version: str


class RemoteFiles:
    """The files at some URLs, listed when this is made; DataError, CapabilityError or TransientError when they cannot be.

    Args:
        urls: each an http or https URL of a file, or s3:// of an object or of all below; `{000..009}` counts.
        wanted: whether an object of a name below the prefix is taken; tells an object's URL from a prefix, too.
        kinds: what is wanted, for messages.
        fetcher: how they are fetched.
    """

    def __init__(self, urls: Sequence[str], wanted: Callable[[str], bool], kinds: str, fetcher: Fetcher) -> None:
        self.wanted, self.kinds, self.fetcher = wanted, kinds, fetcher
        every = (one for url in urls for one in expanded(url))
        asked = list(dict.fromkeys(itertools.islice(every, MOST_URLS + 1)))
        if len(asked) > MOST_URLS:
            raise ConfigError(f"source.url counts more than {MOST_URLS:,} URLs. Name fewer, or a folder of S3.")
        self.passed: list[str] = []  # keys of objects of other kinds
        found = [*self._named([one for one in asked if is_file(one, wanted)])]
        found += [file for url in asked if not is_file(url, wanted) for file in self._below(url)]
        self.files = told_apart(found)

    @property
    def version(self) -> str:
        """Sixteen hex digits that change when a file comes, goes, or is replaced."""
        said = json.dumps(
            [(file.name, file.size_bytes, file.version) for file in sorted(self.files, key=lambda file: file.name)]
        )
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def path_of(self, file: RemoteFile) -> Path:
        """Return where the bytes are kept once they are fetched."""
        return self.fetcher.store.path_of(_stored_name(file))

    def arrive(self, progress: Progress = silent, only: Sequence[RemoteFile] | None = None) -> None:
        """Fetch what is not here yet. Raises the error of the first that cannot be had."""
        files = {_stored_name(file): file for file in (self.files if only is None else only)}

        def work(name: str, url: str) -> None:
            file = files[name]
            try:
                came = self.fetcher.fetch(url, name, MOST_BYTES, file.version)
                if came is not None and file.size_bytes not in (None, came.size_bytes):
                    self.fetcher.store.forget([name])
                    raise Unfetched("fetch_failed", f"{came.size_bytes:,} bytes came; {file.size_bytes:,} were listed")
            except Unfetched as err:
                raise err.as_error(name_of(url)) from err
            except OSError as err:
                raise DataError(f"{name_of(url)} could not be kept on this disk: {explained(err)}") from err

        missing = {name: file.url for name, file in files.items() if not self.fetcher.store.has(name)}
        if missing:
            self.fetcher.each(missing, work, "fetch files", progress)

    def forget(self) -> None:
        """Remove the bytes from this disk."""
        self.fetcher.store.forget(_stored_name(file) for file in self.files)

    def describe(self) -> dict[str, object]:
        """Return what source.json keeps: the version, and name, URL without its query, size and version of the first 1,000 files."""
        more = len(self.files) - MOST_TOLD
        return {
            "version": self.version,
            "files": [asdict(file) | {"url": name_of(file.url)} for file in self.files[:MOST_TOLD]],
        } | ({"more_files": more} if more > 0 else {})

    def _below(self, url: str) -> Iterator[RemoteFile]:
        bucket, prefix = bucket_and_key(url)
        found = 0
        try:
            for key, said in self.fetcher.s3.below(url):
                name = key[len(prefix.rstrip("/")) :].lstrip("/")
                if not self.wanted(name):
                    self.passed.append(name)
                    continue
                found += 1
                yield RemoteFile(
                    name=name, url=f"s3://{bucket}/{key}", size_bytes=said.size_bytes, version=said.version
                )
        except Unfetched as err:
            raise err.as_error(url) from err
        if not found:
            raise DataError(
                f"{url} has no object whose name ends in {self.kinds} below it. Name the folder that has them, or one of them; to see "
                f"what is there: `aws s3 ls {url.rstrip('/')}/`."
            )

    def _named(self, urls: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return the files at URLs of their own, asked for at once and called by the last part."""
        said: dict[str, RemoteFile] = {}

        def work(url: str, _: str) -> None:
            try:
                about = self.fetcher.about(url)
            except Unfetched as err:
                raise err.as_error(name_of(url)) from err
            name = PurePosixPath(name_of(url)).name
            said[url] = RemoteFile(name=name, url=url, size_bytes=about.size_bytes, version=about.version)

        self.fetcher.each({url: url for url in urls}, work, "list files", silent)
        return tuple(said[url] for url in urls)


def is_file(url: str, wanted: Callable[[str], bool]) -> bool:
    """Return whether a URL is one of a file, and not of all below it, as those of S3 may be."""
    key = bucket_and_key(url)[1]
    return not url.lower().startswith("s3://") or (bool(key) and wanted(key.rpartition("/")[2]))


def told_apart(files: Sequence[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Return the files, those of one name called by their whole URL; ConfigError where one file is named twice."""
    urls, names = Counter(file.url for file in files), Counter(file.name for file in files)
    if twice := [url for url, times in urls.items() if times > 1]:
        raise ConfigError(
            f"source.url names {name_of(twice[0])} twice, and records could not be told apart. Name each file once."
        )
    return tuple(
        file if names[file.name] == 1 else replace(file, name=name_of(file.url).partition("://")[2]) for file in files
    )


def checked_urls(url: object) -> tuple[str, ...]:
    """Return `source.url` as a list; ConfigError unless it is a URL that can be asked, or a list of such."""
    urls: Sequence[Any] = url if isinstance(url, Sequence) and not isinstance(url, str) else [url]
    if not urls:
        raise ConfigError("source.url names no URL. Give at least one, such as s3://bucket/folder.")
    for one in urls:
        next(expanded(one))  # says what is wrong with it
    return tuple(urls)


def expanded(url: Any) -> Iterator[str]:
    """Yield the URLs that `shard-{000..009}.tar` counts, with as many digits as the first number has."""
    if not isinstance(url, str) or not REMOTE.match(url):
        raise ConfigError(f"source.url is {url!r}. Give URLs of http, https or s3, such as s3://bucket/folder.")
    found = _RANGE.search(url)
    if found is None:
        if "{" in url or "}" in url:
            raise ConfigError(
                f"source.url is {url!r}, and its braces count nothing. Write {{000..009}}, first and last number."
            )
        yield url
        return
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < MOST_URLS:
        raise ConfigError(
            f"source.url counts from {first} to {last}. Count upwards, and {MOST_URLS:,} URLs at the most."
        )
    for number in range(first, last + 1):
        yield from expanded(f"{url[: found.start()]}{number:0{len(found[1])}d}{url[found.end() :]}")


def _stored_name(file: RemoteFile) -> str:
    return f"{file.url} {file.size_bytes} {file.version}"
