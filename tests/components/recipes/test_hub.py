"""Models by their name on the Hub, from the folder in which its own library keeps what it fetched."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.recipes.exported import export_model
from components.recipes.given_model import read_given
from components.recipes.hub import from_hub, model_place
from components.recipes.interop import import_model
from flows.cli import main
from tests.their_sets import write_set

GOLDEN = Path(__file__).parents[2] / "golden" / "transformers" / "clip_gelu"
LAION = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def laid_out(hub: Path, name: str, of: Path) -> Path:
    """Lay a model out in a cache as huggingface_hub leaves it: a ref, and a snapshot of links to blobs."""
    held = hub / f"models--{name.replace('/', '--')}"
    (held / "refs").mkdir(parents=True)
    (held / "refs/main").write_text(REVISION)
    (held / "blobs").mkdir()
    snapshot = held / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    for place, file in enumerate(sorted(of.iterdir())):
        if file.is_file():
            shutil.copy(file, held / "blobs" / str(place))
            (snapshot / file.name).symlink_to(held / "blobs" / str(place))
    return snapshot


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def fetched(hub):
    return laid_out(hub, "somebody/tiny", GOLDEN)


@pytest.fixture
def laion(hub, tmp_path):
    """A checkpoint of open_clip, a small one, where that of ViT-B-32 lies once it was fetched."""
    import_model(GOLDEN.with_name("clip_quick_gelu"), "huggingface", tmp_path / "ours")
    export_model(tmp_path / "ours", "open_clip", tmp_path / "theirs")
    return laid_out(hub, LAION, tmp_path / "theirs")


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
    assert model_place("models/ViT-B-32", tmp_path) == tmp_path / "models/ViT-B-32", (
        "open_clip has no model of that name"
    )


@pytest.mark.parametrize("said", ["ViT-B-32/laion2b_s34b_b79k", f"hf-hub:{LAION}"])
def test_a_checkpoint_of_open_clip_is_measured_by_either_of_its_names(
    said, laion, tmp_path, monkeypatch, capsys, squares
):
    rows = [
        {"png": data, "txt": name.encode()} for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    ]
    write_set(tmp_path / "sayings", rows)
    monkeypatch.chdir(tmp_path)
    assert model_place(said, tmp_path) == laion
    assert main(["evaluate", said, "--set", "sayings", "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["sayings"]["model"]
    assert (model["library"], model["weights"]) == ("open_clip", "open_clip_model.safetensors")
    assert model["sha256"] == read_given(tmp_path / "theirs").sha256


def test_a_folder_that_is_called_so_is_the_folder(laion, tmp_path):
    assert model_place("ViT-B-32/laion2b_s34b_b79k", tmp_path) == laion
    (tmp_path / "ViT-B-32").mkdir()
    assert model_place("ViT-B-32/laion2b_s34b_b79k", tmp_path) == tmp_path / "ViT-B-32/laion2b_s34b_b79k"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ("ViT-B-32/laion2b_s34b_b79k", DataError, f"{LAION} was not fetched before, and nothing is fetched unasked. Allow it with --network"),
        ("ViT-B-32/laion2b_s34b_b79", ConfigError, "open_clip has no weights 'laion2b_s34b_b79' of ViT-B-32. Name one that it has, such as laion2b_s34b_b79k"),
        ("ViTamin-S/datacomp1b", CapabilityError, "a pickle, in jienengchen/ViTamin-S, and neither is fetched"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_by_open_clips_names_is_said(said, kind, why, tmp_path):
    with pytest.raises(kind, match=re.escape(why)):
        model_place(said, tmp_path)


def test_without_open_clip_the_name_on_the_hub_is_asked_for(tmp_path, monkeypatch):
    for name in ("open_clip", "open_clip.pretrained"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ConfigError, match=r"is not installed here\. Give the name that they have on the Hub, such as hf-hub:laion"
    ):
        model_place("ViT-B-32/laion2b_s34b_b79k", tmp_path)
    assert model_place("models", tmp_path) == tmp_path / "models"
