"""Models by their name on the Hub, from the folder in which its own library keeps what it fetched."""

import json
import shutil
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, DataError
from components.recipes.given_model import read_given
from components.recipes.hub import from_hub, model_place
from flows.cli import main
from tests.their_sets import write_set

GOLDEN = Path(__file__).parents[2] / "golden" / "transformers" / "clip_gelu"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A cache as huggingface_hub leaves it: a ref, and a snapshot of links to blobs."""
    held = tmp_path / "hub/models--somebody--tiny"
    (held / "refs").mkdir(parents=True)
    (held / "refs/main").write_text(REVISION)
    (held / "blobs").mkdir()
    snapshot = held / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    for place, file in enumerate(sorted(GOLDEN.iterdir())):
        if file.is_file():
            shutil.copy(file, held / "blobs" / str(place))
            (snapshot / file.name).symlink_to(held / "blobs" / str(place))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


@pytest.mark.parametrize("said", ["hf-hub:somebody/tiny", f"hf-hub:somebody/tiny@{REVISION}"])
def test_what_was_fetched_is_read_where_it_lies(fetched, said):
    assert model_place(said, Path("/")) == fetched
    assert read_given(from_hub(said)).sha256 == read_given(GOLDEN).sha256


@pytest.mark.usefixtures("fetched")
def test_what_was_not_fetched_is_not_fetched_unasked():
    with pytest.raises(
        DataError,
        match=r"somebody/other was not fetched before, and nothing is fetched unasked. Allow it with --network",
    ):
        from_hub("hf-hub:somebody/other")
    with pytest.raises(DataError, match="at v2 was not fetched before"):
        from_hub("hf-hub:somebody/tiny@v2")


@pytest.mark.parametrize("said", ["hf-hub:tiny", "hf-hub:", "hf-hub:a/b/c", "hf-hub:a/b@"])
def test_what_is_no_name_is_refused(said):
    with pytest.raises(ConfigError, match="names no model of the Hub"):
        from_hub(said)


@pytest.mark.usefixtures("fetched")
def test_the_command_measures_it_by_its_name(tmp_path, monkeypatch, capsys, squares):
    rows = [
        {"png": data, "txt": name.encode()} for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    ]
    write_set(tmp_path / "sayings", rows)
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "hf-hub:somebody/tiny", "--set", "sayings", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sayings"]["model"]["library"] == "huggingface"
    assert main(["evaluate", "hf-hub:somebody/other", "--set", "sayings"]) == 1
    assert "was not fetched before" in capsys.readouterr().err


def test_a_path_is_not_of_the_hub(tmp_path):
    assert model_place("models/hf-hub", tmp_path) == tmp_path / "models/hf-hub"
