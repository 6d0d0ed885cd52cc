"""Curation on a Ray of this machine, started once: the same selection, columns and reports as in this process."""

import hashlib
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
import yaml

from components.contracts.curation import CurationOp
from components.contracts.errors import CapabilityError, DataError
from components.contracts.progress import silent
from components.curation.making import Making
from components.curation.on_ray import OnRay
from components.curation.pieces import Engine, InProcess, Work
from components.curation.pipeline import curated
from components.data.manifest import SCHEMA
from components.recipes.section import build
from components.serving.embedder import open_embedder
from tests.components.curation.toy import row
from tests.components.serving.tiny_package import make_package, picture
from tests.shards import write_shard

CATALOGUE = Path(__file__).parents[3] / "components/curation/catalogue.yaml"
LAST = ("select", "listed", "regroup", "corrupt")  # steps that leave out or change what others look at
ROWS = 140  # three pieces of 64 and fewer


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A package, and a shard of 140 pictures, each of another colour."""
    folder = tmp_path_factory.mktemp("workspace")
    make_package(folder / "tiny")
    colours = np.random.default_rng(0).integers(0, 256, (ROWS, 3)).tolist()
    pictures = [picture(tuple(colour)) for colour in colours]
    write_shard(folder / "raw/train/000000.tar", [(f"{at}.png", data) for at, data in enumerate(pictures)])
    tar = (folder / "raw/train/000000.tar").read_bytes()
    found = [
        row(at, offset=tar.index(data), size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for at, data in enumerate(pictures)
    ]
    pa.parquet.write_table(pa.Table.from_pylist(found, SCHEMA), folder / "manifest.parquet")
    return folder


@pytest.fixture(scope="module")
def ray():
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    folders = {*Path(tempfile.gettempdir()).glob("dp*")}
    with OnRay(silent, cpus=2) as engine:
        yield engine
    after = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert [" ".join(process.cmdline()) for process in after if process.status() != psutil.STATUS_ZOMBIE] == []
    assert {*Path(tempfile.gettempdir()).glob("dp*")} <= folders


def making(workspace: Path, engine: Engine, cache: Path) -> Making:
    opens = partial(open_embedder, "tiny", workspace, None, engine.threads)
    return Making(workspace / "raw", {"toy": opens}, cache, engine)


def steps() -> list[CurationOp]:
    """Every step of the catalogue, those that look before those that leave out."""
    catalogue = yaml.safe_load(CATALOGUE.read_text())
    order = [*(name for name in catalogue if name not in LAST), *LAST]
    rows = [catalogue[name] for name in order]
    return [build({"class_path": row["class_path"], "init_args": row.get("init_args", {})}, CurationOp) for row in rows]


@pytest.mark.timeout(900)  # an actor of Ray takes seconds to start, and every step starts its own
def test_every_step_finds_the_same_as_in_this_process(workspace, ray, tmp_path):
    table = pa.parquet.read_table(workspace / "manifest.parquet")
    here, reports = curated(steps(), table, making(workspace, InProcess(silent), tmp_path / "here"), 3, silent)
    there, said = curated(steps(), table, making(workspace, ray, tmp_path / "there"), 3, silent)
    assert there.equals(here)
    assert there.schema.equals(here.schema)
    assert said == reports
    kept = [
        sorted((path.name, path.read_bytes()) for path in (tmp_path / which).iterdir()) for which in ("here", "there")
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) >= 3  # prints, pictures, texts


def where() -> Work:
    """Work that tells of each row by whom it was done, and how many cores it was told to use."""
    started = os.times().elapsed

    def work(rows: pa.Table) -> pa.Table:
        told = int(os.environ["OMP_NUM_THREADS"])
        return rows.append_column("who", pa.array([f"{os.getpid()} {started}"] * len(rows))).append_column(
            "threads", pa.array([told] * len(rows))
        )

    return work


def test_rows_keep_their_order_and_no_more_work_than_were_asked_for(ray):
    rows = pa.table({"at": range(100)})
    done = ray.run(where, rows, 7, "count")
    assert done["at"].to_pylist() == list(range(100))
    assert 1 <= len(set(done["who"].to_pylist())) <= 2
    assert str(os.getpid()) not in {who.split()[0] for who in done["who"].to_pylist()}
    assert set(done["threads"].to_pylist()) == {1}
    alone = ray.run(where, rows, 100, "count")
    assert {who.split()[0] for who in alone["who"].to_pylist()} == {str(os.getpid())}


def test_an_error_that_is_the_users_to_mend_comes_back_as_what_it_is(workspace, ray, tmp_path):
    table = pa.parquet.read_table(workspace / "manifest.parquet")
    wrong = table.set_column(
        table.column_names.index("sha256"), "sha256", table["sha256"].take(pa.array(range(ROWS))[::-1])
    )
    with pytest.raises(DataError, match=r"sample k\d+ in shard .* is not what the manifest's sha256 promises"):
        making(workspace, ray, tmp_path).make("toy.image", wrong, pa.array([]))


def test_where_ray_is_missing_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CapabilityError, match=r"pip install -e '\.\[ray\]', or take engine: process"), OnRay(silent):
        pass
