"""Data sets of FiftyOne: ours come back as they went out, other people's by their fields, and what leads nowhere is a row."""

import json

import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.shards import open_pictures
from components.data.sources.fiftyone import FiftyOneFolder
from components.data.sources.which import describe_path
from components.data.versions.fiftyone import write_fiftyone
from tests.flows.versioned import names, snapshot
from tests.own_pictures import paint


@pytest.fixture
def made(tmp_path):
    """A data set of 12 pictures as somebody else's, and its samples."""
    folder = tmp_path / "set"
    said = paint(folder / "data", 12)
    samples = [
        {
            "_id": {"$oid": f"{at:024x}"}, "filepath": f"data/{name}", "tags": ["blurred"] if at == 2 else [], "_media_type": "image",
            "description": caption, "shape": {"_cls": "Classification", "label": shape, "confidence": None},
            "boxes": {"_cls": "Detections", "detections": []},
        }
        for at, (name, (caption, shape)) in enumerate(said.items())
    ]  # fmt: skip
    again(folder, samples)
    (folder / "metadata.json").write_text("{}")
    return folder, samples


def again(folder, samples):
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))


def came(folder, **settings):
    return list(FiftyOneFolder(str(folder), **settings).samples(0, silent))


def shown(raw):
    """Return key -> the picture's bytes, its captions, what it shows and its licence."""
    manifest = read_manifest(raw / "manifest.parquet")
    rows = {row["key"]: row for row in manifest.to_pylist()}
    return {
        key: (picture, [text["text"] for text in rows[key]["texts"]], rows[key]["licence"])
        for key, picture in open_pictures(raw, manifest)
    }


def test_what_we_export_comes_back_with_its_pictures_captions_and_keys(tmp_path):
    raw = snapshot(tmp_path / "raw", names(20))
    write_fiftyone(read_manifest(raw / "manifest.parquet"), raw, tmp_path / "set", "ours")
    source = FiftyOneFolder(str(tmp_path / "set"))
    came_in = ingest(source, tmp_path / "back", 0)
    assert came_in["samples"] == 20
    assert shown(tmp_path / "back") == shown(raw)
    assert source.describe()["labels"] == dict.fromkeys(names(20), 1)


def test_fields_of_others_are_recognised_and_what_is_not_read_is_told(made):
    folder, samples = made
    found = came(folder)
    assert [one.texts[0].text for one in found] == [one["description"] for one in samples]
    assert [one.labels["category"] for one in found] == [one["shape"]["label"] for one in samples]
    assert [one.media[0].data for one in found] == [(folder / one["filepath"]).read_bytes() for one in samples]
    without = FiftyOneFolder(str(folder)).describe()["without"]
    assert without["fields that nothing reads"] == "1: boxes"
    assert [told for what, told in without.items() if "diptych data tags" in what] == ["1: data/0002.png"]


def test_a_label_may_be_the_caption_and_a_field_of_several_gives_several(made):
    folder, samples = made
    samples[0]["shape"] = {"_cls": "Classifications", "classifications": [{"label": "a circle"}, {"label": "a ring"}]}
    again(folder, samples)
    found = came(folder, columns={"caption": "shape"})
    assert [text.text for text in found[0].texts] == ["a circle", "a ring"]
    assert found[1].texts[0].text == samples[1]["shape"]["label"]


def test_a_field_of_alt_texts_gives_captions_of_that_kind(made):
    found = came(made[0], columns={"alt": "shape"})
    assert [text.kind for text in found[0].texts] == ["short", "alt"]


def test_what_leads_nowhere_is_a_row_with_its_reason_and_the_others_come_in(made, tmp_path):
    folder, samples = made
    (tmp_path / "secret.png").write_bytes((folder / "data/0003.png").read_bytes())
    (folder / "data/link.png").symlink_to(tmp_path / "secret.png")
    (folder / "data/0004.png").unlink()
    (folder / "data/0005.png").write_bytes(b"")
    for at, name in enumerate(("../secret.png", str(tmp_path / "secret.png"), "data/link.png")):
        samples.append({"filepath": name, "description": f"secret {at}"})
    samples += [
        {"description": "nothing"}, {"filepath": 3, "description": "a number"}, {"filepath": samples[0]["filepath"]},
        {"filepath": "film.mp4", "_media_type": "video"},
    ]  # fmt: skip
    again(folder, samples)
    found = came(folder)
    assert [(one.key.rpartition(" ")[2], one.reason) for one in found if isinstance(one, Reject)] == [
        ("12", "path_escape"), ("13", "path_escape"), ("14", "path_escape"), ("15", "no_picture"), ("16", "no_picture"),
        ("17", "duplicate_key"), ("18", "no_picture"), ("data/0004.png", "no_picture"), ("data/0005.png", "zero_bytes"),
    ]  # fmt: skip
    assert sum(isinstance(one, Sample) for one in found) == 10


def test_two_samples_of_one_key_are_told_apart_from_none(made):
    folder, samples = made
    for at, one in enumerate(samples):
        one["diptych_key"] = f"k{max(at, 1)}"
    again(folder, samples)
    rejects = [one for one in came(folder) if isinstance(one, Reject)]
    assert [(one.key, one.reason) for one in rejects] == [("samples.json, sample 1", "duplicate_key")]
    assert "the same diptych_key 'k1'" in rejects[0].detail


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('{"samples": {}}', "has no list of samples"),
        ('{"samples": [3]}', "has no list of samples"),
        (None, "holds no samples.json"),
    ],
)
def test_a_folder_that_is_none_is_refused_with_what_to_do(made, text, says):
    folder, _ = made
    (folder / "samples.json").unlink()
    if text is not None:
        (folder / "samples.json").write_text(text)
    with pytest.raises(DataError, match=says):
        came(folder)


def test_fields_that_are_not_recognised_are_asked_for(made):
    folder, samples = made
    again(folder, [{"filepath": one["filepath"], "said": one["description"]} for one in samples])
    with pytest.raises(ConfigError, match=r"holds the caption\? None is called so.*filepath, said"):
        came(folder)
    with pytest.raises(ConfigError, match="no such column"):
        came(folder, columns={"caption": "sad"})
    with pytest.raises(ConfigError, match="the picture's is filepath"):
        came(folder, columns={"image": "said"})
    assert len(came(folder, columns={"caption": "said"})) == 12


def test_such_a_folder_is_known_from_its_files(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert describe_path(made[0]) == {"name": "fiftyone", "path": "set"}
