"""What params.yaml sets of a source that reads a person's own data, checked before anything is read."""

from collections.abc import Sequence
from pathlib import Path

from components.contracts.errors import ConfigError, DataError

NOT_STATED = "NOASSERTION"  # SPDX's word for a licence that nobody has stated


def existing(path: str, what: str) -> Path:
    """Return the path. ConfigError when source.path is no text, DataError when nothing is there."""
    if not isinstance(path, str) or not path:
        raise ConfigError(f"source.path is {path!r}. Give the path of {what}.")
    if not Path(path).exists():
        raise DataError(
            f"{path} does not exist. Give source.path in params.yaml, or `diptych run --data`, the path of {what}."
        )
    return Path(path)


def checked_languages(languages: Sequence[str] | None) -> tuple[str, ...]:
    """Return `source.languages`; ConfigError unless it is a list of different codes."""
    if languages is None:
        return ()
    codes = [] if isinstance(languages, str) else list(languages)
    if not codes or len(set(codes)) != len(codes) or not all(isinstance(one, str) and one.isalpha() for one in codes):
        raise ConfigError(f"source.languages is {languages!r}. Give a list of different codes, such as [en, de].")
    return tuple(codes)
