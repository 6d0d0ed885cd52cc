"""A folder of theirs becomes one of ours that every later step takes, and a folder of theirs again.

The peers' folders are tests/golden/transformers, and one of open_clip's that is made here.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_images
from tokenizers import Tokenizer
from torch.nn.functional import normalize

from components.contracts.batch import Images
from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.contracts.model_files import MODEL_FILES
from components.data.transforms.preprocess import to_float
from components.recipes.exported import export_model
from components.recipes.given_model import read_given
from components.recipes.interop import import_model, whole_folder, write_theirs
from components.recipes.trained import load_trained
from components.serving.export import TextEncoder, compare, write
from tests.squares import png

GOLDEN = Path(__file__).parents[2] / "golden" / "transformers"
TEXTS = ("a red square", "two green circles beside a blue square on grey", "circle")  # of make_transformers.py
FAMILIES = ("clip_quick_gelu", "siglip", "chinese_clip")


@pytest.fixture
def theirs(tmp_path):
    """A copy of CLIP's folder, to be spoilt."""
    return Path(shutil.copytree(GOLDEN / "clip_gelu", tmp_path / "theirs"))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_from_words_and_pixels_to_transformers_features(family, tmp_path):
    moved = import_model(GOLDEN / family, "huggingface", tmp_path / "ours")
    assert {path.name for path in moved.folder.iterdir()} == set(MODEL_FILES)
    golden, embedder = load_file(GOLDEN / family / "features.safetensors"), load_trained(moved.folder)
    assert torch.equal(embedder.vocabulary(TEXTS).mask, golden["mask"].bool())
    for mine, its in (
        (embedder.model.encode_text(embedder.vocabulary(TEXTS)).pooled, golden["text"]),
        (embedder.model.encode_image(Images(pixels=golden["pixels"])).pooled, golden["image"]),
    ):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)
    assert (moved.size, moved.context, moved.width) == (16, 8, golden["image"].shape[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_exported_again_is_what_was_imported(family, tmp_path):
    import_model(GOLDEN / family, "huggingface", tmp_path / "ours")
    with whole_folder(tmp_path / "theirs") as folder:
        write_theirs(load_trained(tmp_path / "ours"), "huggingface", folder)
    import_model(tmp_path / "theirs", "huggingface", tmp_path / "again")
    for name in ("weights.safetensors", "tokenizer.json", "transforms.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()


@torch.no_grad()
def test_an_imported_text_tower_is_served_as_it_is(tmp_path):
    """SigLIP's, whose padding has another id and is read."""
    import_model(GOLDEN / "siglip", "huggingface", tmp_path / "ours")
    embedder = load_trained(tmp_path / "ours")
    rows = embedder.vocabulary(TEXTS)
    encoder, path = TextEncoder(embedder.model, rows).eval(), tmp_path / "text_encoder.onnx"
    write(encoder, rows.ids, path, "input_ids", "text_embeds", opset=18)
    assert compare(path, "input_ids", rows.ids.numpy(), embedder.texts(TEXTS), tolerance=1e-4) <= 1e-5


def clips(folder: Path, **text) -> torch.nn.Module:
    """Write a folder of open_clip's with CLIP's own tokenizer, and return its model."""
    words = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2, **text}
    vision = {"layers": 1, "width": 32, "patch_size": 8, "image_size": 16, "head_width": 16}
    config = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": words}
    torch.manual_seed(0)
    peer = open_clip.CLIP(**config).eval()
    for weight in peer.parameters():
        torch.nn.init.normal_(weight, std=0.3)  # as new, a token moves a vector by less than rounding
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(peer.state_dict(), folder / "open_clip_model.safetensors")
    shutil.copy(Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz", folder)
    return peer


PUNCTUATED = (
    "a red square",
    "yes!/no",
    "!= a!=b",
    "sale!(50% off), wow!😀",
)  # id 0, which pads, is "!" before another sign


@torch.no_grad()
def test_a_sign_that_has_the_id_of_padding_is_read_by_the_graph_too(tmp_path):
    peer = clips(tmp_path / "theirs")
    embedder = read_given(tmp_path / "theirs").encoder
    ids = open_clip.SimpleTokenizer(context_length=16)(list(PUNCTUATED))
    assert torch.equal(embedder.vocabulary(PUNCTUATED).ids, ids)
    assert (ids[1, 2], ids[1, 3]) == (0, 270)
    export_model(tmp_path / "theirs", "onnx", tmp_path / "graphs")
    graph = onnxruntime.InferenceSession(tmp_path / "graphs/text_encoder.onnx")
    (answered,) = graph.run(None, {"input_ids": ids.numpy()})
    np.testing.assert_allclose(answered, embedder.texts(PUNCTUATED), rtol=0, atol=1e-5)
    np.testing.assert_allclose(answered, normalize(peer.encode_text(ids), dim=-1), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("pool", ["argmax", "eos"])
def test_clips_own_tokenizer_pads_with_0_whatever_the_file_of_another_library_says(pool, tmp_path):
    """As MobileCLIP's folders: not causal, so that padding is read, beside what transformers' CLIPTokenizer is told."""
    peer = clips(
        tmp_path / "theirs", no_causal_mask=True, pool_type=pool, **({"eos_id": 49407} if pool == "eos" else {})
    )
    told = {"tokenizer_class": "CLIPTokenizer", "pad_token": "<|endoftext|>"}
    (tmp_path / "theirs/tokenizer_config.json").write_text(json.dumps(told))
    embedder = read_given(tmp_path / "theirs").encoder
    ids = open_clip.SimpleTokenizer(context_length=16)(list(PUNCTUATED))
    assert torch.equal(embedder.vocabulary(PUNCTUATED).ids, ids)
    wanted = normalize(peer.encode_text(ids), dim=-1)
    np.testing.assert_allclose(embedder.texts(PUNCTUATED), wanted, rtol=0, atol=1e-5)
    export_model(tmp_path / "theirs", "onnx", tmp_path / "graphs")
    graph = onnxruntime.InferenceSession(tmp_path / "graphs/text_encoder.onnx")
    np.testing.assert_allclose(graph.run(None, {"input_ids": ids.numpy()})[0], wanted, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_text_that_is_padded_with_its_end_is_read_at_the_first_by_the_graph_too(tmp_path):
    """As open_clip reads it, by a tokenizer of transformers whose padding is its end token."""
    peer = clips(tmp_path / "theirs", no_causal_mask=True, hf_tokenizer_name="local")
    (tmp_path / "theirs/tokenizer_config.json").write_text('{"pad_token": "<|endoftext|>"}')
    embedder = read_given(tmp_path / "theirs").encoder
    ids = embedder.vocabulary(PUNCTUATED).ids
    assert ids[0].tolist() == [49406, 320, 736, 3999, *[49407] * 12]
    wanted = normalize(peer.encode_text(ids), dim=-1)
    np.testing.assert_allclose(embedder.texts(PUNCTUATED), wanted, rtol=0, atol=1e-5)
    export_model(tmp_path / "theirs", "onnx", tmp_path / "graphs")
    graph = onnxruntime.InferenceSession(tmp_path / "graphs/text_encoder.onnx")
    np.testing.assert_allclose(graph.run(None, {"input_ids": ids.numpy()})[0], wanted, rtol=0, atol=1e-5)


@torch.no_grad()
def test_open_clips_folder_and_a_checkpoint_with_its_config_elsewhere(tmp_path):
    text = {"context_length": 8, "vocab_size": 59, "width": 16, "heads": 2, "layers": 1}
    vision = {"layers": 1, "width": 32, "patch_size": 8, "image_size": 16, "head_width": 16}
    config = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(0)
    peer = open_clip.CLIP(**config).eval()
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3}})
    )
    save_file(peer.state_dict(), folder / "open_clip_model.safetensors")
    shutil.copy(GOLDEN / "clip_gelu" / "tokenizer.json", folder)
    import_model(folder, "open_clip", tmp_path / "ours")
    embedder = load_trained(tmp_path / "ours")
    assert embedder.model.image.mean.flatten().tolist() == [0.5] * 3
    rows = embedder.vocabulary(TEXTS)
    torch.testing.assert_close(
        embedder.model.encode_text(rows).pooled, peer.encode_text(rows.ids), rtol=1e-5, atol=1e-5
    )

    (tmp_path / "epoch_2").mkdir()
    checkpoint = tmp_path / "epoch_2" / "epoch_2.pt"
    torch.save({"epoch": 2, "state_dict": {f"module.{k}": v for k, v in peer.state_dict().items()}}, checkpoint)
    with pytest.raises(DataError, match=r"no .*epoch_2/open_clip_config\.json.*with --config"):
        import_model(checkpoint, "open_clip", tmp_path / "other")
    (tmp_path / "ViT-tiny.json").write_text(json.dumps(config))
    elsewhere = {"config": tmp_path / "ViT-tiny.json", "tokenizer": folder / "tokenizer.json"}
    import_model(checkpoint, "open_clip", tmp_path / "other", **elsewhere)
    names = ("ours", "other")
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in names)
    assert first == second

    export_model(tmp_path / "ours", "open_clip", tmp_path / "back")
    back = open_clip.create_model(f"local-dir:{tmp_path / 'back'}").eval()
    torch.testing.assert_close(back.encode_text(rows.ids), peer.encode_text(rows.ids), rtol=1e-5, atol=1e-5)
    assert json.loads((tmp_path / "back/open_clip_config.json").read_text())["model_cfg"]["text_cfg"][
        "hf_tokenizer_name"
    ]
    assert Tokenizer.from_file(str(tmp_path / "back/tokenizer.json")).encode(TEXTS[0]).ids == rows.ids[0].tolist()


