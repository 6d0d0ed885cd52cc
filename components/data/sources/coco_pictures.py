"""Where the pictures of a COCO file are: in a folder beside it, below a URL, or each at its own `coco_url`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Protocol
from urllib.parse import quote

from components.data.remote.addresses import REMOTE, name_of
from components.data.remote.fetcher import Fetcher
from components.data.sources.fetched import Fetched
from components.data.sources.rows import texts_of

Found = tuple[str, Path | None]  # name, and where the bytes are
Refused = tuple[str, str, str]  # name, reason and sentence


class Pictures(Protocol):
    """Tells where pictures are."""

    def of(self, image: Mapping[str, Any]) -> Found | Refused:
        """Return name and path of the picture of one entry of `images`, which has a file_name; or why there is none."""
        ...


class InFolder:
    """Pictures in a folder of this disk.

    Args:
        base: that their names start from, and do not lead out of.
        shown_from: the folder that they are called from.
    """

    def __init__(self, base: Path, shown_from: Path) -> None:
        self.base, self.shown_from, self._real = base, shown_from, base.resolve()

    def of(self, image: Mapping[str, Any]) -> Found | Refused:
        """Return where the picture is; None where there is no such file."""
        name = texts_of(image["file_name"])[0]
        path = self.base / name
        if not _inside(self._real, path):
            return name, "path_escape", f"it leads out of {self.base}"
        shown = PurePath(os.path.relpath(path, self.shown_from)).as_posix()
        return shown, path if path.is_file() else None


class AtUrls:
    """Pictures that lie elsewhere; `urls` are those that were asked for.

    Args:
        base: URL that their names follow; without, each says its own `coco_url`.
        fetcher: brings them.
    """

    def __init__(self, base: str | None, fetcher: Fetcher) -> None:
        self.base, self.fetcher, self.urls = base, fetcher, dict[str, None]()

    def of(self, image: Mapping[str, Any]) -> Found | Refused:
        """Return where the picture will be once it is fetched."""
        name = texts_of(image["file_name"])[0]
        if self.base is None:
            url = next(iter(texts_of(image.get("coco_url"))), "").partition("#")[0]
            if not REMOTE.match(url):
                return (
                    name,
                    "no_picture",
                    "it has no coco_url; where they all lie below one URL, say it in source.images",
                )
        elif ".." in name.split("/") or name.startswith("/"):
            return name, "path_escape", f"it leads out of {name_of(self.base)}"
        else:
            url = f"{self.base.rstrip('/')}/{name if self.base.lower().startswith('s3:') else quote(name)}"
        self.urls[url] = None
        return name_of(url), self.fetcher.store.path_of(url)

    def fetched(self, allow_hosts: Sequence[str]) -> Fetched | None:
        """Return what brings all that were asked for; None where none was."""
        return Fetched(tuple(self.urls), len(self.urls), allow_hosts, self.fetcher) if self.urls else None


def _inside(real: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(real)
    except (OSError, RuntimeError, ValueError):  # a link in a circle, a name that no file can have
        return False
