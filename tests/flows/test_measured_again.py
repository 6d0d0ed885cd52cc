"""A promotion after the evaluation data changed: whoever was measured on other data is measured again, and the new numbers decide."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from safetensors.numpy import load_file, save_file

from components.contracts.sealed import read_sealed
from components.data.manifest import read_manifest, write_manifest
from components.data.selection import of_split, read_pool
from components.registry.forebears import MADE
from components.registry.versions import register
from components.serving.pack import seal
from flows.promote import promote
from tests.empty_store import lay_empty_store
from tests.their_sets import write_set

pytestmark = pytest.mark.timeout(900)  # of which the first takes the training of the pictures that several files share
SELECTED, PAIRS = "data/curated/clip/manifest.parquet", "data/evaluation/pair/manifest.parquet"
TRAINED_ON = 7  # pictures that stay in the selection; the other 40 are asked for, once the pool has grown


@pytest.fixture(scope="module")
def models(own, tmp_path_factory):
    """Return a workspace with two packages: one trained, measured on its 6 pairs, and one to which all texts are the same, measured when there were 5."""
    root = tmp_path_factory.mktemp("measured") / "own/job"
    shutil.copytree(own.parent, root.parent, symlinks=True)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["evaluation"] = {"evaluators": []}  # retrieval, the canary and leakage are asked always
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(root / "runs/clip", root / "models/trained")
    package = root / "models/mute/package"
    shutil.copytree(root / "runs/clip/package", package)
    weights = load_file(package / "weights.safetensors")
    weights["text_projection.linear.weight"] *= 0
    save_file(weights, package / "weights.safetensors")
    pool = root / PAIRS
    pairs = read_manifest(pool)
    rewrite(pool, pairs[:5])
    measure(root, "mute")
    rewrite(pool, pairs)
    return root


@pytest.fixture
def job(models, tmp_path, monkeypatch):
    """Return a copy of that, with a store of its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "own/job"
    shutil.copytree(models.parent, root.parent, symlinks=True)
    lay_empty_store(root)
    return root


