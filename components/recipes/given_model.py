"""A model to be measured that somebody hands over as a folder: of open_clip, of transformers, or one of ours."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from components.contracts.errors import DataError
from components.contracts.model_files import MODEL, WEIGHTS
from components.contracts.sealed import sha256_of
from components.evaluation.embedding import Embedder
from components.models.dual_encoder import DualEncoder
from components.recipes.interop import as_ours
from components.recipes.section import build
from components.recipes.their_files import CONFIGS, Library, read_theirs
from components.recipes.trained import load_trained, load_untrained


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenModel:
    """A model with what is needed to name it.

    Args:
        library: whose it is: open_clip, huggingface or diptych.
        weights: its file of weights.
        sha256: of that file.
        embedder: the model, with its tokenizer and transform.
        untrained: gives the same architecture with weights drawn from a seed.
    """

    library: str
    weights: Path
    sha256: str
    embedder: Embedder
    untrained: Callable[[int], Embedder]


def read_given(
    path: Path, library: Library | None = None, config: Path | None = None, tokenizer: Path | None = None, batch: int = 256
) -> GivenModel:  # fmt: skip
    """Read a folder, or a file of weights with the rest beside it; nothing is written.

    Args:
        path: the folder or file.
        library: whose it is; None reads that off the files of a folder.
        config: where theirs lies, if not beside.
        tokenizer: likewise.
        batch: rows encoded at once.

    Raises DataError, ConfigError or CapabilityError for what cannot be read.
    """
    if library is None and (path / MODEL).is_file():
        return GivenModel(
            library="diptych", weights=path / WEIGHTS, embedder=load_trained(path, batch), sha256=sha256_of(path / WEIGHTS),
            untrained=lambda seed: load_untrained(path, seed, batch),
        )  # fmt: skip
    whose = library or library_of(path)
    theirs = read_theirs(path, whose, config, tokenizer)
    embedder = as_ours(theirs, batch)

    def untrained(seed: int) -> Embedder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = build(theirs.described, DualEncoder).eval()
        return Embedder(model, embedder.vocabulary, embedder.preprocess, batch)

    return GivenModel(
        library=whose, weights=theirs.source, sha256=sha256_of(theirs.source), embedder=embedder, untrained=untrained
    )


def library_of(path: Path) -> Library:
    """Return whose folder it is, by its config; DataError where it has none, or both."""
    beside = path if path.is_dir() else path.parent
    found: list[Library] = [library for library, name in _CONFIGS if (beside / name).is_file()]
    if len(found) != 1:
        names = " nor ".join(name for _, name in _CONFIGS)
        both = " and ".join(name for _, name in _CONFIGS)
        what = f"has both {both}" if found else f"has neither {names}, nor {MODEL} as models of ours have"
        raise DataError(
            f"{beside} {what}, so nobody knows whose model it is. Say it with --from open_clip or --from huggingface."
        )
    return found[0]


_CONFIGS: tuple[tuple[Library, str], ...] = (
    ("open_clip", CONFIGS["open_clip"]),
    ("huggingface", CONFIGS["huggingface"]),
)
