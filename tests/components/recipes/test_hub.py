"""Models by their name on the Hub, from the folder in which its own library keeps what it fetched."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.contracts.sealed import sha256_of
from components.recipes.exported import export_model
from components.recipes.given_model import library_of, read_given
from components.recipes.hub import from_hub, model_place
from components.recipes.interop import import_model
from flows.cli import main
from flows.given_start import given_start
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


@pytest.fixture
def both(hub, tmp_path):
    """As LAION's lie on the Hub: open_clip's files, and beside them the same model as transformers reads it."""
    import_model(GOLDEN.with_name("clip_quick_gelu"), "huggingface", tmp_path / "ours")
    export_model(tmp_path / "ours", "open_clip", tmp_path / "theirs")
    export_model(tmp_path / "ours", "hf", tmp_path / "hf")
    shutil.copytree(tmp_path / "theirs", tmp_path / "both")
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        shutil.copy(tmp_path / "hf" / name, tmp_path / "both" / name)
    return laid_out(hub, LAION, tmp_path / "both")


@pytest.fixture
def sayings(squares, tmp_path, monkeypatch):
    """A set, from whose folder commands run."""
    rows = [
        {"png": data, "txt": name.encode()} for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    ]
    write_set(tmp_path / "sayings", rows)
    monkeypatch.chdir(tmp_path)


def of_open_clip(said, tmp_path, capsys):
    """Whether the command measures open_clip's weights by that name."""
    assert main(["evaluate", *said, "--set", "sayings", "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["sayings"]["model"]
    folder = {"open_clip": "theirs", "huggingface": "hf"}[model["library"]]
    assert model["sha256"] == sha256_of(tmp_path / folder / model["weights"])
    return model["library"] == "open_clip"


@pytest.mark.usefixtures("sayings")
@pytest.mark.parametrize("said", ["ViT-B-32/laion2b_s34b_b79k", f"hf-hub:{LAION}"])
def test_a_model_that_lies_there_as_two_libraries_is_open_clips(said, both, tmp_path, capsys):
    assert model_place(said, tmp_path) == both / "open_clip_model.safetensors"
    assert of_open_clip([said], tmp_path, capsys)
    assert not of_open_clip([said, "--from", "huggingface"], tmp_path, capsys), "unless somebody says whose"
    place, name = given_start(said, tmp_path)
    assert (library_of(place), name) == ("open_clip", REVISION), "adapt --from"


def test_weights_of_one_library_tell_beside_configs_of_both(both):
    """Some have open_clip's weights as a pickle alone, which is not fetched."""
    (both / "open_clip_model.safetensors").unlink()
    assert library_of(model_place(f"hf-hub:{LAION}", both)) == "huggingface"


@pytest.mark.usefixtures("sayings")
@pytest.mark.parametrize("said", ["ViT-B-32/laion2b_s34b_b79k", f"hf-hub:{LAION}"])
def test_a_checkpoint_of_open_clip_is_measured_by_either_of_its_names(said, laion, tmp_path, capsys):
    assert model_place(said, tmp_path) == laion
    assert of_open_clip([said], tmp_path, capsys)


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
