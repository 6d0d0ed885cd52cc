"""Shards in WebDataset's layout, made for a test by Python's own tarfile, whole or spoiled."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

Members = Iterable[tuple[str, bytes]]


def write_shard(path: Path, members: Members, **options: int) -> Path:
    """Write members as plain files, in order, owner and time left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as tar:
        for name, data in members:
            add(tar, name, data)
    return path


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **header: object) -> None:
    """Add one member; keywords are fields of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in header.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))


def members_of(folder: Path, said: Mapping[str, tuple[str, str]], labels: bool = False) -> list[tuple[str, bytes]]:
    """Return each picture with its caption in .txt and, as img2dataset has it, in .json; with `labels` its shape in .cls."""
    members = []
    for number, (name, (caption, shape)) in enumerate(said.items()):
        key, suffix = f"{number:09d}", Path(name).suffix
        about = {
            "caption": caption,
            "url": f"https://example.org/{name}",
            "key": key,
            "status": "success",
            "exif": "{}",
        }
        members += [(f"{key}{suffix}", (folder / name).read_bytes()), (f"{key}.txt", caption.encode())]
        members += [(f"{key}.cls", shape.encode())] if labels else []
        members += [(f"{key}.json", json.dumps(about).encode())]
    return members