def measure(root: Path, model: str) -> None:
    """Measure a model on the pools of today, and have its package say so."""
    home = root / "models" / model
    shutil.rmtree(home / "evaluate", ignore_errors=True)
    command = [
        sys.executable, "-m", "components.stages.rescore", "--recipe", "clip", "--package", str(home / "package"), "--out", str(home / "evaluate"),
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    about = read_sealed(home / "package")
    shutil.copyfile(home / "evaluate/metrics.json", home / "package/metrics.json")
    seal(home / "package", {name: value for name, value in about.items() if name not in ("files", "digest")})


def registered(root: Path, model: str):
    """Return the version of a model, as if it had been made in the workspace last."""
    for part in ("package", "evaluate"):
        shutil.rmtree(root / "runs/clip" / part)
        shutil.copytree(root / "models" / model / part, root / "runs/clip" / part)
    return register(root / "runs/clip/package", root)


def grow(root: Path) -> None:
    """Ask for 40 pairs more."""
    selected, pool = root / SELECTED, root / PAIRS
    rows, asked = read_manifest(selected), read_manifest(pool)
    trained = rows.filter(pc.equal(rows["split"], "train"))
    rewrite(selected, trained[:TRAINED_ON], rows.filter(pc.equal(rows["split"], "val")))
    rewrite(pool, asked, trained[TRAINED_ON:])


def rewrite(path: Path, *rows: pa.Table) -> None:
    path.unlink()  # it may be a link into DVC's cache
    write_manifest(pa.concat_tables(rows), path)


def encoded_again(data: bytes) -> bytes:
    """Return the same pixels as another file."""
    Image.open(io.BytesIO(data)).save(out := io.BytesIO(), "PNG", compress_level=1)
    return out.getvalue()


def test_a_set_with_pictures_that_were_trained_on_stops_the_promotion_and_names_them(job):
    """From the set's folder to the verdict: nobody looked through it before, as validation does through the data's own pools."""
    selected, pool = (read_manifest(job / place) for place in (SELECTED, PAIRS))
    fresh, seen = (read_pool(rows, job / "data/raw").pictures for rows in (pool, of_split(selected, "train")[:2]))
    rows = [
        {"png": data, "txt": f"thing {place}".encode()}
        for place, data in enumerate([*fresh, *map(encoded_again, seen)])
    ]
    write_set(job / "data/sets/mine", rows)
    params = yaml.safe_load((job / "params.yaml").read_text())
    params["overrides"]["evaluation"]["sets"] = {"mine": {"path": "data/sets/mine"}}
    (job / "params.yaml").write_text(yaml.safe_dump(params))
    measure(job, "trained")
    verdict = promote(job, registered(job, "trained"))
    assert (verdict.ruling.outcome, verdict.champion) == ("kept", None), verdict.sentence
    (finding,) = [one for one in verdict.ruling.findings if one.held == "fails"]
    assert (finding.rule, finding.metric) == ("leakage", "leakage.mine")
    leaked = pq.read_table(job / "runs/clip/evaluate/rows/leakage.parquet").to_pylist()
    named = [row["query"] for row in leaked if row["leaked"]]
    assert len(named) == 2
    assert f"2 of {len(rows)} pictures of mine were trained on, such as {', '.join(named)}" in verdict.sentence
    twins = [row["twin"] for row in leaked if row["leaked"]]
    assert twins == of_split(selected, "train")["key"].to_pylist()[:2]


def test_what_its_start_was_trained_on_and_is_asked_today_is_for_a_person_though_the_run_did_not_see_it(job):
    """As under another seed: today's pool has what clip@1 was trained on, and today's selection has not."""
    measure(job, "trained")
    before = registered(job, "trained")
    learnt = of_split(read_manifest(job / SELECTED), "train")["key"].to_pylist()[TRAINED_ON:]
    grow(job)
    start = {"path": "models/clip-1", "digest": read_sealed(job / "models/trained/package")[MADE]["finetune"]}
    shutil.copytree(job / "models/trained", job / "models/begun")
    of_begun = {**read_sealed(job / "models/begun/package"), "start": start, MADE: {"finetune": "9" * 64}}
    seal(job / "models/begun/package", {name: it for name, it in of_begun.items() if name not in ("files", "digest")})
    (job / "models/begun/package/report.html").write_text("of another run")  # so that it is another package
    measure(job, "begun")
    verdict = promote(job, registered(job, "begun"))
    (finding,) = [one for one in verdict.ruling.findings if one.held == "uncertain" and one.rule == "leakage"]
    assert verdict.ruling.outcome == "needs_a_person", verdict.sentence
    asked = len(read_manifest(job / PAIRS))
    assert finding.metric == "leakage.pair"
    assert finding.says.startswith(
        f"{len(learnt)} of {asked} pictures of pair are what it began as, {before.label}, was trained on, such as "
    )
    named = finding.says.rpartition("such as ")[2].partition(":")[0]
    assert set(named.removesuffix(" and others").split(", ")) <= set(learnt)
    metrics = json.loads((job / "runs/clip/evaluate/metrics.json").read_text())
    assert metrics["leakage.pair"]["value"] == 0, "of its own run it was not"


@pytest.mark.parametrize(
    ("challenger", "again"),
    [
        ("measured on today's data", ["clip@1"]),
        ("measured before the data changed", ["clip@1", "clip@2"]),
        ("measured before, and the workspace has measured another since", ["clip@2", "clip@1"]),
    ],
)
def test_where_the_evaluation_data_changed_both_are_asked_what_is_asked_today(job, challenger, again, capsys):
    promote(job, registered(job, "mute"))
    if "today" in challenger:
        grow(job)
        measure(job, "trained")
    version = registered(job, "trained")
    if "today" not in challenger:
        grow(job)
    if "another" in challenger:
        shutil.rmtree(job / "runs/clip/evaluate")
    kept = json.loads((job / "models/trained/evaluate/metrics.json").read_text())["retrieval.pair.mean_recall"]
    verdict = promote(job, version)
    said = [line for line in capsys.readouterr().out.splitlines() if "is measured again" in line]
    assert [line.split(" is measured")[0].split()[-1] for line in said] == again
    primary = next(one for one in verdict.ruling.findings if one.rule == "primary")
    assert (verdict.ruling.outcome, verdict.champion.label) == ("promoted", "clip@2"), verdict.sentence
    assert (primary.queries, primary.groups) == (2 * 46, 46), "of today's pool"
    assert primary.theirs == 0.0, "to whom all texts are the same finds nothing among 46 pictures"
    assert (primary.ours == pytest.approx(kept["value"])) == ("today" in challenger)
