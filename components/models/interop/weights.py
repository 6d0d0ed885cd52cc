"""Weights as they lie on disk: safetensors, or a pickle of which nothing but tensors is read."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from components.contracts.errors import DataError

INDEX = ".index.json"  # names the parts of a model that lies in several files
NESTED = ("state_dict", "model")  # where a training checkpoint keeps its weights
PICKLED = (".pt", ".pth", ".bin")


def find_weights(path: Path, names: tuple[str, ...]) -> Path:
    """Return the file of weights: `path` itself, or the first of `names` in the folder; DataError when there is none."""
    if path.is_file():
        return path
    found = [path / name for name in names if (path / name).is_file()]
    if not found:
        raise DataError(
            f"there are no weights at {path}. Give a file of weights, or a folder that has {' or '.join(names)}."
        )
    return found[0]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return name -> tensor. Raises DataError for what is neither safetensors nor a pickle of tensors alone.

    A pickle may run code when it is read, so it is read with `weights_only`, which refuses all but tensors and numbers.
    """
    if path.name.endswith(INDEX):
        return {name: value for part in _parts(path) for name, value in read_weights(path.parent / part).items()}
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as err:
            raise DataError(
                f"{path} cannot be read as safetensors ({err}). It may be cut off; fetch it again."
            ) from err
    if path.suffix not in PICKLED:
        raise DataError(f"{path} is no file of weights that is read. Give .safetensors, or {', '.join(PICKLED)}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it then refuses
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as err:  # in damaged bytes its reader stumbles over anything
        why = next(iter(str(err).splitlines()), "it ends too early")
        raise DataError(
            f"{path} is no plain pickle of tensors ({why}). It may be cut off; fetch it again. Reading anything else of a pickle "
            "may run code that lies in it, so it is not read; nor is TorchScript, as OpenAI published. Open it with the library "
            "that wrote it, where you trust it, and save its state_dict() as safetensors."
        ) from err
    return _tensors(path, found)


def _parts(index: Path) -> list[str]:
    """Return the names of the files that an index names; DataError for one that names none, or what does not lie beside it."""
    try:
        parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as err:
        raise DataError(
            f"{index} is no index of weights: it has no weight_map of names and files. Fetch it again."
        ) from err
    odd = [part for part in parts if not _is_beside(part)]
    if odd or not parts:
        raise DataError(
            f"{index} names {', '.join(map(repr, odd)) or 'no file'} where weights lie, and only files of weights beside it are read, by "
            "their names alone. Fetch the whole folder from where it was published."
        )
    missing = [part for part in parts if not (index.parent / part).is_file()]
    if missing:
        raise DataError(f"{index} names {', '.join(missing)}, which do not lie beside it. Fetch the whole folder.")
    return parts


def _is_beside(part: object) -> bool:
    """Say whether an index may name it: a file by its name alone, and no further index."""
    return isinstance(part, str) and bool(part) and Path(part).name == part and not part.endswith(INDEX)


def _tensors(path: Path, found: object) -> dict[str, Tensor]:
    """Return the tensors of what was pickled, a checkpoint's own among its other things."""
    for name in NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) and value.layout is torch.strided
        for name, value in found.items()
    ):
        raise DataError(
            f"{path} holds no weights by name, each a dense tensor. Give a state_dict, alone or as {' or '.join(NESTED)} of a checkpoint."
        )
    return dict(found)
