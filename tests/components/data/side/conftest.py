"""The squares, asked of a teacher that knows colours, four shards of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.contracts.progress import silent
from components.data.side.write import Asked, write_side
from components.data.transforms.views import Views
from tests.colours import Colours

VIEWS = Views(pixels=16, erase=0.3, sketched=0.2, outlined=0.2)
EXTRA = {"square-03": ("a red thing", "something red"), "square-41": ("a pink thing",)}


@pytest.fixture
def asked(squares) -> Asked:
    shards = [f"train/{place // 14:06d}.tar" for place in range(len(squares))]
    return Asked(
        pool=squares, shards=shards, extra=EXTRA, views=VIEWS, trim=False, kept=4 / 3, count=3, seed=5, teachers=[Colours()],
    )  # fmt: skip


@pytest.fixture
def written(asked, tmp_path) -> Callable[..., tuple[Path, str]]:
    """Write side shards, something changed, and return their folder and digest."""

    def write(name: str = "side", **changed: Any) -> tuple[Path, str]:
        folder = tmp_path / name
        return folder, write_side(folder, replace(asked, **changed), silent, tell=lambda said: None)

    return write
