"""What a version began as is known by its model, however far back, and what that was trained on by its selection or by what was laid in for it."""

import shutil

import pytest

from components.data.fingerprint import fingerprints
from components.data.manifest import read_manifest, write_manifest
from components.data.selection import of_split
from flows.lineage.known import versions
from flows.lineage.trained_before import trained_before
from tests.flows.registered import version
from tests.flows.versioned import names, workspace

LOST = {"data_digest": "dead" * 16, "lock": {}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A workspace with a version of its data, one that began as it, of data that nobody has, and one that began as that."""
    root = workspace(tmp_path_factory.mktemp("before") / "work", names(20), 15_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        version(root, "one", models={"pretrain": "0" * 64, "finetune": "1" * 64})
        for weights, start in (("two", "1"), ("three", "2")):
            of = {
                "start": {"path": f"models/m-{start}", "digest": start * 64},
                "models": {"finetune": str(int(start) + 1) * 64},
            }
            version(root, weights, name="adapted", **of, **LOST)
    return root


def before(root, digest: str) -> tuple[dict, list]:
    return trained_before({"start": {"path": "models/mine", "digest": digest * 64}}, root)


def test_it_is_that_of_the_version_whose_model_it_is(root, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained = of_split(read_manifest(root / "data/raw/manifest.parquet"), "train")
    shutil.rmtree(root / "data/curated")  # other pictures took their place
    its, unknown = before(root, "1")
    assert (list(its), unknown) == (["clip@1"], [])
    assert sorted(its["clip@1"].to_pylist()) == sorted(trained["pixel_sha256"].to_pylist())
    its, unknown = before(root, "3")
    assert (list(its), unknown) == (["clip@1"], ["adapted@2", "adapted@1"]), "whatever is known, as far back as that is"
    assert trained_before({"start": None}, root) == ({}, [])
    assert {label: trained_before(one.about, root)[1] for one in versions(root) if (label := one.label) != "adapted@2"} == {
        "clip@1": [], "adapted@1": [],
    }  # fmt: skip


def test_of_a_start_that_is_no_version_it_is_what_was_laid_in_or_nobody_knows(root, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert before(root, "7") == ({}, ["models/mine"])
    rows = read_manifest(root / "data/raw/manifest.parquet")[:3]
    (root / "data/learnt/777777777777").mkdir(parents=True)
    write_manifest(rows, root / "data/learnt/777777777777/manifest.parquet")
    ((name, its),), unknown = before(root, "7")[0].items(), before(root, "7")[1]
    assert (name, unknown) == ("models/mine (by the 3 pictures of data/learnt/777777777777)", [])
    assert its.to_pylist() == fingerprints(rows).to_pylist()
