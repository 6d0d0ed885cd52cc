"""What side shards were written of: with other data, teachers or views they would say something else, so they are refused."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.contracts.encoders import Encoders
from components.data.selection import Pool
from components.data.transforms.draws import RowDraws, seed_of
from components.data.transforms.views import Drawn, Views

VERSION = 1
NUMBER_BYTES = 2  # float16


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """One model that was asked.

    Args:
        name: how people call it.
        digest: over its files.
        width: numbers of an embedding.
        logit_scale: what it multiplies cosines with.
    """

    name: str
    digest: str
    width: int
    logit_scale: float

    @classmethod
    def of(cls, encoders: Encoders) -> "Teacher":
        """Return what is kept of a model."""
        return cls(name=encoders.name, digest=encoders.digest, width=encoders.width, logit_scale=encoders.logit_scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """All that decides what side shards say.

    Args:
        data: digest over the samples, see `data_digest`.
        captions: digest over the captions that were added.
        views: the numbers of Views, without its pixels.
        trim: whether even margins are cut away before.
        seed: of the views.
        count: views that were shown of each picture.
        teachers: who was asked; at least one.
    """

    data: str
    captions: str
    views: Mapping[str, Any]
    trim: bool
    seed: int
    count: int
    teachers: tuple[Teacher, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it, version included."""
        return json.loads(json.dumps({"version": VERSION, **asdict(self)}))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "About":
        """Return what `as_json` was of; KeyError or TypeError for anything else."""
        given = {name: values[name] for name in cls.__dataclass_fields__ if name != "teachers"}
        return cls(**given, teachers=tuple(Teacher(**one) for one in values["teachers"]))

    @property
    def digest(self) -> str:
        """Return 64 hex digits over all of it."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()

    def size_bytes(self, samples: int, captions: int) -> int:
        """Return the room that the embeddings of so many pictures and captions take."""
        return (samples * self.count + captions) * sum(one.width for one in self.teachers) * NUMBER_BYTES


_LATER = {"crop": (1.0, 1.0), "flip": 0.0, "blur": 0.0, "solarise": 0.0}  # side shards written before do not have them


def numbers_of(views: Views) -> dict[str, Any]:
    """Return what decides views but for their pixels, as JSON has it; of what came to views later, what is not as without it."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(views).items()
        if name != "pixels" and value != _LATER.get(name)
    }


def data_digest(pool: Pool) -> str:
    """Return 64 hex digits over keys, pictures and captions, in whatever order the samples come."""
    digests = pool.sha256s or tuple(hashlib.sha256(data).hexdigest() for data in pool.pictures)
    rows = sorted(zip(pool.keys, digests, map(list, pool.captions), strict=True))
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def drawn(views: Views, seed: int, keys: list[str], which: list[int]) -> Drawn:
    """Return what view number `which` of each sample is: a function of seed, key and number, and of nothing else."""
    seeds = [seed_of(seed, "side", key, number) for key, number in zip(keys, which, strict=True)]
    return views.drawn(len(keys), RowDraws(seeds))
