"""Versions that saw a picture are named by what they did with it, and those of which nobody can tell are named too."""

import json

import pyarrow as pa

from components.data.manifest import SCHEMA
from components.registry.forebears import AGAIN, MADE
from components.registry.saw import who_saw
from components.registry.versions import register


def table(**splits: str) -> pa.Table:
    rows = [
        {
            **dict.fromkeys(SCHEMA.names),
            "key": key,
            "split": split,
            "sha256": f"file of {key}",
            "pixel_sha256": f"pixels of {key}",
        }
        for key, split in splits.items()
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def test_versions_are_named_by_what_they_did_with_the_pictures(root, store, packaged):
    raw = {"one": table(a="train", b="val", c="pair", d="train"), "two": table(d="train"), "three": table(a="train")}
    chosen = {"one": table(a="train", b="val"), "two": table(d="train")}
    for number, data in enumerate(("one", "two", "three", "lost")):
        register(packaged(0.5 + number / 10, f"weights {number}", f"t{number}", data), root, store)

    def find(about, folder):
        return {"data/raw": raw, "data/curated/clip": chosen}[folder].get(about["data_digest"])

    pictures = table(a="train", b="val", c="pair").set_column(0, SCHEMA.field(0), pa.array(["renamed", "b", "c"]))
    said = {one.version.label: one for one in who_saw(store, pictures, find)}
    assert {label: dict(one.how) for label, one in said.items()} == {
        "clip@1": {"trained on": 1, "chosen by": 1, "measured with": 1},
        "clip@3": {"may have trained on": 1},  # its selection is gone, its snapshot is not
        "clip@4": {},
    }
    assert "(digest lost)" in said["clip@4"].why_not
    assert "dvc fetch" in said["clip@4"].as_json()["cannot_tell"]
    assert [one.version.label for one in who_saw(store, table(d="train"), find)] == [
        "clip@2", "clip@4",  # clip@1 had it in its data, and did not select it
    ]  # fmt: skip


def test_what_began_as_a_version_learned_what_that_one_did(root, store, packaged):
    def begun(weights, data, start, **models):
        package = packaged(0.5, weights, weights, data)
        path = package / "manifest.json"
        about = json.loads(path.read_text()) | {"start": {"path": "models/x", "digest": start}, MADE: models}
        path.write_text(json.dumps(about))
        register(package, root, store)

    begun("w1", "one", "none of ours", finetune="M")
    begun("w2", "two", "M", pretrain="M", finetune="N")
    begun("w3", "lost", "N", pretrain="N", finetune="O")
    raw = {"one": table(a="train", b="val", c="pair"), "two": table(d="train")}
    chosen = {"one": table(a="train", b="val"), "two": table(d="train")}

    def find(about, folder):
        return {"data/raw": raw, "data/curated/clip": chosen}[folder].get(about["data_digest"])

    said = {one.version.label: one for one in who_saw(store, table(a="", b="", c=""), find)}
    began = {"began as clip@1: trained on": 1, "began as clip@1: chosen by": 1}
    assert {label: dict(one.how) for label, one in said.items()} == {
        "clip@1": {"trained on": 1, "chosen by": 1, "measured with": 1},
        "clip@2": began,
        "clip@3": began,
    }
    raw.pop("one")
    chosen.pop("one")
    said = {one.version.label: one.why_not for one in who_saw(store, table(a=""), find)}
    assert list(said) == ["clip@1", "clip@2", "clip@3"]
    assert said["clip@2"].startswith("it began as clip@1, and the data it was made from (digest one) is neither")


def test_what_a_version_learnt_again_of_its_start_it_was_trained_on_and_nobody_knows_of_what_was_lost(
    root, store, packaged
):
    for weights, data in (("w1", "own"), ("w2", "lost")):
        package = packaged(0.5, weights, weights, data)
        path = package / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {AGAIN: 2}))
        register(package, root, store)
    its = {
        "data/raw": table(o="train"),
        "data/curated/clip": table(o="train"),
        "runs/clip/finetune": table(a="train", b="train"),
    }

    def find(about, folder):
        return its[folder] if about["data_digest"] == "own" or folder != "runs/clip/finetune" else None

    said = {one.version.label: one for one in who_saw(store, table(a="", o=""), find)}
    assert {label: dict(one.how) for label, one in said.items()} == {
        "clip@1": {"trained on": 2},
        "clip@2": {"trained on": 1},
    }
    (lost,) = who_saw(store, table(c=""), find)
    assert (lost.version.label, dict(lost.how)) == ("clip@2", {}), (
        "clip@1 was trained on no such picture, and that is known"
    )
    its["data/raw"] = table(c="pair")
    (own, lost) = who_saw(store, table(c=""), find)
    assert [dict(one.how) for one in (own, lost)] == [{"measured with": 1}] * 2
    assert (own.why_not, bool(lost.why_not)) == ("", True), (
        "that it was measured with it does not say that it did not learn from it"
    )
    assert lost.why_not.startswith("what it learnt again of its start's is not in DVC's cache; fetch it")


def test_a_version_whose_package_the_store_lost_is_one_of_which_nobody_can_tell(root, store, packaged):
    version = register(packaged(), root, store)
    for path in (root / "mlartifacts").rglob("manifest.json"):
        path.write_text("{")
    (said,) = who_saw(store, table(a="train"), lambda about, folder: None)
    assert (said.version.label, said.why_not) == (version.label, "its package cannot be read")
