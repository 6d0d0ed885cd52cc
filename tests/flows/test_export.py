"""`diptych export` and `diptych model import` there and back, by the command: features of the other library's own classes, equal to 1e-5.

The peers are open_clip's and transformers' classes with random weights, gains and biases; nothing is fetched. Axes: N = 3 rows.
"""

import json
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import onnxruntime
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer, CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.recipes.trained import load_trained, save_trained
from components.serving.candidate import Candidate
from components.serving.command import free_ports
from components.serving.labels import LABEL_FILES, Labels
from components.serving.lock import serving_lock
from components.serving.package import Package
from components.serving.staging import stage
from components.serving.sweep import sweep
from flows.cli import main
from tests.components.serving.tiny_package import make_package, picture

REPOSITORY = Path(__file__).parents[2]
GOLDEN = REPOSITORY / "tests/golden/transformers"
TEXTS = ["a red square", "two green circles beside a blue square on grey", "circle"]
WORDS = {"context_length": 8, "vocab_size": 59, "width": 16, "heads": 2, "layers": 2}
SIGLIP_WORDS = {
    **WORDS, "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}, "pad_id": 1,
    "act_kwargs": {"approximate": "tanh"}, "hf_tokenizer_name": "local",
}  # fmt: skip
VIT = {"layers": 2, "width": 32, "patch_size": 8, "image_size": 16, "head_width": 16}
OPEN_CLIP = {
    "ViT": {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": {**WORDS, "hf_tokenizer_name": "local"}},
    "RN50": {
        "embed_dim": 24, "quick_gelu": True, "text_cfg": {**WORDS, "hf_tokenizer_name": "local"},
        "vision_cfg": {"layers": [3, 4, 6, 3], "width": 64, "patch_size": None, "image_size": 224},
    },
    "SigLIP": {
        "embed_dim": 64, "custom_text": True, "init_logit_bias": -10.0, "text_cfg": SIGLIP_WORDS,
        "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
    },
}  # fmt: skip
TEXT = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2}
SEEN = {**TEXT, "image_size": 16, "patch_size": 8}
READ = {**TEXT, "vocab_size": 59, "max_position_embeddings": 8}
HF = ("CLIPModel", "SiglipModel", "SigLIP 2")


@pytest.fixture
def diptych(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in an empty folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> tuple[int, str, str]:
        return main(list(arguments)), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def said(done: tuple[int, str, str]) -> dict:
    code, out, err = done
    assert (code, err) == (0, "")
    return json.loads(out)


def draw(peer: torch.nn.Module) -> torch.nn.Module:
    """Give every weight a value of its own, so that none can be left out unseen."""
    torch.manual_seed(3)
    for name, value in peer.state_dict().items():
        if value.is_floating_point() and value.ndim < 2:
            least, most = (-0.3, 0.3) if name.endswith(("bias", "mean", "embedding")) else (0.6, 1.4)
            torch.nn.init.uniform_(value, least, most)  # gains and statistics differ from channel to channel
    peer.logit_scale.data.fill_(2.0)
    return peer.eval()


def open_clips(name: str, folder: Path) -> torch.nn.Module:
    """Write a folder as open_clip's hub has it, and return its model."""
    config = OPEN_CLIP[name]
    kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    torch.manual_seed(0)
    peer = draw(kind(**{key: value for key, value in json.loads(json.dumps(config)).items() if key != "custom_text"}))
    folder.mkdir()
    shown = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash" if name == "SigLIP" else "shortest"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": shown}))
    save_file(peer.state_dict(), folder / "open_clip_model.safetensors")
    shutil.copy(GOLDEN / ("siglip" if name == "SigLIP" else "clip_gelu") / "tokenizer.json", folder)
    return peer


def transformers_(name: str, folder: Path) -> torch.nn.Module:
    """Write a folder as transformers' hub has it, and return its model."""
    if name == "CLIPModel":
        ends = {"bos_token_id": 57, "eos_token_id": 58, "pad_token_id": 58}
        peer = CLIPModel(CLIPConfig(text_config={**READ, **ends}, vision_config=SEEN, projection_dim=12))
    else:
        peer = SiglipModel(SiglipConfig(text_config=READ, vision_config=SEEN))
    torch.manual_seed(1)
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folder.mkdir(parents=True)
    draw(peer).config.save_pretrained(folder)
    save_file({name: value.contiguous() for name, value in peer.state_dict().items()}, folder / "model.safetensors")
    shutil.copy(GOLDEN / ("clip_gelu" if name == "CLIPModel" else "siglip") / "tokenizer.json", folder)
    if name == "SigLIP 2":  # the same class, and a tokenizer that pads with id 0
        (folder / "tokenizer_config.json").write_text('{"pad_token": "<unk>"}')
    return peer


