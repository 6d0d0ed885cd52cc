import importlib
import inspect
import json
import pkgutil
import shutil
from pathlib import Path

import pytest

import components.data.sources
import components.data.synthetic
from components.contracts.errors import ConfigError
from components.data.sources.catalogue import build_source, load_class, read_catalogue
from components.data.sources.emoji import EmojiSource
from components.data.sources.folder import FolderSource
from components.data.sources.table import PairTable
from components.data.synthetic.scenes import ScenesSource
from tests.own_pictures import write_clips, write_coco, write_croissant, write_table, write_texts
from tests.shards import members_of, write_shard
from tests.wit_pages import write_wit
from tests.wukong_tables import write_wukong

GOLDEN = Path(__file__).parents[3] / "golden/huggingface"


def test_rows_and_files_agree_both_ways():
    written = set()
    for package in (components.data.sources, components.data.synthetic):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if hasattr(kind, "samples") and kind.__module__ == module.name and not inspect.isabstract(kind):
                    written.add(f"{module.name}.{name}")
    assert {entry.class_path for entry in read_catalogue().values()} == written


@pytest.mark.parametrize("name", list(read_catalogue()))
def test_every_row_builds_with_its_defaults_and_describes_itself(name, own, monkeypatch):
    folder, captions = own
    write_texts(folder, captions)
    write_table(folder / "captions.csv", captions)
    write_shard(folder / "00000.tar", members_of(folder, captions))
    shutil.copytree(GOLDEN / "hub/data", folder / "rows")
    write_coco(folder / "annotations/captions_own.json", captions)
    rows = [{"texts": [None, said], "images": [name, None]} for name, (said, _) in captions.items()]
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_clips(folder, captions)
    samples = [{"filepath": name, "caption": said} for name, (said, _) in captions.items()]
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))
    write_croissant(folder / "croissant.json", "captions.csv")
    write_wit(folder / "wit", {(folder / name).read_bytes(): said for name, (said, _) in captions.items()})
    write_wukong(folder / "wukong", [(folder / name).read_bytes() for name in captions])
    monkeypatch.chdir(folder.parent)
    (folder.parent / "data").mkdir()
    folder.rename("data/own")  # where the sources that need a path look for it
    entry = read_catalogue()[name]
    said = build_source({"name": name}).describe()
    assert isinstance(build_source({"name": name}), load_class(entry))
    assert said["name"] == name
    assert said["held_out"] in (None, *said["designers"])
    assert all(licence in entry.licence for licence in said["designers"].values())
    assert said["languages"]
    assert json.loads(json.dumps(said)) == said


def test_settings_reach_the_source():
    assert build_source({"name": "scenes", "pictures": 30}).pictures == 30
    assert build_source({"name": "emoji", "languages": ["en", "de"]}).languages == ("en", "de")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (
            None,
            "needs a name, one of emoji, emoji_tones, scenes, digits, folder, table, webdataset, coco, huggingface, interleaved_docs, video_spans, fiftyone, croissant, wit, wukong",
        ),
        ({"pictures": 30}, "needs a name"),
        ({"name": "emojis"}, "did you mean emoji?"),
        ({"name": "scenes", "picturs": 30}, "takes no 'picturs'.*did you mean pictures?"),
        ({"name": "emoji", "languages": ["en", "dee"]}, "Did you mean de?"),
        ({"name": "emoji", "languages": "en"}, "Give a list"),
        ({"name": "emoji", "languages": []}, "Give a list"),
        ({"name": "emoji", "languages": ["en", "en"]}, "different codes"),
        ({"name": "emoji", "workers": 0}, "1 or more"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_that_does(params, says):
    with pytest.raises(ConfigError, match=says):
        build_source(params)


def test_classes_are_what_the_rows_name():
    assert load_class(read_catalogue()["emoji"]) is EmojiSource
    assert load_class(read_catalogue()["scenes"]) is ScenesSource
    assert load_class(read_catalogue()["folder"]) is FolderSource
    assert load_class(read_catalogue()["table"]) is PairTable
