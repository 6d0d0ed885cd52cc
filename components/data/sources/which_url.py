"""Which source reads what lies at a URL: found by the names there, and by the few files that tell what the others are."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import ConfigError
from components.data.remote.addresses import name_of
from components.data.remote.fetcher import Fetcher
from components.data.remote.files import RemoteFile, checked_urls, is_file
from components.data.sources.arrow import ARROW, PARQUET
from components.data.sources.catalogue import build_source
from components.data.sources.document_files import LINES
from components.data.sources.files import PICTURES
from components.data.sources.huggingface import PARTS, STATE
from components.data.sources.own_source import OwnSource
from components.data.sources.place import Place
from components.data.sources.rows import TABLE_NAMES, TABLES
from components.data.sources.webdataset import SHARDS, is_shard
from components.data.sources.which import describe_path

JSON = ".json"
OF_ONE = (*SHARDS, *TABLES, ARROW, JSON)  # what the URL of one file may be of
_FIRST = (ARROW, PARQUET, LINES)  # the first of each tells what all are


def describe_url(url: str, allow_hosts: Sequence[str] = ()) -> dict[str, Any]:
    """Return params.yaml's `source:` for what lies elsewhere, with the version that it has now.

    DVC cannot watch what lies there; it watches params.yaml, so what is there later comes in when this is asked again.
    Files that tell what the others are, such as a table, are fetched to be looked at, and kept for the run.
    Raises ConfigError for a URL of what is read from nowhere, else as RemoteFiles and describe_path.
    """
    first = next(iter(checked_urls(url)))
    fetcher, allowed = Fetcher(allow_hosts), {"allow_hosts": list(allow_hosts)} if allow_hosts else {}
    said = _of_file(url, fetcher) if is_file(first, _is_one_of(OF_ONE)) else _of_folder(url, fetcher)
    source = build_source(said | allowed)
    assert isinstance(source, OwnSource)
    source.place.fetcher = fetcher
    return {**said, "version": source.place.files.version, **allowed}


def _of_file(url: str, fetcher: Fetcher) -> dict[str, Any]:
    """Return the source for the URL of one file, or of some that it counts."""
    suffix = PurePosixPath(name_of(url)).suffix.lower()
    if is_shard(name_of(url).partition("?")[0]):
        return {"name": "webdataset", "url": url}
    if suffix not in OF_ONE:
        raise ConfigError(
            f"{name_of(url)} is none of {', '.join(OF_ONE)}. Over http and https come such files, each by its URL, such as "
            "https://host/shard-{000..009}.tar; folders can be listed at s3:// alone. Download other data first."
        )
    if suffix == JSON:
        return _of_captions(url)
    place = _place(url, OF_ONE, fetcher)
    return {"url": url, **_described(place, place.files.files[:1])}


def _of_folder(url: str, fetcher: Fetcher) -> dict[str, Any]:
    """Return the source for all below s3://bucket/folder."""
    place = _place(url, (*OF_ONE, *PICTURES), fetcher)
    return {"url": url, **_described(place, _telling(place.files.files))}


def _place(url: str, kinds: Sequence[str], fetcher: Fetcher) -> Place:
    place = Place("", "", url, None, None, _is_one_of(kinds), ", ".join(kinds))
    place.fetcher = fetcher
    return place


def _of_captions(url: str) -> dict[str, Any]:
    """Return the source for a .json of captions: the folder it is in, where that can be listed, else its pictures by their URLs."""
    if not url.lower().startswith("s3://"):
        return {"name": "coco", "url": url}
    folder, _, name = url.rpartition("/")
    above, _, last = folder.rpartition("/")
    folder, name = (above, f"{last}/{name}") if last == "annotations" else (folder, name)
    return {"name": "coco", "url": folder, "annotations": name}


def _described(place: Place, telling: Sequence[RemoteFile]) -> dict[str, Any]:
    """Return what describe_path says of the files of a place, of which only those that tell what they are have bytes."""
    with place.outlined(telling) as here:
        files = [path for path in here.rglob("*") if path.is_file()]
        said = describe_path(files[0] if len(files) == 1 else here, watched=False)
    return {key: value for key, value in said.items() if key != "path" and (key != "table" or len(files) > 1)}


def _telling(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return the files that say what the rest is: tables that are called so, states, and the first of each kind with rows."""
    tables = {name + suffix for name in TABLE_NAMES for suffix in TABLES}
    firsts = (next((file for file in files if file.name.lower().endswith(suffix)), None) for suffix in _FIRST)
    named = [file for file in files if file.name in tables or Path(file.name).name in (STATE, PARTS)]
    return list(dict.fromkeys([*named, *(file for file in firsts if file is not None)]))


def _is_one_of(suffixes: Sequence[str]) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(tuple(suffixes))
