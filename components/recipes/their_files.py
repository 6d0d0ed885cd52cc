"""What the folder of another library says of a model beside its weights: config, transform, tokenizer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer
from torch import Tensor

from components.contracts.errors import CapabilityError, DataError
from components.data.tokenizer_files import canonical, read_tokenizer
from components.data.transforms.preprocess import BICUBIC
from components.models.dual_encoder import DualEncoder
from components.models.interop import huggingface, open_clip
from components.models.interop.weights import find_weights, read_weights

Library = Literal["open_clip", "huggingface"]
CONFIGS = {"open_clip": "open_clip_config.json", "huggingface": "config.json"}
SHOWN, TOKENIZER_CONFIG = "preprocessor_config.json", "tokenizer_config.json"
WEIGHTS = {
    "open_clip": ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
    "huggingface": ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"),
}  # fmt: skip
RESAMPLED = {"bilinear": 2, BICUBIC: 3}  # Pillow's numbers, by which transformers calls them
IN_PYTHON = (
    "SiglipTokenizer",
    "SiglipTokenizerFast",
)  # lower texts and take punctuation away before their file is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A model of another library, read.

    Args:
        source: the file of weights.
        weights: name -> tensor.
        described: `class_path` and `init_args` of ours.
        take: gives our weights of theirs.
        squeeze: whether pictures are pressed into a square rather than cropped to one.
        interpolation: by which they are resized, as `Preprocess` has it.
        tokenizer: theirs, with all they do to a text.
        words: the file or folder it was read from.
    """

    source: Path
    weights: Mapping[str, Tensor]
    described: dict[str, Any]
    take: Callable[[DualEncoder, Mapping[str, Tensor]], dict[str, Tensor]]
    squeeze: bool
    interpolation: str
    tokenizer: Tokenizer
    words: Path


def read_theirs(path: Path, library: Library, config: Path | None, tokenizer: Path | None) -> Theirs:
    """Read a folder, or a file of weights and what lies beside it; `config` and `tokenizer` may lie elsewhere.

    Raises DataError for what is missing or broken, CapabilityError for what we have not.
    """
    source = find_weights(path, WEIGHTS[library])
    beside, words = source.parent, tokenizer or source.parent
    at = config or beside / CONFIGS[library]
    said = read_json(at, "--config")
    weights = read_weights(source)
    told = _if_there((words if words.is_dir() else words.parent) / TOKENIZER_CONFIG)
    shown = _if_there(beside / SHOWN) if library == "huggingface" else {}
    try:
        if library == "open_clip":
            described, take = open_clip.described(said, weights), open_clip.take
            squeeze, interpolation = _shown_by_open_clip(said.get("preprocess_cfg", {}))
            text_cfg = (said.get("model_cfg") or said)["text_cfg"]
            clean = (text_cfg.get("tokenizer_kwargs") or {}).get("clean")
            underscore = " " if clean == "canonicalize" else None
            pads = bool(text_cfg.get("hf_tokenizer_name"))  # else by CLIP's own code, whose padding no file tells
        else:
            described, take = huggingface.described(said, weights, shown), huggingface.take
            squeeze = not shown.get("do_center_crop", said.get("model_type") != "siglip")
            names = {number: name for name, number in RESAMPLED.items()}
            interpolation = _known("resample", shown.get("resample"), names, BICUBIC)
            underscore = "" if told.get("tokenizer_class") in IN_PYTHON else None
            pads = True
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as err:  # null or a word for a number
        raise DataError(
            f"{at}{f' or {SHOWN} beside the weights' if shown else ''} has a value of another kind than {library} writes ({err}), so nobody knows what the "
            "weights are of. Fetch it again, or name another config with --config."
        ) from err
    read = read_tokenizer(words)
    text = described["init_args"]["text"]["init_args"]
    if pads and not text.get("masked", True):  # padding is read, so it must be theirs; where it is hidden, ours is 0
        text["pad"] = pad_of(read, told, text.get("pad", 0))
    read = read if underscore is None else canonical(read, underscore)
    return Theirs(
        source=source, weights=weights, described=described, take=take, squeeze=squeeze, interpolation=interpolation,
        tokenizer=read, words=words,
    )  # fmt: skip


def _shown_by_open_clip(shown: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether pictures are squeezed, and by which interpolation they are resized; CapabilityError for what we have not."""
    mode = _known("resize_mode", shown.get("resize_mode"), {"shortest": "shortest", "squash": "squash"}, "shortest")
    names = {name: name for name in RESAMPLED} | {"random": BICUBIC}  # which is so in training alone
    return mode == "squash", _known("interpolation", shown.get("interpolation"), names, BICUBIC)


def _known(key: str, said: Any, names: Mapping[Any, str], otherwise: str) -> str:
    """Return our name for what a transform asks for, `otherwise` where it says nothing; CapabilityError where we have none."""
    if said is None:
        return otherwise
    if said not in names:
        raise CapabilityError(
            f"the transform of pictures asks for {key}: {said!r}, and here there is {', '.join(map(str, names))}. The model would be shown other "
            "pixels than it learned from. Convert a model with one of these."
        )
    return names[said]


def pad_of(tokenizer: Tokenizer, told: Mapping[str, Any], otherwise: int) -> int:
    """Return the id that a tokenizer pads with: by its config, by its own file, or `otherwise`."""
    token = told.get("pad_token")
    token = token.get("content") if isinstance(token, Mapping) else token
    number = tokenizer.token_to_id(token) if isinstance(token, str) else None
    if number is None and tokenizer.padding is not None:
        number = tokenizer.padding["pad_id"]
    return otherwise if number is None else int(number)


def read_json(path: Path, option: str) -> dict[str, Any]:
    """Return what a file of theirs says; DataError when it is not there, or is none. `option` may say where it lies."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        other = f", or say where it is with {option}" if option else ""
        raise DataError(f"there is no {path}, which says what the weights are of. Put it there{other}.") from err
    except (ValueError, RecursionError) as err:
        raise DataError(f"{path} is no JSON ({err}). Fetch it again.") from err
    if not isinstance(found, dict):
        raise DataError(f"{path} holds {json.dumps(found)[:60]}, and must hold names with values. Fetch it again.")
    return found


def _if_there(path: Path) -> dict[str, Any]:
    return read_json(path, "") if path.exists() else {}
