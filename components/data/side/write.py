"""Side shards as they are written: each picture shown to every teacher in a number of views, each caption read by them once.

Source: Vasu et al. 2023, arXiv:2311.17049, section 4 (dataset reinforcement). Differs: a view is a function of seed, key and
number, so nothing of it is stored; captions are those that are handed in, not a captioner's of our own.
Axes: n rows shown at once, K views a sample, S pixels.
"""

import copy
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from components.contracts.encoders import Encoders
from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress
from components.contracts.sealed import digest_of, sha256_of
from components.data.aside import Aside
from components.data.selection import Pool
from components.data.side.about import About, Teacher, data_digest, drawn, numbers_of
from components.data.side.extra import extra_digest
from components.data.side.shard import SideShard, first_of
from components.data.transforms.preprocess import BadImage, Preprocess
from components.data.transforms.views import Views

SIDE = "side.json"
AT_ONCE = 64  # pictures shown at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be written.

    Args:
        pool: the samples, without further captions.
        shards: the shard that each lies in, such as train/000000.tar; one side shard is written for each.
        extra: key -> captions to be added.
        views: what each picture goes through; of its pixels nothing depends.
        trim: whether even margins are cut away before.
        kept: pixels of a decoded picture over those of its view.
        count: views of each picture, at least 1.
        seed: of the views.
        teachers: who is asked; at least one.
    """

    pool: Pool
    shards: Sequence[str]
    extra: Mapping[str, Sequence[str]]
    views: Views
    trim: bool
    kept: float
    count: int
    seed: int
    teachers: Sequence[Encoders]

    def about(self) -> About:
        """Return what will be written; ConfigError for what cannot be."""
        if self.count < 1 or not self.teachers:
            raise ConfigError(
                f"{len(self.teachers)} teachers are to look at {self.count} views of each picture, which is nothing to learn "
                "from. Name a package with --teacher, and at least one view with --views."
            )
        return About(
            data=data_digest(self.pool), captions=extra_digest(self.extra), views=numbers_of(self.views), trim=self.trim,
            seed=self.seed, count=self.count, teachers=tuple(map(Teacher.of, self.teachers)),
        )  # fmt: skip

    def captions(self, place: int) -> list[str]:
        """Return the captions of a sample, its own first."""
        return [*self.pool.captions[place], *self.extra.get(self.pool.keys[place], ())]


def write_side(out: Path, asked: Asked, progress: Progress, tell: Callable[[str], None] = print) -> str:
    """Write side shards below `out` and return their digest; what is there already, and whole, is not written again.

    Args:
        tell: gets a sentence with the room that they take before the first is written, and one where some are used again.

    Raises DataError when `out` has other side shards, a picture cannot be decoded or a caption is of no sample; OSError (ENOSPC) when the
    disk has no room: before anything is written.
    """
    about, pool = asked.about(), asked.pool
    if strangers := sorted(set(asked.extra) - set(pool.keys)):
        raise DataError(
            f"captions are given for {len(strangers):,} samples that are not trained on, such as {strangers[0]!r}. A caption of "
            "no sample would never be drawn. Take them out of the file, or write the keys as the manifest has them."
        )
    _check_free(out, about)
    of_shard: dict[str, list[int]] = {}
    for place, name in enumerate(asked.shards):
        of_shard.setdefault(str(PurePosixPath(name).with_suffix(".safetensors")), []).append(place)
    size_bytes = about.size_bytes(len(pool), sum(len(asked.captions(place)) for place in range(len(pool))))
    left = {name: places for name, places in of_shard.items() if not _is_there(out / name, about, pool, places)}
    tell(
        f"{len(of_shard)} side shards of {len(pool):,} samples, {about.count} views each, by {len(about.teachers)} teachers take "
        f"{size_bytes / 1e6:,.1f} MB"
        + (f"; {len(of_shard) - len(left)} are there" if len(left) < len(of_shard) else "")
    )
    out.mkdir(parents=True, exist_ok=True)
    if left and (free := shutil.disk_usage(out).free) < size_bytes * len(left) / len(of_shard):
        raise OSError(ENOSPC, f"no room for {size_bytes:,} bytes, {free:,} are free", str(out))
    done = len(pool) - sum(map(len, left.values()))
    for name, places in left.items():

        def told(more: int, before: int = done) -> None:
            progress("asking teachers", before + more, len(pool))

        _write_shard(out / name, asked, about, places, told)
        done += len(places)
    files = {name: sha256_of(out / name) for name in sorted(of_shard)}
    digest = digest_of({**files, "about": about.digest})
    aside = Aside(out / SIDE)
    with aside.explaining():
        said = {**about.as_json(), "samples": len(pool), "files": files, "digest": digest}
        aside.partial.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    aside.put()
    return digest


def _check_free(out: Path, about: About) -> None:
    """Raise DataError where whole side shards of another kind lie."""
    try:
        there = About.from_json(json.loads((out / SIDE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"{out / SIDE} cannot be read ({err}). Delete {out}, or name another folder: --out DIR."
        ) from err
    if there != about:
        other = ", ".join(name for name in About.__dataclass_fields__ if getattr(there, name) != getattr(about, name))
        raise DataError(
            f"{out} has side shards of other {other}, and nothing is written over. Name another folder with --out, or delete it."
        )


def _is_there(path: Path, about: About, pool: Pool, places: Sequence[int]) -> bool:
    """Return whether that side shard was written before, under the same About and of the same samples."""
    if not path.exists():
        return False
    try:
        there = SideShard.read(path)
    except DataError:
        return False
    return there.about == about.digest and there.keys == tuple(pool.keys[place] for place in places)


def _write_shard(
    path: Path, asked: Asked, about: About, places: Sequence[int], progress: Callable[[int], None]
) -> None:
    images: list[list[Tensor]] = [[] for _ in asked.teachers]
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        for rows, seen in zip(images, _shown(asked, some), strict=True):
            rows.append(seen)
        progress(start + len(some))
    captions = [asked.captions(place) for place in places]
    texts = [text for own in captions for text in own]
    keys = tuple(asked.pool.keys[place] for place in places)
    SideShard(
        about=about.digest, keys=keys, extra=tuple(tuple(asked.extra.get(key, ())) for key in keys),
        image=tuple(torch.cat(rows) for rows in images), text=tuple(_read(teacher, texts) for teacher in asked.teachers),
        text_first=first_of([len(own) for own in captions]),
    ).write(path)  # fmt: skip


def _shown(asked: Asked, places: Sequence[int]) -> list[Tensor]:
    """Return float16 [n K D] of each teacher, which sees every view in its own number of pixels."""
    keys, pictures = [asked.pool.keys[place] for place in places], [asked.pool.pictures[place] for place in places]
    sizes = sorted({teacher.size for teacher in asked.teachers})
    decoded = {size: _decoded(asked, keys, pictures, size) for size in sizes}
    said: list[list[Tensor]] = [[] for _ in asked.teachers]
    for number in range(asked.count):
        one = drawn(asked.views, asked.seed, keys, [number] * len(keys))
        shown = {size: in_pixels(asked.views, size).show(decoded[size], one).numpy() for size in sizes}
        for rows, teacher in zip(said, asked.teachers, strict=True):
            rows.append(_half(teacher.image(shown[teacher.size])))
    return [torch.stack(rows, 1) for rows in said]


def _decoded(asked: Asked, keys: Sequence[str], pictures: Sequence[bytes], size: int) -> Tensor:
    """Return uint8 [n 4 S S], as training keeps them for views of that size."""
    preprocess = Preprocess(size=round(size * asked.kept), trim=asked.trim)
    rows = []
    for key, data in zip(keys, pictures, strict=True):
        try:
            rows.append(preprocess.rgba(data))
        except BadImage as err:
            raise DataError(f"sample {key!r} cannot be shown to a teacher: {err}. Validate the data again.") from err
    return torch.from_numpy(np.stack(rows))


def _read(teacher: Encoders, texts: Sequence[str]) -> Tensor:
    """Return float16 [c D]; a text that comes often is read once."""
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    once = list(place)
    parts = [teacher.text(once[start : start + AT_ONCE]) for start in range(0, len(once), AT_ONCE)]
    return _half(np.concatenate(parts))[[place[text] for text in texts]]


def _half(rows: np.ndarray) -> Tensor:
    if not np.isfinite(rows).all():
        raise DataError(
            "a teacher gives embeddings that are no numbers, so nobody could learn from it. Package it again, or name another one."
        )
    return torch.from_numpy(rows).half()


def in_pixels(views: Views, size: int) -> Views:
    """Return the same views, of another number of pixels."""
    other = copy.copy(views)
    other.pixels = size
    return other
