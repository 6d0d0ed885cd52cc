"""Sixty pictures of one's own, made anew for each test, which may spoil them."""

from pathlib import Path

import pytest

from tests.own_pictures import paint


@pytest.fixture
def own(tmp_path) -> tuple[Path, dict[str, tuple[str, str]]]:
    """The folder, and file name -> (caption, shape)."""
    return tmp_path / "own", paint(tmp_path / "own", 60)
