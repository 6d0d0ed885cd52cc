"""A model of open_clip or transformers as a folder of ours, and a folder of ours as theirs."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import TOKENIZER
from components.data.tokenizer_files import of_length
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.models.dual_encoder import DualEncoder
from components.models.interop import huggingface, open_clip
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.models.undrawn import undrawn
from components.recipes.section import build
from components.recipes.their_files import (
    CONFIGS,
    RESAMPLED,
    SHOWN,
    TOKENIZER_CONFIG,
    WEIGHTS,
    Library,
    Theirs,
    read_theirs,
)
from components.recipes.trained import save_trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was read or written.

    Args:
        folder: where it lies now.
        tensors: how many.
        parameters: numbers in them.
        width: of the shared space.
        size: pixels a side.
        context: most tokens of a text.
        vocabulary: tokens there are.
    """

    folder: Path
    tensors: int
    parameters: int
    width: int
    size: int
    context: int
    vocabulary: int


def import_model(
    path: Path, library: Library, out: Path, config: Path | None = None, tokenizer: Path | None = None
) -> Moved:
    """Write the four files of a model of ours to `out`, a new folder.

    Args:
        path: their folder, or their file of weights with the rest beside it.
        library: whose it is.
        out: where to.
        config: their config, where it lies elsewhere.
        tokenizer: their tokenizer, where it lies elsewhere.

    Raises DataError, ConfigError or CapabilityError, having written nothing.
    """
    theirs = read_theirs(path, library, config, tokenizer)
    embedder = as_ours(theirs)
    with whole_folder(out) as folder:
        save_trained(folder, embedder.model, theirs.described, embedder.vocabulary, embedder.preprocess)
    return moved(out, embedder.model)


def as_ours(theirs: Theirs, batch: int = 256) -> Embedder:
    """Return their model with its tokenizer and transform, as ours; DataError for weights that are no numbers, or a tokenizer that does not fit."""
    with undrawn():  # all weights are read next, or load_state_dict says which are missing
        model = build(theirs.described, DualEncoder).eval()
    ours = theirs.take(model, theirs.weights)
    lost = [name for name, value in ours.items() if not value.isfinite().all()]
    if lost:
        raise DataError(
            f"{theirs.source} has numbers that are none in {', '.join(lost[:10])}, so no feature would be one. Fetch it again."
        )
    model.load_state_dict(ours)
    vocabulary = vocabulary_of(theirs, model)
    preprocess = Preprocess(
        size=pixels_of(model), reduced=False, squeeze=theirs.squeeze, resizer="pillow", whole=not theirs.squeeze,
        interpolation=theirs.interpolation,
    )  # fmt: skip
    return Embedder(model, vocabulary, preprocess, batch)


def write_theirs(embedder: Embedder, library: Library, folder: Path) -> None:
    """Write a model of ours into a folder as `library` reads it; CapabilityError for what it has no place for."""
    model, vocabulary = embedder.model, embedder.vocabulary
    rows = vocabulary([""])
    first, end = int(rows.ids[0, 0]), int(rows.ids[rows.mask][-1])
    files: dict[str, dict[str, Any]] = {}
    if library == "open_clip":
        said, weights = open_clip.give(model, end)
        said["preprocess_cfg"] |= {
            "resize_mode": "squash" if embedder.preprocess.squeeze else "shortest",
            "interpolation": embedder.preprocess.interpolation,
        }
        if not _is_clips(vocabulary):  # or it would read texts by CLIP's own, which it carries
            said["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "local"
    else:
        said, weights, shown = huggingface.give(model, end)
        said["text_config"] |= {"bos_token_id": first} if first != end else {}
        square = {"height": pixels_of(model), "width": pixels_of(model)}
        cropped = {"size": {"shortest_edge": pixels_of(model)}, "do_center_crop": True, "crop_size": square}
        shown["resample"] = RESAMPLED[embedder.preprocess.interpolation]
        files[SHOWN] = shown | ({"size": square, "do_center_crop": False} if embedder.preprocess.squeeze else cropped)
    pad = vocabulary.tokenizer.id_to_token(vocabulary.pad)
    files[TOKENIZER_CONFIG] = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": vocabulary.context, "pad_token": pad,
        "eos_token": vocabulary.tokenizer.id_to_token(end),
    }  # fmt: skip
    for name, content in {CONFIGS[library]: said, **files}.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_file(weights, folder / WEIGHTS[library][0], metadata={"format": "pt"})
    vocabulary.save(folder / TOKENIZER)


def vocabulary_of(theirs: Theirs, model: DualEncoder) -> Vocabulary:
    """Return their tokenizer as the model's; DataError when it has other tokens than the model embeds."""
    assert isinstance(model.text, TextTower)
    found = of_length(theirs.tokenizer, len(model.text.position), model.text.pad)
    rows = model.text.embedding.num_embeddings
    if len(found) != rows:
        raise DataError(
            f"the tokenizer of {theirs.words} has {len(found)} tokens, and the checkpoint embeds {rows}: other words would be read than "
            "were trained on. Give the tokenizer that it was trained with, with --tokenizer."
        )
    return found


def pixels_of(model: DualEncoder) -> int:
    """Return the pixels a side that the image tower was made for."""
    assert isinstance(model.image, ImageTower)
    said = model.image.net_args.get("img_size")
    return int(said or model.image.net.default_cfg["input_size"][-1])  # type: ignore[index]  # timm's nets all have it


def moved(folder: Path, model: DualEncoder) -> Moved:
    """Return what a model that was read or written holds."""
    assert isinstance(model.text, TextTower)
    state = model.state_dict()
    return Moved(
        folder=folder, tensors=len(state), parameters=sum(value.numel() for value in state.values()), width=model.width,
        size=pixels_of(model), context=len(model.text.position), vocabulary=model.text.embedding.num_embeddings,
    )  # fmt: skip


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `out` when all is written; ConfigError where `out` holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} holds something already, and it would be overwritten. Give a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield partial
        partial.chmod(0o755)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_clips(vocabulary: Vocabulary) -> bool:
    """Return whether it is CLIP's own, by its size and where its words lie."""
    token = vocabulary.tokenizer.token_to_id
    return len(vocabulary) == 49408 and (token("photo</w>"), token("cat</w>")) == (1125, 2368)
