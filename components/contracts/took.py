"""What a training took, as points of a store: the names that live logging and `register` have in common."""

from collections.abc import Mapping


def took(timing: Mapping[str, float | None], prefix: str = "") -> dict[str, float]:
    """Return `took.<name>` -> value of what metrics.json has under `timing`; what nobody could tell is left out."""
    return {f"{prefix}took.{name}": float(value) for name, value in timing.items() if value is not None}
