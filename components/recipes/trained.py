"""A trained model as a folder: weights, what they are the weights of, tokenizer and transform."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from components.contracts.errors import DataError
from components.contracts.model_files import MODEL, MODEL_FILES, TOKENIZER, TRANSFORMS, WEIGHTS
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.models.dual_encoder import DualEncoder
from components.models.grown import described_as, grown
from components.models.towers.text import TextTower
from components.recipes.section import build


def save_trained(
    folder: Path, model: DualEncoder, described: dict[str, Any], vocabulary: Vocabulary, preprocess: Preprocess
) -> None:
    """Write the four files; `described` is the `class_path`/`init_args` that built the model, before it grew."""
    save_weights(folder, model)
    _save_description(folder, model, described)
    vocabulary.save(folder / TOKENIZER)
    (folder / TRANSFORMS).write_text(preprocess.to_json(), encoding="utf-8")


def load_untrained(folder: Path, seed: int, batch: int = 256) -> Embedder:
    """Return the same architecture, tokenizer and transform with weights drawn from `seed`; errors as of load_trained.

    The global draw goes on as if nothing had been drawn.
    """
    with torch.random.fork_rng(devices=[]):
        trained = load_trained(folder, batch)
        torch.manual_seed(seed)
        model = build(described_in(folder), DualEncoder)
    return Embedder(model.eval(), trained.vocabulary, trained.preprocess, batch)


def described_in(folder: Path) -> dict[str, Any]:
    """Return the `class_path` and `init_args` of the folder's model."""
    described: dict[str, Any] = json.loads((folder / MODEL).read_text(encoding="utf-8"))
    return described


def save_tuned(folder: Path, model: nn.Module, before: Path) -> None:
    """Write the four files of a model that was tuned: weights, and beside them the files of the one it was, whose description grows with it."""
    save_weights(folder, model)
    for name in (TOKENIZER, TRANSFORMS):
        shutil.copyfile(before / name, folder / name)
    if grown(model):
        _save_description(folder, model, described_in(before))
    else:
        shutil.copyfile(before / MODEL, folder / MODEL)


def _save_description(folder: Path, model: nn.Module, described: dict[str, Any]) -> None:
    (folder / MODEL).write_text(json.dumps(described_as(model, described), indent=2) + "\n", encoding="utf-8")


def save_weights(folder: Path, model: nn.Module) -> None:
    """Write that file alone."""
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)


def load_trained(folder: Path, batch: int = 256) -> Embedder:
    """Read the folder back; DataError when a file is missing, or weights or tokenizer are not of the model described."""
    missing = [name for name in MODEL_FILES if not (folder / name).exists()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}, so it holds no model. Make it with `dvc repro`.")
    model = build(described_in(folder), DualEncoder)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as err:
        raise DataError(
            f"{folder / WEIGHTS} does not fit {MODEL} beside it: {err}. Train again with `dvc repro`."
        ) from err
    pad = model.text.pad if isinstance(model.text, TextTower) else 0
    vocabulary = Vocabulary.load(folder / TOKENIZER, pad)
    if isinstance(model.text, TextTower) and len(vocabulary) != model.text.embedding.num_embeddings:
        raise DataError(
            f"{folder / TOKENIZER} has {len(vocabulary)} tokens, but {MODEL} beside it embeds "
            f"{model.text.embedding.num_embeddings}: other words would be read than were trained on. Train again with "
            "`dvc repro`."
        )
    preprocess = Preprocess.from_json((folder / TRANSFORMS).read_text(encoding="utf-8"))
    return Embedder(model.eval(), vocabulary, preprocess, batch)
