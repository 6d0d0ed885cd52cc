"""Where a person's own data lies: at a path here, or elsewhere at URLs, from which it is laid out on this disk to be read."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from components.contracts.errors import DataError, DiptychError, explained
from components.contracts.progress import Progress, silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.remote.addresses import checked_hosts, name_of
from components.data.remote.fetcher import Fetcher
from components.data.remote.files import RemoteFile, RemoteFiles, checked_urls, is_file
from components.data.remote.laid_out import LaidOut, can_be_laid_out
from components.data.sources.files import HIDDEN, PICTURES, is_hidden
from components.data.sources.settings import existing

OTHERS = "files of another kind"
NO_NAMES = "names that no file of this disk can have"


class Place:
    """Where data lies, and what of it is read.

    Args:
        path: where it lies here; not read where `url` says that it lies elsewhere.
        what: what the path is of, for messages, such as "a folder with pictures".
        url: s3:// of a folder, URLs of files over http or s3, or a list of such; `{000..009}` in one counts.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port.
        wanted: whether a file of that name is read; others stay there.
        kinds: the names of such files, for messages.
    """

    def __init__(
        self,
        path: str,
        what: str,
        url: str | Sequence[str] | None,
        version: str | None,
        allow_hosts: Sequence[str] | None,
        wanted: Callable[[str], bool],
        kinds: str,
    ) -> None:
        self.path, self.what, self.wanted, self.kinds = path, what, wanted, kinds
        self.urls = None if url is None else checked_urls(url)
        self.version, self.allow_hosts = version, checked_hosts(allow_hosts)
        self.fetched = False

    @cached_property
    def fetcher(self) -> Fetcher:
        """Return what asks for URLs."""
        return Fetcher(self.allow_hosts)

    @cached_property
    def files(self) -> RemoteFiles:
        """Return the files that lie elsewhere, listed when first asked for. DataError when they are another version."""
        assert self.urls is not None
        found = RemoteFiles(self.urls, self._read, self.kinds, self.fetcher)
        if self.version not in (None, found.version):
            raise DataError(
                f"what lies at {', '.join(name_of(one) for one in self.urls)} is version {found.version} now, and source.version in "
                f"params.yaml is {self.version}: files came, went or changed. To take what is there now, run `diptych run --data URL` "
                "again, or take source.version away."
            )
        return found

    def here(self, progress: Progress, names: Callable[[Path], Container[str] | None]) -> Path:
        """Return where the data lies on this disk, fetched if need be: the folder, or the one file where one is named.

        Args:
            names: what lies there, its pictures still without their bytes -> the last parts of the names of those that are
                needed; None for all. The others stay where they lie, and have their names here.
        """
        if self.urls is None:
            return existing(self.path, self.what)
        alone = len(self.urls) == 1 and len(self.files.files) == 1 and is_file(self.urls[0], self._read)
        here = self._laid_out.folder / self.files.files[0].name if alone else self._laid_out.folder
        files = [file for file in self.files.files if file.name not in self._shadowed]
        pictures = [file for file in files if _is_picture(file)]
        self._lay_out([file for file in files if not _is_picture(file)], progress)
        needed = names(here)
        self._lay_out(
            [file for file in pictures if needed is None or PurePosixPath(file.name).name in needed], progress
        )
        for file in pictures:
            self._laid_out.add_empty(file.name)  # where it is not needed
        self.fetched = True
        return here

    @property
    def folder_url(self) -> str:
        """Return the URL of the folder that the one file lies in; empty where all lies here."""
        return "" if self.urls is None else self.urls[0].partition("?")[0].rpartition("/")[0]

    @contextmanager
    def outlined(self, telling: Sequence[RemoteFile]) -> Iterator[Path]:
        """Yield a folder with all names that lie elsewhere, of which only the files that are given have their bytes.

        These are kept when it goes, for whoever reads all.
        """
        with self.named():
            try:
                self._lay_out(telling, silent)
                for file in self.files.files:
                    if file.name not in self._shadowed:
                        self._laid_out.add_empty(file.name)
                yield self._laid_out.folder
            finally:
                self._laid_out.clear()
                self.fetcher.store.release()

    def forget(self) -> None:
        """Remove from this disk what was fetched; asked for again, it is fetched again."""
        if self.fetched:
            self.files.forget()
            self._laid_out.clear()
            self.fetched = False

    def describe(self) -> dict[str, object]:
        """Return which version of what lies elsewhere was read; nothing where all lies here."""
        return {} if self.urls is None else {"remote": self.files.describe()}

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What lies elsewhere and stays there: what it is -> its names."""
        if self.urls is None:
            return {}
        hidden, nameless, others = dict[str, None](), list[str](), list[str]()
        for name in self.files.passed:
            if is_hidden(name):
                hidden[_to_first(name, is_hidden)] = None
            else:
                (others if can_be_laid_out(name) else nameless).append(name)
        return {HIDDEN: list(hidden), NO_NAMES: [*nameless, *sorted(self._shadowed)], OTHERS: others}

    def told(self, one: Sample | Reject) -> Sample | Reject:
        """Return a record as it is, and a Reject that names where data lies, not where on this disk it is kept meanwhile."""
        if self.urls is None or not isinstance(one, Reject):
            return one
        return replace(one, detail=self._with_url(one.detail))

    @contextmanager
    def named(self) -> Iterator[None]:
        """Make errors name where data lies, not where on this disk it is kept meanwhile."""
        try:
            yield
        except DiptychError as err:
            if self.urls is not None:
                err.args = (self._with_url(str(err)),)
            raise

    def _lay_out(self, files: Sequence[RemoteFile], progress: Progress) -> None:
        self.files.arrive(progress, files)
        for file in files:
            try:
                self._laid_out.add(file.name, self.files.path_of(file))
            except OSError as err:
                raise DataError(f"{name_of(file.url)} could not be laid out on this disk: {explained(err)}") from err

    def _with_url(self, said: str) -> str:
        return said.replace(str(self._laid_out.folder), self._shown) if "_laid_out" in self.__dict__ else said

    def _read(self, name: str) -> bool:
        return self.wanted(name) and can_be_laid_out(name) and not is_hidden(name)

    @cached_property
    def _laid_out(self) -> LaidOut:
        return LaidOut()

    @cached_property
    def _shadowed(self) -> frozenset[str]:
        """Names that are those of folders of others: S3 can have a file a and a file a/b, and a disk cannot."""
        names = {file.name for file in self.files.files}
        return frozenset(str(above) for name in names for above in PurePosixPath(name).parents) & names

    @property
    def _shown(self) -> str:
        assert self.urls is not None
        first = name_of(self.urls[0])
        return first.rpartition("/")[0] if is_file(self.urls[0], self._read) else first.rstrip("/")


def _is_picture(file: RemoteFile) -> bool:
    return PurePosixPath(file.name).suffix.lower() in PICTURES


def _to_first(name: str, holds: Callable[[str], bool]) -> str:
    """Return a name up to its first part for which that holds."""
    parts = name.split("/")
    return "/".join(parts[: next(place for place, part in enumerate(parts, 1) if holds(part))])
