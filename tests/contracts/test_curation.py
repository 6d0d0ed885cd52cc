"""What every step of curation must do, whichever it is: each row of components/curation/catalogue.yaml is held to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from components.contracts.curation import CurationOp, RowOp
from components.contracts.errors import DataError
from components.contracts.features import Feature, Features
from components.contracts.progress import silent
from components.curation.pipeline import curated
from components.data.manifest import SCHEMA
from components.data.pieces import pieces
from components.recipes.section import build
from tests.components.curation.toy import ToyMaker, manifest

FOLDER = Path(__file__).parents[2] / "components" / "curation"
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())


@pytest.fixture(params=CATALOGUE)
def op(request) -> CurationOp:
    row = CATALOGUE[request.param]
    return build({"class_path": row["class_path"], "init_args": row.get("init_args", {})}, CurationOp)


def run(op: CurationOp, table: pa.Table, seed: int = 3, maker: Any = None):
    left, reports = curated([op], table, maker or ToyMaker(), seed, silent)
    return left, reports[0]


def rows_by_key(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: row["key"])


def test_all_steps_have_a_row_and_every_row_its_file():
    assert {path.stem for path in (FOLDER / "ops").glob("*.py")} - {"__init__"} == set(CATALOGUE)
    for name, row in CATALOGUE.items():
        assert row["class_path"].startswith(f"components.curation.ops.{name}.")
        assert row["about"]


def test_all_writers_stand_in_the_catalogue_and_write():
    row = CATALOGUE["rewrite"]
    writers = [row["init_args"]["writer"], *row["also"]]
    named = {described["class_path"].split(".")[-2] for described in (*writers, *row["needs_files"])}
    assert {path.stem for path in (FOLDER / "writers").glob("*.py")} - {"__init__", "writer"} == named
    for described in writers:
        _, report = run(
            build({"class_path": row["class_path"], "init_args": {"writer": described}}, CurationOp), manifest()
        )
        assert report.stats["written"] > 0
        assert report.stats["refused"] == 0


def test_all_translators_stand_in_the_catalogue_and_those_without_files_translate():
    row = CATALOGUE["translate"]
    translators = [row["init_args"]["translator"], *row["also"]]
    named = {described["class_path"].split(".")[-2] for described in (*translators, *row["needs_files"])}
    assert {path.stem for path in (FOLDER / "translators").glob("*.py")} - {"__init__", "translator"} == named
    texts = [{"text": name, "kind": "alt", "lang": "en"} for name in ("red circle", "blue circle")]
    rows = pa.Table.from_pylist([one | {"texts": texts} for one in manifest(3).to_pylist()], SCHEMA)
    for described in translators:
        asked = {"translator": described, "languages": ["de"]}
        left, report = run(build({"class_path": row["class_path"], "init_args": asked}, CurationOp), rows)
        assert report.stats["translated de"] == 6
        assert [one["lang"] for one in left["texts"][0].as_py()] == ["en", "en", "de", "de"]


def test_every_row_is_accounted_for_and_examples_are_rows(op):
    table = manifest()
    left, report = run(op, table)
    assert (report.rows_in, report.rows_out) == (len(table), len(left))
    assert report.rows_in + report.made == report.rows_out + sum(report.dropped.values())
    assert all(count > 0 for count in report.dropped.values())
    known = {*table["key"].to_pylist(), *left["key"].to_pylist()}
    assert set(report.dropped) <= set(report.examples)
    for keys in report.examples.values():
        assert 0 < len(keys) <= 20
        assert set(keys) <= known
    went = set(table["key"].to_pylist()) - set(left["key"].to_pylist())
    assert len(went) == sum(report.dropped.values())


def test_it_does_something(op):
    left, report = run(op, manifest())
    assert report.dropped or op.adds
    for name in set(op.adds) - set(SCHEMA.names):
        assert left[name].null_count < len(left)


def test_where_a_sample_lies_is_never_touched(op):
    place = ["key", "split", "shard", "offset", "size_bytes", "sha256"]
    before = {tuple(row.values())[1:] for row in manifest().select(place).to_pylist()}
    left, _ = run(op, manifest())
    assert {tuple(row.values())[1:] for row in left.select(place).to_pylist()} <= before


def test_the_same_rows_and_seed_give_the_same(op):
    one, first = run(op, manifest())
    other, second = run(op, manifest())
    assert one.equals(other)
    assert first == second


def test_it_does_not_depend_on_the_order_or_the_chunks_of_the_rows(op):
    table = manifest()
    order = np.random.default_rng(1).permutation(len(table))
    mixed = table.take(pa.array(order))
    mixed = pa.concat_tables([mixed.slice(0, 7), mixed.slice(7)])
    (one, first), (other, second) = run(op, table), run(op, mixed)
    assert rows_by_key(one) == rows_by_key(other)
    assert (first.dropped, first.examples, first.made) == (second.dropped, second.examples, second.made)
    stays = set(other["key"].to_pylist())
    kept = [key for key in mixed["key"].to_pylist() if key in stays]
    assert [key for key in other["key"].to_pylist() if key in set(kept)] == kept


def test_a_step_that_looks_at_each_row_by_itself_may_do_so_in_pieces(op):
    if not isinstance(op, RowOp):
        return
    table = manifest().select(["key", *op.needs])
    whole = op.find(table, 3)
    assert len(whole) == len(table)
    assert pa.concat_tables([op.find(piece, 3) for piece in pieces(table, 7)]).combine_chunks().equals(whole)


class MixedMaker(ToyMaker):
    """The same features with their rows in another order."""

    def make(self, name: str, rows: pa.Table, texts: pa.Array) -> Feature:
        made = super().make(name, rows, texts)
        order = np.random.default_rng(2).permutation(len(made.table))
        return Feature(name=made.name, model=made.model, table=made.table.take(pa.array(order)))


def test_features_are_joined_by_key_and_never_by_position(op):
    one, _ = run(op, manifest())
    other, _ = run(op, manifest(), maker=MixedMaker())
    assert one.equals(other)


def test_features_of_another_manifest_are_refused(op):
    if not op.features:
        return
    maker, few = ToyMaker(), manifest(20)
    made = Features()
    for name in op.features:
        made = made.plus(maker.make(name, few, pa.array([*op.prompts, "nothing of these"])))
    with pytest.raises(DataError, match="made of another manifest"):
        op.apply(manifest(), made, 0)


def test_a_table_of_one_row_is_no_special_case(op):
    if "clusters" in vars(op):
        op.clusters = 1
    left, report = run(op, manifest(2).slice(1))
    assert len(left) == report.rows_in == 1