@torch.no_grad()
def test_a_picture_is_shown_to_a_convnext_at_the_size_that_its_config_says(tmp_path):
    """timm's own is 160."""
    text = {"context_length": 8, "vocab_size": 59, "width": 16, "heads": 2, "layers": 1}
    vision = {"timm_model_name": "test_convnext", "timm_pool": "avg", "timm_proj": "linear", "image_size": 96}
    config = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(0)
    peer, folder = open_clip.CLIP(**config).eval(), tmp_path / "theirs"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    save_file(peer.state_dict(), folder / "open_clip_model.safetensors")
    shutil.copy(GOLDEN / "clip_gelu" / "tokenizer.json", folder)
    assert import_model(folder, "open_clip", tmp_path / "ours").size == 96
    embedder = load_trained(tmp_path / "ours")
    picture = Image.fromarray(load_sample_images().images[0])
    shown = image_transform_v2(PreprocessCfg(size=peer.visual.image_size), is_train=False)(picture)[None]
    wanted = torch.nn.functional.normalize(peer.encode_image(shown), dim=-1).numpy()
    np.testing.assert_allclose(embedder.pictures([png(picture)]), wanted, atol=1e-5)

    assert export_model(tmp_path / "ours", "open_clip", tmp_path / "back").furthest["image"] <= 1e-5
    back, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'back'}")
    again = torch.nn.functional.normalize(back.eval().encode_image(transform(picture)[None]), dim=-1)
    np.testing.assert_allclose(again.numpy(), wanted, atol=1e-5)


