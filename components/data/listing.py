"""By what one knows again, without reading them, that files of a person's own are as they were: their names, sizes and times."""

from pathlib import Path

from components.contracts.sealed import digest_of
from components.contracts.source import Source
from components.data.sources.files import files_below
from components.data.sources.own_source import OwnSource
from components.data.sources.settings import existing
from components.data.sources.table import PairTable


def listing(source: Source, aside: Path) -> str:
    """Return a digest over name, size and time of change of the files that a source reads on this disk, so that it differs when one came, went or changed.

    Of a folder these are all files below it, of a file that one and the pictures that a table names. Empty of a source that has its own
    pictures, and of one that lies elsewhere.

    Args:
        source: what is read.
        aside: a folder below it that is none of it, as what is made of these files may lie among them.

    Raises DataError where nothing is there, or a table cannot be read.
    """
    if not isinstance(source, OwnSource) or source.place.urls is not None:
        return ""
    here = existing(source.place.path, source.place.what)
    files = dict(files_below(here)[0]) if here.is_dir() else {here.name: here}
    if isinstance(source, PairTable):  # which may name pictures beside its folder
        found = source.find(here)
        elsewhere = {found.fetched.path_of(url) for url in found.fetched.urls} if found.fetched else set()
        files |= {
            f"named: {own.name}": own.path
            for own in found.pictures
            if own.path is not None and own.path not in elsewhere
        }
    out = aside.resolve()
    if not here.resolve().is_relative_to(out):  # else all of it would be left out
        files = {name: path for name, path in files.items() if not path.resolve().is_relative_to(out)}
    return digest_of({name: _about(path) for name, path in files.items()})


def _about(path: Path) -> str:
    try:
        about = path.stat()
    except OSError:  # it went meanwhile
        return "is not there"
    return f"{about.st_size} {about.st_mtime_ns}"
