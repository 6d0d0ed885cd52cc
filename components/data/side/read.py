"""Side shards as training reads them: checked whole once, joined by key, embeddings left on disk until a batch asks for them.

Axes: M samples of a selection, B rows of a batch, D width of a teacher.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.contracts.errors import ConfigError, DataError, StaleArtifact
from components.contracts.sealed import check_files, digest_of
from components.data.selection import Pool
from components.data.side.about import About, data_digest, drawn, numbers_of
from components.data.side.shard import SideShard
from components.data.side.write import SIDE
from components.data.transforms.views import Drawn, Views

ADDED = "added"  # the kind of captions that side shards bring
AGAIN = "Write it again: diptych data reinforce."


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A whole folder of side shards.

    Args:
        folder: where they lie.
        about: what they were written of.
        digest: over all of them.
        shards: opened.
    """

    folder: Path
    about: About
    digest: str
    shards: tuple[SideShard, ...]

    @classmethod
    def open(cls, folder: Path, digest: str = "") -> "Side":
        """Read side.json and check every file against it.

        Raises ConfigError when the folder is not the one that is asked for by `digest`, some of its first digits; DataError when it is
        not whole, or not what was written.
        """
        try:
            said = json.loads((folder / SIDE).read_text(encoding="utf-8"))
            about, files, found = About.from_json(said), said["files"], said["digest"]
        except FileNotFoundError as err:
            raise DataError(f"{folder} holds no {SIDE}, so its side shards are not whole. {AGAIN}") from err
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise DataError(f"{folder / SIDE} cannot be read ({type(err).__name__}: {err}). {AGAIN}") from err
        if digest_of({**files, "about": about.digest}) != found:
            raise DataError(f"{folder / SIDE} was edited: its digest is not that of what it names. {AGAIN}")
        if not found.startswith(digest):
            raise ConfigError(
                f"{folder} has the side shards {found[:12]}, but the recipe asks for {digest[:12]}: by other teachers, or of other "
                f"data or views. Set training.reinforce.digest to {found[:12]} if these are meant."
            )
        try:
            check_files(folder, files)
        except StaleArtifact as err:
            raise DataError(
                f"{str(err).partition('. ')[0]}. Delete that file and write it again: diptych data reinforce."
            ) from err
        return cls(
            folder=folder,
            about=about,
            digest=found,
            shards=tuple(SideShard.read(folder / name) for name in sorted(files)),
        )

    def check(self, pool: Pool, views: Views, trim: bool) -> None:
        """Raise ConfigError where training would show other samples or other views than the teachers saw."""
        if (data := data_digest(pool)) != self.about.data:
            raise ConfigError(
                f"{self.folder} was written of other samples (data {self.about.data[:12]}, now {data[:12]}): pictures or captions came, "
                f"went or changed since. {AGAIN}"
            )
        now = {"trim": trim, **numbers_of(views)}
        then = {"trim": self.about.trim, **self.about.views}
        if other := [
            f"{name} was {then.get(name)} and is {now.get(name)}"
            for name in {**then, **now}
            if then.get(name) != now.get(name)
        ]:
            raise ConfigError(
                f"the teachers of {self.folder} saw other views: {', '.join(other)}. A picture would not be what was said of it. "
                f"Set these back in the recipe's training, or write it again: diptych data reinforce."
            )

    def told(self, pool: Pool) -> Pool:
        """Return the pool with the captions that were added, of the kind `added`, after each sample's own."""
        extra = {key: added for shard in self.shards for key, added in zip(shard.keys, shard.extra, strict=True)}
        captions = tuple((*own, *extra.get(key, ())) for key, own in zip(pool.keys, pool.captions, strict=True))
        kinds = tuple(
            (*own, *[ADDED] * len(extra.get(key, ())))
            for key, own in zip(pool.keys, pool.kinds, strict=bool(pool.kinds))
        )
        return replace(pool, captions=captions, kinds=kinds)

    def rows(self, keys: Sequence[str]) -> "SideRows":
        """Return what was written of these samples, in their order; DataError for one of which nothing was."""
        place = {key: (n, at) for n, shard in enumerate(self.shards) for at, key in enumerate(shard.keys)}
        if missing := next((key for key in keys if key not in place), None):
            raise DataError(f"{self.folder} has nothing of sample {missing!r}. {AGAIN}")
        return SideRows(side=self, keys=tuple(keys), place=torch.tensor([place[key] for key in keys]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRows:
    """What was written of M samples.

    Args:
        side: where it lies.
        keys: their names.
        place: of each the shard and the row in it.
    """

    side: Side
    keys: tuple[str, ...]
    place: Int[Tensor, "M 2"]

    def which(self, count: int, draw: torch.Generator) -> Int[Tensor, "B"]:
        """Return the number of a view for each of `count` rows, drawn evenly."""
        return torch.randint(self.side.about.count, (count,), generator=draw)

    def drawn(self, views: Views, rows: Int[Tensor, "B"], which: Int[Tensor, "B"]) -> Drawn:
        """Return the views that the teachers saw, to the bit."""
        return drawn(views, self.side.about.seed, [self.keys[row] for row in rows.tolist()], which.tolist())

    def said(
        self, rows: Int[Tensor, "B"], which: Int[Tensor, "B"], caption: Int[Tensor, "B"]
    ) -> Mapping[str, Float[Tensor, "B _"]]:
        """Return what teachers said of a view and a caption of each sample, named as `Batch.said` names it.

        Args:
            rows: the samples, by number.
            which: the view of each.
            caption: the caption of each among its own, those that were added after them.

        Pictures are multiplied with what the teacher learned to multiply cosines with, so products of rows are its logits.
        """
        spots = [(self.side.shards[n], at) for n, at in self.place[rows].tolist()]
        views, texts = which.tolist(), caption.tolist()
        found: dict[str, Tensor] = {}
        for number, teacher in enumerate(self.side.about.teachers):
            image = [shard.image[number][at, view] for (shard, at), view in zip(spots, views, strict=True)]
            text = [
                shard.text[number][int(shard.text_first[at]) + own]
                for (shard, at), own in zip(spots, texts, strict=True)
            ]
            found[f"image{number}"] = torch.stack(image).float() * teacher.logit_scale
            found[f"text{number}"] = torch.stack(text).float()
        return found
