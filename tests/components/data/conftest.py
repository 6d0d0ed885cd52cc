"""A snapshot of scenes, made once; tests that change bytes copy it first."""

import shutil
from pathlib import Path

import pytest

from components.data.ingest import ingest
from components.data.synthetic.scenes import ScenesSource


@pytest.fixture(scope="session")
def scenes_raw(tmp_path_factory) -> Path:
    raw = tmp_path_factory.mktemp("scenes") / "raw"
    ingest(ScenesSource(pictures=60), raw, seed=0)
    return raw


@pytest.fixture
def own_raw(scenes_raw, tmp_path) -> Path:
    return Path(shutil.copytree(scenes_raw, tmp_path / "raw"))
