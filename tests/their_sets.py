"""Evaluation sets in CLIP_benchmark's layout, written as its own converter writes them."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.data.evaluation_set import CLASSES, SHARDS, TEMPLATES, TYPE

Members = Mapping[str, bytes]  # suffix -> bytes, of one picture


def write_set(
    folder: Path,
    rows: Sequence[Members],
    classes: Sequence[str] = (),
    templates: Sequence[str] = ("a photo of a {c}.", "{c}"),
    split: str = "test",
    each: int = 20,
) -> Path:
    """Write a set: of classes where these are named, for retrieval else; so many pictures a shard."""
    holder = folder / split
    holder.mkdir(parents=True)
    shards = [rows[first : first + each] for first in range(0, len(rows), each)]
    for number, part in enumerate(shards):
        with tarfile.open(holder / f"{number}.tar", "w") as tar:
            for place, members in enumerate(part):
                for suffix, data in members.items():
                    info = tarfile.TarInfo(f"s{number * each + place:07d}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    (holder / SHARDS).write_text(str(len(shards)))
    if classes:
        (folder / CLASSES).write_text("\n".join(classes))
        (folder / TEMPLATES).write_text("\n".join(templates))
    else:
        (folder / TYPE).write_text("retrieval")
    return folder
