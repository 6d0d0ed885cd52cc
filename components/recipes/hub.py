"""A model of the Hugging Face Hub by its name, as open_clip spells it: `hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K@REVISION`, or MODEL/TAG.

What was fetched before is read where it lies; nothing is fetched unless somebody allows it, and never a pickle.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import ConfigError, DataError, TransientError
from components.recipes.open_clip_names import on_hub

if TYPE_CHECKING:
    from components.recipes.their_files import Library

SCHEME = "hf-hub:"
FILES = ("*.safetensors", "*.json", "*.txt", "*.model")  # weights that cannot run code, and how to read them
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


def model_place(said: str, here: Path, network: bool = False, library: "Library | None" = None) -> Path:
    """Return where a model lies that is named by a path from `here`, by its name on the Hub, or by open_clip's names; errors as of `from_hub` and `on_hub`.

    What begins with a folder that is there is a path. A model of the Hub that lies there as open_clip's and as transformers', as LAION's do, is open_clip's
    file of weights, whose way to name models this is, unless `library` says whose is meant.
    """
    if said.startswith(SCHEME):
        return _meant(from_hub(said, network), library)
    place = here / said
    is_path = any(one.exists() for one in (place, here / said.partition("/")[0]))
    if not is_path and (named := on_hub(said)):
        return _meant(from_hub(SCHEME + named, network), library)
    return place


def _meant(folder: Path, library: "Library | None") -> Path:
    """Return open_clip's file of weights where a folder has those, and configs of both libraries, and nobody said whose is meant; the folder else."""
    from components.recipes.their_files import CONFIGS, WEIGHTS  # torch, which the name of a folder does not need

    theirs = [folder / name for name in WEIGHTS["open_clip"] if (folder / name).is_file()]
    both = all((folder / name).is_file() for name in CONFIGS.values())
    return theirs[0] if theirs and both and library is None else folder


def from_hub(said: str, network: bool = False) -> Path:
    """Return the folder with the files of a model.

    Args:
        said: its name after `hf-hub:`, and a revision after @.
        network: whether what is not there may be fetched.

    Raises ConfigError for what is no name, DataError for a model that is not there, or not there without the network, TransientError
    where the Hub does not answer.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    found = _NAME.fullmatch(said.removeprefix(SCHEME))
    if found is None:
        raise ConfigError(
            f"{said!r} names no model of the Hub. Give owner and name, such as {SCHEME}laion/CLIP-ViT-B-32-laion2B-s34B-b79K."
        )
    name, revision = found["name"], found["revision"]
    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=list(FILES), local_files_only=not network)
        )
    except (RepositoryNotFoundError, RevisionNotFoundError) as err:
        raise DataError(
            f"the Hub has no {name}{f' at {revision}' if revision else ''} that you may read. Correct the name, or log in: hf auth login"
        ) from err
    except LocalEntryNotFoundError as err:
        if network:
            raise TransientError(
                f"the Hub does not answer, and {name} was not fetched before. Try again when it does."
            ) from err
        raise DataError(
            f"{name}{f' at {revision}' if revision else ''} was not fetched before, and nothing is fetched unasked. Allow it with --network, or fetch it: "
            f"hf download {name}"
        ) from err
    except (HfHubHTTPError, OSError) as err:
        raise TransientError(
            f"{name} could not be fetched ({type(err).__name__}: {str(err).splitlines()[0]}). Try again later."
        ) from err
