"""The params.yaml of a toy workspace: what the real one must have, and a seed for its stages to depend on."""

from pathlib import Path


def set_seed(root: Path, seed: int) -> None:
    """Write it."""
    (root / "params.yaml").write_text(
        "source: {name: scenes, path: data/own}\nrecipes: {clip: {start: data/untrained.txt}}\nscale: debug\n"
        f"seed: {seed}\ngates: {{max_broken: 0.01}}\n"
    )
