"""The bytes of a document's pictures: in the row itself, beside the file, or elsewhere, by URL, fetched before the first is read."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.data.remote.addresses import REMOTE, name_of
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources.by_shard import ShardEnds
from components.data.sources.document import BadDocument, Picture, read_document
from components.data.sources.document_files import rows_of
from components.data.sources.fetched import Fetched
from components.data.sources.files import bytes_of
from components.data.sources.rows import cleaned

FOLDERS = (".", "images")  # beside the file, where pictures are looked for
_NOT_FETCHED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:")

Refused = tuple[str, str]  # reason and sentence


class DocumentPictures:
    """Where the pictures of some files of documents are.

    Args:
        files: (name, path) of the documents.
        root: the folder that no picture may lie outside of.
        images: the folder of the pictures; without, they are looked for in FOLDERS.
        allow_hosts: hosts of this network, and buckets, that documents may name.
    """

    def __init__(
        self, files: Sequence[tuple[str, Path]], root: Path, images: Path | None, allow_hosts: Sequence[str] = ()
    ) -> None:
        self.files, self.root, self.images, self.allow_hosts = files, root, images, allow_hosts
        self._failed: Mapping[str, Reject] = {}

    def fetch(self, progress: Progress) -> None:
        """Fetch what lies elsewhere, once. TransientError when no URL answers."""
        if self._fetched.urls:
            self._failed = self._fetched.failures(progress)

    def forget(self) -> None:
        """Remove from this disk what was fetched."""
        if self._fetched.urls:
            self._fetched.forget()

    def bytes_of(self, path: Path, picture: Picture) -> bytes | Refused:
        """Return the bytes of a picture that the file at `path` names, at least one, or why there are none."""
        held = picture.held
        if isinstance(held, bytes) and len(held) > MAX_PICTURE_BYTES:
            return "no_picture", f"{len(held):,} bytes; at most {MAX_PICTURE_BYTES:,} are read"
        if isinstance(held, bytes):
            found: bytes | Refused = held
        elif url := self._url(path, picture):
            found = self._of_url(url)
        else:
            found = self._of_file(path, held)
        return found or ("zero_bytes", "the picture has no bytes")

    @cached_property
    def _fetched(self) -> Fetched:
        """Brings all that lie elsewhere; the documents are gone through for their URLs alone."""
        urls, pictures = dict[str, None](), 0
        for name, path in self.files:
            try:
                for _, row in rows_of(name, path):
                    if isinstance(row, Reject):
                        continue
                    try:
                        document = read_document(row)
                    except BadDocument:
                        continue
                    pictures += len(document.pictures)
                    found = (self._url(path, picture) for picture in document.pictures if picture.fault is None)
                    urls.update(dict.fromkeys(url for url in found if url))
            except (ShardEnds, OSError):  # told of when its records are read
                continue
        return Fetched(list(urls), pictures, self.allow_hosts)

    def _url(self, path: Path, picture: Picture) -> str:
        """Return where a picture is to be fetched from; empty where it lies here, or nobody says where it is."""
        if isinstance(picture.held, bytes):
            return ""
        if REMOTE.match(picture.held):
            return _asked(picture.held)
        is_elsewhere = REMOTE.match(picture.url) and not isinstance(self._find(path, picture.held), Path)
        return _asked(picture.url) if is_elsewhere else ""

    def _of_url(self, url: str) -> bytes | Refused:
        failed = self._failed.get(name_of(url))
        if failed is not None:
            return failed.reason, failed.detail
        found = bytes_of(self._fetched.path_of(url))
        return ("no_picture", f"{name_of(url)}: {found}") if isinstance(found, str) else found

    def _of_file(self, path: Path, named: str) -> bytes | Refused:
        found = self._find(path, named)
        if isinstance(found, tuple):
            return found
        data = bytes_of(found)
        return ("no_picture", f"{cleaned(named)[:200]}: {data}") if isinstance(data, str) else data

    def _find(self, path: Path, named: str) -> Path | Refused:
        """Return where a file is, or why it is nowhere."""
        shown = cleaned(named)[:200]
        if kind := _NOT_FETCHED.match(named):  # the rest may hold a password, or a whole picture
            return "no_picture", f"it is a URL of {kind[0]}, which is not fetched; http, https and s3 are"
        folders = [path.parent / below for below in FOLDERS] if self.images is None else [self.images]
        allowed = [self.root.resolve(), *([self.images.resolve()] if self.images else [])]
        why = ("no_picture", f"there is no file {shown!r} in {' or '.join(one.name or '.' for one in folders)}")
        for folder in folders:
            try:
                file = (folder / named).resolve()
                is_there = file.exists()
            except (OSError, RuntimeError, ValueError):  # a link in a circle, a name that no file can have
                continue
            if not any(file.is_relative_to(one) for one in allowed):
                why = ("path_escape", f"{shown} leads out of the folder")
            elif is_there:
                return file
        return why


def _asked(url: str) -> str:
    """Return a URL without its fragment, which is the browser's; an object of S3 may have a # in its name."""
    return url if url.lower().startswith("s3:") else url.partition("#")[0]
