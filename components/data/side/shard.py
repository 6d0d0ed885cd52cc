"""One side shard: a safetensors file whose header names the samples, so that it is joined by key and never by position.

Beside the embeddings, `text_first` says where each sample's captions begin: its own first, then those that were added.
Axes: n samples, K views a sample, c captions, D width of a teacher.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float16, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from components.contracts.errors import DataError
from components.data.aside import Aside

_HEADER = "side"  # one name: the order of several is chance, and the same rows must make the same bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SideShard:
    """What was written of the samples of one shard.

    Args:
        about: digest of the About that it was written under.
        keys: the samples.
        extra: captions that were added to each.
        image: a tensor a teacher.
        text: the same.
        text_first: where the captions of each sample begin, and where the last end.
    """

    about: str
    keys: tuple[str, ...]
    extra: tuple[tuple[str, ...], ...]
    image: tuple[Float16[Tensor, "n K _"], ...]
    text: tuple[Float16[Tensor, "c _"], ...]
    text_first: Int[Tensor, "_"]

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        tensors = {f"image.{place}": rows for place, rows in enumerate(self.image)}
        tensors |= {f"text.{place}": rows for place, rows in enumerate(self.text)}
        said = json.dumps({"about": self.about, "keys": self.keys, "extra": self.extra}, ensure_ascii=False)
        aside = Aside(path)
        with aside.explaining():
            save_file({**tensors, "text_first": self.text_first}, aside.partial, {_HEADER: said})
        aside.put()

    @classmethod
    def read(cls, path: Path) -> "SideShard":
        """Open it; embeddings stay on disk until they are looked at. DataError when it is no side shard."""
        try:
            with safe_open(path, framework="pt") as file:
                said = json.loads(file.metadata()[_HEADER])
                tensors: Mapping[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            teachers = range(sum(name.startswith("image.") for name in tensors))
            return cls(
                about=said["about"], keys=tuple(said["keys"]), extra=tuple(map(tuple, said["extra"])),
                image=tuple(tensors[f"image.{place}"] for place in teachers),
                text=tuple(tensors[f"text.{place}"] for place in teachers), text_first=tensors["text_first"],
            )  # fmt: skip
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as err:
            raise DataError(
                f"{path} cannot be read as a side shard ({type(err).__name__}: {err}). Delete it and write it again: "
                "diptych data reinforce."
            ) from err


def first_of(counts: list[int]) -> Int[Tensor, "_"]:
    """Return where each sample's captions begin when they lie one after the other, and where the last end."""
    return torch.tensor([0, *counts]).cumsum(0)