def pixels_of(size: int, mean: float = 0.5, std: float = 0.5) -> torch.Tensor:
    """Noise, a ramp, and squares of two colours."""
    drawn = torch.rand(3, size, size, generator=torch.Generator().manual_seed(4))
    ramp = torch.linspace(0, 1, size).expand(3, size, size)
    squares = (torch.arange(size) // (size // 4) % 2).float() * torch.tensor([1.0, 0.5, 0.1]).view(3, 1, 1)
    return (torch.stack([drawn, ramp, squares.expand(3, size, size)]) - mean) / std


@torch.no_grad()
def equal(first, second, shown: torch.Tensor, ids: torch.Tensor) -> None:
    """Two models of one library say the same of pixels and tokens, row by row, and rows differ."""
    for of in ("image", "text"):
        rows = [_features(model, of, shown if of == "image" else ids) for model in (first, second)]
        torch.testing.assert_close(rows[0], rows[1], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(rows[0][0], rows[0][1], atol=1e-4)


def _features(model, of: str, given: torch.Tensor) -> torch.Tensor:
    if hasattr(model, f"encode_{of}"):
        found = getattr(model, f"encode_{of}")(given)
    else:
        found = getattr(model, f"get_{of}_features")(given)
    return normalize(getattr(found, "pooler_output", found), dim=-1)


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_open_clip_there_and_back(diptych, tmp_path, name):
    peer = open_clips(name, tmp_path / "theirs")
    said(diptych("model", "import", "theirs", "--from", "open_clip", "--to", "ours", "--json"))
    found = said(diptych("export", "ours", "--to", "open_clip", "--out", "back", "--json"))
    assert found["by"].startswith("open-clip-torch ")
    assert 0 < max(found["furthest"].values()) <= 1e-5
    back = open_clip.create_model(f"local-dir:{tmp_path / 'back'}").eval()
    ids = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'back'}")(TEXTS)
    assert torch.equal(ids, load_trained(tmp_path / "ours").vocabulary(TEXTS).ids)
    equal(peer, back, pixels_of(OPEN_CLIP[name]["vision_cfg"]["image_size"]), ids)
    theirs, again = (load_file(tmp_path / folder / "open_clip_model.safetensors") for folder in ("theirs", "back"))
    assert set(theirs) == set(again)
    assert all(torch.equal(theirs[key], again[key]) for key in theirs)


@pytest.mark.parametrize("name", HF)
def test_transformers_there_and_back(diptych, tmp_path, name):
    peer = transformers_(name, tmp_path / "theirs")
    said(diptych("model", "import", "theirs", "--from", "huggingface", "--to", "ours", "--json"))
    found = said(diptych("export", "ours", "--to", "hf", "--out", "back", "--json"))
    assert found["by"].startswith("transformers ")
    assert 0 < max(found["furthest"].values()) <= 1e-5
    back = AutoModel.from_pretrained(tmp_path / "back").eval()
    assert type(back) is type(peer)
    rows = AutoTokenizer.from_pretrained(tmp_path / "back")(TEXTS, padding="max_length", truncation=True)
    ids = torch.tensor(rows["input_ids"])
    assert ids[2, -1] == {"CLIPModel": 0, "SiglipModel": 1, "SigLIP 2": 0}[name]
    equal(peer, back, pixels_of(16), ids)
    theirs, again = (load_file(tmp_path / folder / "model.safetensors") for folder in ("theirs", "back"))
    assert set(theirs) == set(again)
    assert all(torch.equal(theirs[key], again[key]) for key in theirs)


def test_what_open_clip_trained_transformers_opens(diptych, tmp_path):
    """By one command: a folder of theirs is a model too."""
    peer = open_clips("ViT", tmp_path / "theirs")
    code, out, err = diptych("export", "theirs", "--to", "hf", "--out", "moved")
    assert (code, err) == (0, "")
    assert "theirs is now transformers:" in out
    assert f'transformers.AutoModel.from_pretrained("{tmp_path / "moved"}")' in out
    moved = AutoModel.from_pretrained(tmp_path / "moved").eval()
    ids = torch.tensor([[57, 2, 54, 31, 58, 0, 0, 0], [57, 3, 4, 5, 6, 7, 8, 58], [57, 9, 58, 0, 0, 0, 0, 0]])
    for of, given in (("image", pixels_of(16)), ("text", ids)):
        with torch.no_grad():
            torch.testing.assert_close(_features(peer, of, given), _features(moved, of, given), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory) -> Path:
    """What `diptych adapt` leaves, of a model of transformers: the model in a folder, and a report beside it."""
    folder = tmp_path_factory.mktemp("adapted")
    transformers_("SiglipModel", folder / "theirs")
    assert (
        main(
            ["model", "import", str(folder / "theirs"), "--from", "huggingface", "--to", str(folder / "adapted/model")]
        )
        == 0
    )
    (folder / "adapted/adapted.json").write_text("{}")
    return folder / "adapted"


@torch.no_grad()
def test_graphs_answer_as_the_model_that_adapt_left(diptych, tmp_path, adapted):
    found = said(diptych("export", str(adapted), "--to", "onnx", "--out", "graphs", "--json"))
    assert {path.name for path in (tmp_path / "graphs").iterdir()} == {
        "image_encoder.onnx", "text_encoder.onnx", "tokenizer.json", "transforms.json"
    }  # fmt: skip
    assert max(found["furthest"].values()) <= 1e-5
    embedder = load_trained(adapted / "model")
    shown, ids = torch.rand(3, 3, 16, 16), embedder.vocabulary(TEXTS).ids
    for side, taken, given, own in (
        ("image", "pixel_values", shown, embedder.pixels_embedded(shown)), ("text", "input_ids", ids, embedder.texts(TEXTS))
    ):  # fmt: skip
        session = onnxruntime.InferenceSession(str(tmp_path / f"graphs/{side}_encoder.onnx"))
        np.testing.assert_allclose(session.run(None, {taken: given.numpy()})[0], own, rtol=1e-5, atol=1e-5)


@pytest.fixture
def told_apart(adapted, tmp_path) -> Path:
    """What `diptych adapt` leaves where captions are labels: by which vectors these are told apart lies beside the report."""
    folder = shutil.copytree(adapted, tmp_path / "told apart")
    vectors = torch.randn(3, load_trained(folder / "model").model.width, generator=torch.Generator().manual_seed(5))
    Labels(
        set="class", templates=("{}",), labels=("cat", "dog"), logit_scale=7.5, sharpness=0.25, vectors=normalize(vectors).numpy(), counts=(2, 1)
    ).write(folder)  # fmt: skip
    return folder


@pytest.mark.parametrize("place", [".", "model", "beside"])
@pytest.mark.parametrize("to", ["onnx", "triton"])
def test_labels_that_were_told_apart_go_along(diptych, tmp_path, told_apart, to, place):
    """Of what `diptych adapt` left, of the model in it, and of a run's, which has them beside its weights."""
    if place == "beside":
        shutil.copytree(told_apart / "model", tmp_path / "beside")
        for name in LABEL_FILES:
            shutil.copy(told_apart / name, tmp_path / "beside")
    named = "beside" if place == "beside" else str(told_apart / place)
    said(diptych("export", named, "--to", to, "--out", "new", "--json"))
    there = tmp_path / ("new/zero_shot_classifier/1" if to == "triton" else "new")
    for name in LABEL_FILES:
        assert (there / name).read_bytes() == (told_apart / name).read_bytes()


def test_labels_that_a_library_has_no_place_for_are_said_to_stay(diptych, tmp_path, told_apart, adapted):
    code, out, err = diptych("export", str(told_apart), "--to", "hf", "--out", "new")
    assert (code, err) == (0, "")
    assert re.search(
        rf"its 2 labels are not in it.*labels\.npy, as {re.escape(str(told_apart))}/labels\.json says", out
    )
    assert "labels are not" not in diptych("export", str(adapted), "--to", "hf", "--out", "plain")[1]


def test_another_models_labels_are_not_taken_for_its_own(diptych, tmp_path, told_apart):
    """Of a folder within that is none of ours, and of one of theirs in which a file is called so."""
    shutil.copytree(told_apart / "model", told_apart / "other")
    transformers_("SiglipModel", tmp_path / "theirs")
    for name in LABEL_FILES:
        (tmp_path / "theirs" / name).write_text("theirs")
    for place, named in enumerate((told_apart / "other", tmp_path / "theirs")):
        said(diptych("export", str(named), "--to", "onnx", "--out", f"new{place}", "--json"))
        assert not {path.name for path in (tmp_path / f"new{place}").iterdir()} & set(LABEL_FILES)


def test_labels_that_do_not_fit_are_refused_and_nothing_is_kept(diptych, tmp_path, told_apart):
    np.save(told_apart / "labels.npy", np.eye(5, dtype=np.float32))
    code, out, err = diptych("export", str(told_apart), "--to", "onnx", "--out", "new")
    assert (code, out) == (1, "")
    assert "do not fit" in err
    assert not (tmp_path / "new").exists()


def test_a_repository_of_a_model_alone_is_served_by_triton(diptych, tmp_path, adapted):
    code, out, err = diptych("export", str(adapted), "--to", "triton", "--out", "repository")
    assert (code, err) == (0, "")
    assert f"tritonserver --model-repository={tmp_path / 'repository'}" in out
    there = {path.name for path in (tmp_path / "repository").iterdir()}
    assert {"embed_image", "embed_text", "zero_shot_classifier"} < there
    assert "image_retrieval" not in there, "it has no pictures to search"
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    embedder = load_trained(adapted / "model")
    with serving_lock(tmp_path):
        staged = stage(tmp_path, Package.verify(make_package(tmp_path / "package")))
        shutil.rmtree(staged.repository)
        (tmp_path / "repository").rename(staged.repository)
        with Candidate.launch(tmp_path, staged, free_ports(), "exported") as candidate:
            while not candidate._listens():
                assert candidate.endpoint.process.is_alive(), staged.log.read_text()
            with candidate.client() as client:
                texts = client.embed_text(TEXTS)
                pictures = [picture(colour) for colour in ((200, 30, 30), (10, 240, 20))]
                np.testing.assert_allclose(
                    client.embed_image(pictures), embedder.pictures(pictures), rtol=1e-5, atol=1e-5
                )
                np.testing.assert_allclose(texts, embedder.texts(TEXTS), rtol=1e-5, atol=1e-5)
                shares = client.classify(pictures[0], ["a square", "a circle"], ["{}"]).labels
                assert sum(one.score for one in shares) == pytest.approx(1, abs=1e-5)
        sweep(tmp_path)


def test_what_transformers_reads_otherwise_is_not_kept(diptych, tmp_path):
    """The tokenizer of this folder calls unknown letters what it pads with, of which transformers' BERT takes the vector away when it loads."""
    said(diptych("model", "import", str(GOLDEN / "chinese_clip"), "--from", "huggingface", "--to", "ours", "--json"))
    code, out, err = diptych("export", "ours", "--to", "hf", "--out", "theirs")
    assert (code, out) == (1, "")
    assert re.search(r"transformers [\d.]+ makes of a text differs by .*e-0.*more than 1e-05.*Nothing was kept", err)
    assert {path.name for path in tmp_path.iterdir()} == {"ours"}


def test_a_model_that_no_other_library_can_hold_is_refused_by_what_it_has(diptych, tmp_path):
    text = TextTower(259, 8, width=16, depth=1, heads=2)
    described = {"class_path": "components.models.dual_encoder.DualEncoder", "init_args": {}}
    (tmp_path / "ours").mkdir()
    model = DualEncoder(ImageTower("resnet18", {"channels": [8, 8, 8, 8]}), text, width=12)
    described["init_args"] = {
        "width": 12,
        "image": {"class_path": "components.models.towers.image.ImageTower", "init_args": {"net": "resnet18", "net_args": {"channels": [8, 8, 8, 8]}}},
        "text": {"class_path": "components.models.towers.text.TextTower", "init_args": {"vocabulary": 259, "context": 8, "width": 16, "depth": 1, "heads": 2}},
    }  # fmt: skip
    save_trained(tmp_path / "ours", model, described, Vocabulary.train(["a red square"], 259, 8), Preprocess(size=32))
    for to, reason in (
        ("open_clip", "builds a network of timm by its name alone"),
        ("hf", "transformers has no family"),
    ):
        code, out, err = diptych("export", "ours", "--to", to, "--out", "theirs")
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert reason in err
    assert {path.name for path in tmp_path.iterdir()} == {"ours"}


def test_what_cannot_be_exported_is_one_sentence_and_leaves_nothing(diptych, tmp_path):
    make_package(tmp_path / "bare")
    make_package(tmp_path / "spoilt")
    (tmp_path / "spoilt/tokenizer.json").write_text("{}")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/of.txt").write_text("something")
    transformers_("SiglipModel", tmp_path / "theirs")
    for arguments, reason in (
        (("nothing", "--to", "hf", "--out", "new"), "'nothing' is no model"),
        (("clip@champion", "--to", "onnx", "--out", "new"), "in no workspace"),
        (("full", "--to", "onnx", "--out", "new"), "nobody knows whose model it is"),
        (("bare", "--to", "onnx", "--out", "new"), "a package without the weights"),
        (("spoilt", "--to", "onnx", "--out", "new"), "tokenizer.json"),
        (("theirs", "--to", "hf", "--out", "full"), "holds something already"),
        (("theirs", "--to", "onnx", "--out", "new", "--variant", "int8"), "is of the two encoders of a package"),
    ):
        code, out, err = diptych("export", *arguments)
        assert (code, out, err.count("\n")) == (1, "", 1), err
        assert reason in err
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["of.txt"]
