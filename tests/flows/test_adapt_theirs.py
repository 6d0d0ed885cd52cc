"""A model of another library is adapted and goes back to it: what is opened there is what was tuned here, to 1e-5."""

import json
import signal

import numpy as np
import open_clip
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from components.recipes.given_model import read_given
from components.recipes.trained import load_trained
from components.stages import raced as racing
from flows.cli import main
from tests.flows.test_export import TEXTS, _features, open_clips, pixels_of, transformers_
from tests.own_pictures import paint, write_table


@pytest.fixture
def diptych(monkeypatch, capsys, tmp_path):
    """Run the command in this process, in a folder that is no workspace, with painted shapes in `mine`."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "captions.csv", paint(tmp_path / "mine", 40))
    (tmp_path / "captions.csv").rename(tmp_path / "mine/captions.csv")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> str:
        code, out, err = main(list(arguments)), *capsys.readouterr()
        assert code == 0, err
        return out

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("make", "name", "to"), [(open_clips, "ViT", "open_clip"), (transformers_, "SiglipModel", "hf")]
)
def test_what_was_tuned_by_low_rank_is_what_the_other_library_opens(diptych, tmp_path, monkeypatch, make, name, to):
    """Of drawn weights two steps make nothing that validation would see, so that it prefers whatever moved."""
    make(name, tmp_path / "theirs")
    start = {key: value.clone() for key, value in read_given(tmp_path / "theirs").encoder.model.state_dict().items()}

    def moved(model: torch.nn.Module) -> dict[str, float]:
        state = model.state_dict().items()  # while it trains, some weights have other names
        return {"moved": float(any(not torch.equal(value, start[key]) for key, value in state if key in start))}

    monkeypatch.setattr(racing, "watching", lambda *_: moved)
    diptych(
        "adapt", "mine", "--from", "theirs", "--to", "out", "--way", "lora", "--most-steps", "2", "--batch", "8", "--ask", "captions", "--most-lost", "1",
    )  # fmt: skip
    said = json.loads((tmp_path / "out/adapted.json").read_text())
    assert (said["way"], said["steps"], said["untouched"]) == ("lora", 2, False)
    ours = load_trained(tmp_path / "out/model")
    changed = [key for key, value in ours.model.state_dict().items() if not torch.equal(value, start[key])]
    assert any(key.startswith("image") for key in changed)
    assert any(key.startswith("text") for key in changed)
    found = json.loads(diptych("export", "out", "--to", to, "--out", "back", "--json"))
    assert 0 < max(found["furthest"].values()) <= 1e-5
    if to == "open_clip":
        back = open_clip.create_model(f"local-dir:{tmp_path / 'back'}").eval()
        ids = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'back'}")(TEXTS)
    else:
        back = AutoModel.from_pretrained(tmp_path / "back").eval()
        ids = torch.tensor(
            AutoTokenizer.from_pretrained(tmp_path / "back")(TEXTS, padding="max_length", truncation=True)["input_ids"]
        )
    shown = pixels_of(16)
    plain = (shown * 0.5 + 0.5).clamp(0, 1)  # as our model takes pixels, which normalises them itself
    with torch.no_grad():
        np.testing.assert_allclose(_features(back, "image", shown), ours.pixels_embedded(plain), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(_features(back, "text", ids), ours.texts(TEXTS), rtol=1e-5, atol=1e-5)
