"""Data sets go out as FiftyOne and Croissant have them, and a person's tags come back as a selection, by key."""

import json
from pathlib import Path

import pyarrow.compute as pc
import pytest
import yaml

from components.contracts.features import Features
from components.contracts.sealed import sha256_of
from components.data.kinds import read_kinds
from components.data.manifest import read_manifest
from components.data.versions.croissant import CONTEXT
from components.recipes.curation import build_ops
from components.recipes.recipe import Curation
from flows.cli import main
from tests.flows.versioned import names, paint, snapshot
from tests.wit_pages import PAGE, write_pages


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return snapshot(tmp_path_factory.mktemp("moves") / "raw", names(10))


@pytest.fixture
def exported(raw, tmp_path) -> Path:
    assert main(["data", "export", str(raw), "--as", "fiftyone", "--to", str(tmp_path / "set"), "--name", "ours"]) == 0
    return tmp_path / "set"


def test_a_table_of_wit_goes_to_parquet_and_back(tmp_path, capsys):
    table = write_pages(tmp_path / "wit.tsv", [PAGE, b"none\n", PAGE])
    there, back = str(tmp_path / "wit.parquet"), str(tmp_path / "back.tsv")
    assert main(["data", "wit", str(table), there]) == 0
    assert "2 rows in" in (said := capsys.readouterr().out)
    assert "1 that are none in" in said
    assert main(["data", "wit", there, back, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    assert Path(back).read_bytes() == table.read_bytes().replace(b"none\n", b"")
    assert main(["data", "wit", there, str(tmp_path / "other.parquet")]) == 1


def tag(folder: Path, tags: dict[str, list[str]]) -> None:
    """Do what a person does: tag some, and export in another order."""
    said = json.loads((folder / "samples.json").read_text())
    for sample in said["samples"]:
        sample["tags"] = tags.get(sample["diptych_key"], sample["tags"])
    (folder / "samples.json").write_text(json.dumps({"samples": said["samples"][::-1]}))


def chosen(raw: Path, folder: Path, out: Path, *more: str) -> int:
    return main(["data", "tags", str(folder), "--data", str(raw), "--out", str(out), *more])


def test_a_data_set_of_fiftyone_has_the_very_pictures_with_their_words_and_keys(exported, capsys):
    samples = json.loads((exported / "samples.json").read_text())["samples"]
    assert [one["diptych_key"] for one in samples] == names(10)
    for number, one in enumerate(samples):
        assert (exported / one["filepath"]).read_bytes() == paint(number)
        assert one["captions"] == [f"picture k{number:03d}"]
        assert (one["ground_truth"]["label"], one["licence"]) == (f"k{number:03d}", "CC0-1.0")
    told = json.loads((exported / "metadata.json").read_text())
    assert (told["name"], told["media_type"]) == ("ours", "image")
    assert {field["name"] for field in told["sample_fields"]} <= samples[0].keys()


def test_a_selection_s_samples_alone_are_written(raw, exported, tmp_path):
    tag(exported, {"k003": ["keep"]})
    assert chosen(raw, exported, tmp_path / "chosen") == 0
    manifest = str(tmp_path / "chosen/manifest.parquet")
    assert (
        main(["data", "export", str(raw), "--as", "fiftyone", "--to", str(tmp_path / "one"), "--manifest", manifest])
        == 0
    )
    assert [path.name for path in (tmp_path / "one/data").iterdir()] == ["k003.png"]


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        ({"k001": ["drop"], "k004": ["Drop", "blurred"]}, [name for name in names(10) if name not in ("k001", "k004")]),
        ({"k006": ["keep"], "k003": ["keep"], "k001": ["drop"]}, ["k003", "k006"]),
    ],
)
def test_what_a_person_tagged_is_a_selection_in_the_manifest_s_order(raw, exported, tmp_path, capsys, tags, left):
    tag(exported, tags)
    capsys.readouterr()
    assert chosen(raw, exported, tmp_path / "chosen", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert read_manifest(tmp_path / "chosen/manifest.parquet")["key"].to_pylist() == left
    assert (said["kept"], said["dropped"], said["unknown"]) == (
        len(left),
        sum("keep" not in str(its) for its in tags.values()),
        0,
    )
    regions = read_kinds(tmp_path / "chosen")["regions"]["key"].to_pylist()
    assert regions == [key for key in left if int(key[1:]) % 3 == 0]


def test_the_lines_that_are_printed_have_a_recipe_train_on_the_selection(raw, exported, tmp_path, capsys):
    tag(exported, {"k001": ["drop"], "k003": ["drop"]})  # k003 is of val, which steps do not see
    capsys.readouterr()
    assert chosen(raw, exported, tmp_path / "chosen") == 0
    (op,) = build_ops(Curation(ops=tuple(yaml.safe_load(capsys.readouterr().out.partition("curation.ops:\n")[2]))))
    manifest = read_manifest(raw / "manifest.parquet")
    left, report = op.apply(manifest.filter(pc.equal(manifest["split"], "train")), Features(), 0)
    assert left["key"].to_pylist() == ["k000", "k002", "k005", "k006", "k007"]
    assert report.dropped == {"not listed": 1}


def test_tags_that_cannot_be_followed_are_errors_that_name_the_sample(raw, exported, tmp_path, capsys):
    def said(tags: dict[str, list[str]], *more: str) -> str:
        tag(exported, tags)
        assert chosen(raw, exported, tmp_path / "chosen", *more) == 1
        assert not (tmp_path / "chosen").exists()
        return capsys.readouterr().err

    assert "no sample is tagged keep or drop" in said({})
    assert "tagged keep and drop both, such as 'k002'" in said({"k002": ["keep", "drop"]})
    assert "the tags leave no sample" in said({name: ["drop"] for name in names(10)})
    tag(exported, {name: [] for name in names(10)})
    samples = json.loads((exported / "samples.json").read_text())["samples"]
    samples[0] |= {"diptych_key": "k0099", "tags": ["drop"]}
    (exported / "samples.json").write_text(json.dumps({"samples": samples}))
    assert "has no sample 'k0099' (nearest: k00" in said({})
    assert chosen(raw, exported, tmp_path / "allowed", "--allow-unknown") == 0
    assert len(read_manifest(tmp_path / "allowed/manifest.parquet")) == 10
    capsys.readouterr()
    del samples[1]["diptych_key"]
    (exported / "samples.json").write_text(json.dumps({"samples": samples}))
    assert chosen(raw, exported, tmp_path / "chosen") == 1
    assert "has no diptych_key, so nobody knows which of ours it is" in capsys.readouterr().err
    samples[1]["diptych_key"] = samples[2]["diptych_key"]
    (exported / "samples.json").write_text(json.dumps({"samples": samples}))
    assert chosen(raw, exported, tmp_path / "chosen") == 1
    assert f"has the key {samples[2]['diptych_key']!r} twice" in capsys.readouterr().err
    for damaged, why in (("{", "cannot be read"), ("[]", "has no list of samples"), (None, "holds no samples.json")):
        (exported / "samples.json").unlink()
        if damaged is not None:
            (exported / "samples.json").write_text(damaged)
        else:
            (exported / "other").write_text("")
        assert chosen(raw, exported, tmp_path / "chosen") == 1
        assert why in capsys.readouterr().err
        (exported / "samples.json").write_text("")


def test_croissant_says_what_the_files_are_and_every_field_is_a_column(raw, tmp_path, capsys):
    assert main(["data", "export", str(raw), "--as", "croissant", "--to", str(tmp_path / "croissant.json")]) == 0
    said = json.loads((tmp_path / "croissant.json").read_text())
    assert (said["@type"], said["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.0")
    assert said["@context"] == CONTEXT
    assert said["license"] == ["https://spdx.org/licenses/CC0-1.0"]
    *files, pictures = said["distribution"]
    assert [file["contentUrl"] for file in files] == [
        "manifest.parquet", "pair/000000.tar", "train/000000.tar", "val/000000.tar",
    ]  # fmt: skip
    assert [file["sha256"] for file in files] == [sha256_of(raw / file["contentUrl"]) for file in files]
    assert pictures["containedIn"] == [{"@id": file["@id"]} for file in files[1:]]
    samples, shown = said["recordSet"]
    assert samples["field"][0]["references"] == {"field": shown["key"]}
    columns = read_manifest(raw / "manifest.parquet").column_names
    files = {one["@id"] for one in said["distribution"]}
    for field in samples["field"]:
        assert field["source"]["extract"]["column"] in columns
        assert field["source"]["fileObject"]["@id"] in files
        assert field["@id"] == f"samples/{field['name']}"
    assert samples["key"] in [{"@id": field["@id"]} for field in samples["field"]]
    assert main(["data", "export", str(raw), "--as", "croissant", "--to", str(tmp_path / "croissant.json")]) == 1
    assert "is there already" in capsys.readouterr().err
