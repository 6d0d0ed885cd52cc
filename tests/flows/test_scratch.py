"""A workspace beside a workspace: what leads out of the one leads to the same place from the other, and writing there changes nothing here."""

import pytest

from flows.estimating.scratch import as_deep, led_out, scratch
from tests.flows.seed import set_seed


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("../mine", ["..", "mine"]),
        ("../../a/b", ["..", "..", "a"]),
        ("data/own", ["data"]),
        ("/abs/own", ["/"]),
        ("..", ["..", ""]),
        ("", [""]),
    ],
)
def test_how_a_path_leads_out(path, parts):
    assert led_out(path) == parts


@pytest.mark.parametrize("path", ["../mine/pictures", "../../mine/pictures", "data/own"])
def test_a_path_leads_where_it_did(path, tmp_path):
    root = tmp_path / "home/job"
    (root / path).mkdir(parents=True)
    (root / path / "a.png").write_text("a picture")
    place = as_deep(root, path, tmp_path / "home/job/.diptych")
    assert place.is_dir()
    if path.startswith(".."):
        assert (place / path / "a.png").read_text() == "a picture"


def test_nothing_that_is_written_there_changes_anything_here(toy):
    set_seed(toy, 1)
    (toy / "runs/clip/pretrain").mkdir(parents=True)
    (toy / "runs/clip/pretrain/weights").write_text("trained")
    (toy / "data/sets/shapes").mkdir(parents=True)
    (toy / "data/sets/shapes/classnames.txt").write_text("circle")
    with scratch(toy) as place:
        assert (place / "runs/clip/pretrain/weights").read_text() == "trained"
        (place / "runs/clip/pretrain").unlink()
        (place / "runs/clip/pretrain").mkdir()
        (place / "params.yaml").write_text("source: {}")
        assert not (place / "data/sets/shapes").is_symlink()
    assert not place.exists()
    assert (toy / "runs/clip/pretrain/weights").read_text() == "trained"
    assert "scenes" in (toy / "params.yaml").read_text()