def open_clips(folder: Path, shown: dict) -> Path:
    """A folder of open_clip's whose transform is as `shown` says."""
    text = {"context_length": 8, "vocab_size": 59, "width": 16, "heads": 2, "layers": 1}
    vision = {"layers": 1, "width": 32, "patch_size": 8, "image_size": 16, "head_width": 16}
    config = {"embed_dim": 12, "vision_cfg": vision, "text_cfg": text}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": shown}))
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    shutil.copy(GOLDEN / "clip_gelu" / "tokenizer.json", folder)
    return folder


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "random"])
def test_pictures_are_resized_as_open_clips_transform_says_and_so_is_what_goes_back(tmp_path, mode, interpolation):
    shown = {"resize_mode": mode, "interpolation": interpolation}
    import_model(open_clips(tmp_path / "theirs", shown), "open_clip", tmp_path / "ours")
    picture = Image.fromarray(load_sample_images().images[1])
    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    wanted = image_transform_v2(PreprocessCfg(size=16, **shown, **plain), is_train=False)(picture)
    assert np.array_equal(to_float(load_trained(tmp_path / "ours").preprocess(png(picture))), wanted.numpy())
    export_model(tmp_path / "ours", "open_clip", tmp_path / "back")
    back = json.loads((tmp_path / "back/open_clip_config.json").read_text())["preprocess_cfg"]
    again = image_transform_v2(PreprocessCfg(size=16, **back | plain), is_train=False)(picture)
    assert torch.equal(again, wanted)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"resize_mode": "longest", "fill_color": 0}, "resize_mode: 'longest', and here there is shortest, squash"),
        ({"interpolation": "nearest"}, "interpolation: 'nearest', and here there is bilinear, bicubic"),
    ],
)
def test_a_transform_of_open_clips_that_we_have_not_is_refused(tmp_path, shown, said):
    with pytest.raises(CapabilityError, match=said):
        import_model(open_clips(tmp_path / "theirs", shown), "open_clip", tmp_path / "ours")


