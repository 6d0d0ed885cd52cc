"""What another library makes of a folder that we wrote for it: tokens and features, by its own code alone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.contracts.errors import DataError
from components.recipes.their_files import Library

PACKAGES: dict[Library, str] = {"open_clip": "open-clip-torch", "huggingface": "transformers"}
_MODULES: dict[Library, str] = {"open_clip": "open_clip", "huggingface": "transformers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the library said. Axes: N rows, L tokens, D shared width.

    Args:
        ids: of the texts, int [N L].
        image: unit rows of the pixels, float32 [N D].
        text: the same of the texts.
    """

    ids: np.ndarray
    image: np.ndarray
    text: np.ndarray


def reader_of(library: Library) -> str | None:
    """Return name and version of the library, `open-clip-torch 3.3.0`; None where it is not installed."""
    if find_spec(_MODULES[library]) is None:
        return None
    try:
        return f"{PACKAGES[library]} {version(PACKAGES[library])}"
    except PackageNotFoundError:  # from a checkout
        return PACKAGES[library]


@torch.no_grad()
def ask(library: Library, folder: Path, texts: Sequence[str], shown: Tensor, context: int) -> Answered:
    """Load the folder with the library's own calls, and ask it.

    Args:
        shown: pixels as the image tower takes them, mean and deviation applied, float [N 3 S S].
        context: tokens a row.

    Raises DataError, with what the library says, when it cannot load the folder.
    """
    try:
        ids, image, text = (_open_clip if library == "open_clip" else _transformers)(
            folder, list(texts), shown, context
        )
    except Exception as err:  # whatever their code raises of our files, our files are wrong
        raise DataError(
            f"{PACKAGES[library]} cannot read what was written for it ({type(err).__name__}: {err}), so nothing was kept. Report this, with "
            "the model.json of the model."
        ) from err
    return Answered(ids=ids.numpy(), image=normalize(image, dim=-1).numpy(), text=normalize(text, dim=-1).numpy())


def _open_clip(folder: Path, texts: list[str], shown: Tensor, context: int) -> tuple[Tensor, Tensor, Tensor]:
    import open_clip

    root = logging.getLogger()
    level, root.level = root.level, logging.ERROR  # it logs to the root what it loads
    try:
        model: Any = open_clip.create_model(f"local-dir:{folder}").eval()
        ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    finally:
        root.level = level
    return ids, model.encode_image(shown), model.encode_text(ids)


def _transformers(folder: Path, texts: list[str], shown: Tensor, context: int) -> tuple[Tensor, Tensor, Tensor]:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model: Any = transformers.AutoModel.from_pretrained(folder).eval()
    rows = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding="max_length", truncation=True, max_length=context, return_tensors="pt"
    )
    hidden = {} if model.config.model_type == "siglip" else {"attention_mask": rows["attention_mask"]}
    image, text = model.get_image_features(pixel_values=shown), model.get_text_features(rows["input_ids"], **hidden)
    image, text = (getattr(side, "pooler_output", side) for side in (image, text))
    return rows["input_ids"], image, text
