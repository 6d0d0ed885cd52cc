"""As which versions a version began: a start is known by the digest of its model, and so is the model of every version."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.contracts.model_files import MODEL_FILES
from components.contracts.sealed import digest_of

AGAIN = "replayed"  # of manifest.json: how many pictures of its start were learnt from again
MADE = "models"  # of manifest.json: stage -> digest of the model that it left, as `start.digest` would have it


def models_of(about: Mapping[str, Any]) -> dict[str, str]:
    """Return stage -> digest of the model that a package's run left; of a package that does not say so the one that it holds.

    Args:
        about: manifest.json of the package.
    """
    if isinstance(said := about.get(MADE), Mapping):
        return {str(stage): str(digest) for stage, digest in said.items()}
    files = about.get("files")
    if not isinstance(files, Mapping) or not set(MODEL_FILES) <= set(files):
        return {}
    return {"package": digest_of({name: str(files[name]) for name in MODEL_FILES})}


def start_of(about: Mapping[str, Any]) -> str | None:
    """Return the digest of the model that a package's run began from; None where its weights were drawn."""
    start = about.get("start")
    return str(start["digest"]) if isinstance(start, Mapping) and "digest" in start else None


def parents(about: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the versions whose model is the start; none that only passed that model on.

    Args:
        others: label -> manifest.json of the versions there are.
    """
    start = start_of(about)
    if start is not None:
        yield from (its for its, one in others.items() if start in models_of(one).values() and start_of(one) != start)


def begun_from(others: Mapping[str, Mapping[str, Any]], starts: Mapping[str, int]) -> dict[str, int]:
    """Return the versions that began as one of these models, or as such a version, each with the number of its model.

    Args:
        others: label -> manifest.json of the versions there are.
        starts: the first digits of the digest of a model -> its number.
    """
    found, known = dict[str, int](), dict(starts)
    while True:
        new = {
            label: number
            for label, about in others.items()
            for digest, number in known.items()
            if label not in found and (start_of(about) or "").startswith(digest)
        }
        if not new:
            return found
        found |= new
        known |= {digest: number for label, number in new.items() for digest in models_of(others[label]).values()}


def forebears(about: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the versions as of `parents`, those that these began as, and so on, the nearest first."""
    found: dict[str, None] = dict.fromkeys(parents(about, others))
    ahead = [*found]
    while ahead:
        new = [label for label in parents(others[ahead.pop(0)], others) if label not in found]
        found |= dict.fromkeys(new)
        ahead += new
    return tuple(found)