def test_pictures_are_resized_as_transformers_numbers_it(tmp_path):
    """SigLIP 2 says 2, which is bilinear."""
    theirs = Path(shutil.copytree(GOLDEN / "siglip", tmp_path / "theirs"))
    said = theirs / "preprocessor_config.json"
    shown = json.loads(said.read_text()) if said.exists() else {}
    said.write_text(json.dumps(shown | {"resample": 2}))
    import_model(theirs, "huggingface", tmp_path / "ours")
    picture = Image.fromarray(load_sample_images().images[1])
    seen = load_trained(tmp_path / "ours").preprocess(png(picture))
    assert np.array_equal(seen, np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1))
    export_model(tmp_path / "ours", "hf", tmp_path / "back")
    assert json.loads((tmp_path / "back/preprocessor_config.json").read_text())["resample"] == 2
    said.write_text(json.dumps(shown | {"resample": 1}))
    with pytest.raises(CapabilityError, match="resample: 1, and here there is 2, 3"):
        import_model(theirs, "huggingface", tmp_path / "other")


def test_a_tokenizer_of_another_size_is_refused(theirs, tmp_path):
    tokenizer = Tokenizer.from_file(str(theirs / "tokenizer.json"))
    tokenizer.add_tokens(["<another>"])
    tokenizer.save(str(theirs / "tokenizer.json"))
    with pytest.raises(DataError, match=r"has 60 tokens, and the checkpoint embeds 59.*with --tokenizer"):
        import_model(theirs, "huggingface", tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_weights_that_are_no_numbers_are_refused_by_name(theirs, tmp_path):
    weights = load_file(theirs / "model.safetensors")
    weights["visual_projection.weight"][0, 0] = np.nan
    save_file(weights, theirs / "model.safetensors")
    with pytest.raises(DataError, match=r"numbers that are none in image_projection\.linear\.weight"):
        import_model(theirs, "huggingface", tmp_path / "ours")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", None, r"there is no .*config\.json"),
        ("config.json", "{", r"config\.json is no JSON"),
        ("config.json", "[" * 100_000, r"config\.json is no JSON"),
        ("config.json", "[]", r"config\.json holds \[\], and must hold names with values"),
        ("config.json", "null", r"config\.json holds null"),
        (
            "config.json",
            '{"model_type": "clip", "vision_config": {"hidden_size": "a"}}',
            r"config\.json.* has a value of another kind than huggingface writes",
        ),
        (
            "preprocessor_config.json",
            '{"image_mean": null}',
            r"preprocessor_config\.json.* has a value of another kind",
        ),
        ("model.safetensors", None, "there are no weights at"),
        ("tokenizer.json", None, "has no tokenizer"),
    ],
)
def test_a_folder_that_lacks_something_is_refused_by_its_name(theirs, name, content, said, tmp_path):
    (theirs / name).unlink()
    if content is not None:
        (theirs / name).write_text(content)
    with pytest.raises(DataError, match=said):
        import_model(theirs, "huggingface", tmp_path / "ours")
    assert {path.name for path in tmp_path.iterdir()} == {"theirs"}


def test_nothing_is_overwritten(theirs, tmp_path):
    with pytest.raises(ConfigError, match=r"theirs holds something already.*Give a new folder"):
        import_model(theirs, "huggingface", theirs)
    (tmp_path / "empty").mkdir()
    import_model(theirs, "huggingface", tmp_path / "empty")
    with pytest.raises(ConfigError, match="holds something already"):
        export_model(tmp_path / "empty", "hf", tmp_path / "empty")


def test_what_is_no_model_of_ours_is_not_exported(tmp_path):
    with pytest.raises(DataError, match=r"nor model\.json as models of ours have"):
        export_model(tmp_path, "open_clip", tmp_path / "theirs")


@pytest.mark.parametrize(("family", "squeezed"), [("siglip", True), ("clip_gelu", False)])
def test_pictures_are_squeezed_or_cropped_as_the_family_has_it(family, squeezed, tmp_path):
    import_model(GOLDEN / family, "huggingface", tmp_path / "ours")
    assert load_trained(tmp_path / "ours").preprocess.squeeze == squeezed
    export_model(tmp_path / "ours", "hf", tmp_path / "theirs")
    shown = json.loads((tmp_path / "theirs" / "preprocessor_config.json").read_text())
    assert shown["do_center_crop"] == (not squeezed)
    assert set(shown["size"]) == ({"height", "width"} if squeezed else {"shortest_edge"})


def test_siglips_texts_lose_case_and_punctuation_where_its_tokenizer_does_it_in_python(tmp_path):
    theirs = Path(shutil.copytree(GOLDEN / "siglip", tmp_path / "theirs"))
    (theirs / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer"}')
    import_model(theirs, "huggingface", tmp_path / "ours")
    read = load_trained(tmp_path / "ours").vocabulary
    assert read(["A red, square"]).ids.tolist() == read(["a red square"]).ids.tolist()
    import_model(GOLDEN / "siglip", "huggingface", tmp_path / "plain")
    read = load_trained(tmp_path / "plain").vocabulary
    assert read(["a red, square"]).ids.tolist() != read(["a red square"]).ids.tolist()


def test_padding_that_is_read_is_the_tokenizers_whatever_the_config_says(tmp_path):
    """SigLIP 2 has a class whose config says 1 and a tokenizer that pads with 0."""
    theirs = Path(shutil.copytree(GOLDEN / "siglip", tmp_path / "theirs"))
    (theirs / "tokenizer_config.json").write_text('{"pad_token": {"content": "<unk>"}}')
    import_model(theirs, "huggingface", tmp_path / "ours")
    embedder = load_trained(tmp_path / "ours")
    assert (embedder.model.text.pad, embedder.vocabulary(["a"]).ids[0, -1]) == (0, 0)
    import_model(GOLDEN / "siglip", "huggingface", tmp_path / "plain")
    embedder = load_trained(tmp_path / "plain")
    assert (embedder.model.text.pad, embedder.vocabulary(["a"]).ids[0, -1]) == (1, 1)


@torch.no_grad()
def test_what_transformers_trained_open_clip_opens(tmp_path):
    import_model(GOLDEN / "clip_quick_gelu", "huggingface", tmp_path / "ours")
    export_model(tmp_path / "ours", "open_clip", tmp_path / "theirs")
    golden, embedder = load_file(GOLDEN / "clip_quick_gelu" / "features.safetensors"), load_trained(tmp_path / "ours")
    peer = open_clip.create_model(f"local-dir:{tmp_path / 'theirs'}").eval()
    shown = (golden["pixels"] - embedder.model.image.mean) / embedder.model.image.std
    torch.testing.assert_close(peer.encode_image(shown), golden["image"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(peer.encode_text(embedder.vocabulary(TEXTS).ids), golden["text"], rtol=1e-5, atol=1e-5)
