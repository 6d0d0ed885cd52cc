"""docs/curation.md: its table is what the catalogue says, its settings can be built, its paths are there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from components.contracts.curation import CurationOp
from components.data.manifest import SCHEMA
from components.recipes.curation import build_ops
from components.recipes.recipe import Curation
from components.recipes.section import build
from tests.benchmarks import dedup, keep

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/curation.md").read_text(encoding="utf-8")
CATALOGUE = yaml.safe_load((REPOSITORY / "components/curation/catalogue.yaml").read_text(encoding="utf-8"))


def table() -> str:
    rows = ["| step | what it does | adds |", "| --- | --- | --- |"]
    for row in CATALOGUE.values():
        op = build({"class_path": row["class_path"], "init_args": row.get("init_args", {})}, CurationOp)
        added = ", ".join(f"`{name}`" for name in op.adds if name not in SCHEMA.names)
        rows.append(f"| `{op.name}` | {row['about']} | {added} |")
    return "\n".join(rows)


def test_the_table_of_steps_is_what_the_catalogue_says():
    found = re.search(r"<!-- steps -->\n(.*?)\n<!-- /steps -->", PAGE, re.DOTALL)
    assert found
    assert found[1] == table()


def test_the_settings_can_be_built():
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block
    said = yaml.safe_load(block[1])["overrides"]["curation"]
    ops = build_ops(Curation(ops=tuple(said["ops"]), models=said["models"]))
    assert [op.name for op in ops] == ["Measure", "Keep", "Deduplicate", "Score", "Select"]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()


def test_numbers_of_the_page_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/dedup.json").read_text())
    most = said["rows"]["1000000"]
    for words in (
        f"takes {most['wall_s']:.0f} s ({most['cpu_s']} s of CPU) and {most['peak_gb']} GB for 1,000,000 rows",
        f"precision {most['precision']:.3f}, recall {most['recall']:.3f}",
        f"with a word more or less, {dedup.captions_found(said)}",
        f"take {said['cpu_ratio']} times the CPU-seconds",
        f"{said['pictures']} pictures with {said['tools']['diptych']['planted']} copies",
        f"<!-- dedup -->\n{dedup.table(said)}\n<!-- /dedup -->",
    ):
        assert words in PAGE


def test_what_two_levels_take_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/clusters.json").read_text())
    for name, way in said["ways"].items():
        assert f"| {name} | {way['cpu_s']} | {way['mean_cosine']} |" in PAGE
    assert said["command"] in PAGE
    assert said["ratio"] == pytest.approx(
        said["ways"]["faiss.Kmeans"]["cpu_s"] / said["ways"]["two levels"]["cpu_s"], abs=0.01
    )


def test_what_filters_take_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/keep.json").read_text())
    most = said["rows"]["100000"]
    alike, seconds = most["counted_alike"], [its["wall_s"] for its in most["sides"].values()]
    assert alike["same"]
    for words in (
        f"<!-- keep -->\n{keep.table(said)}\n<!-- /keep -->",
        f"the larger run took {seconds[0]:.0f} and {seconds[1]:.0f} s",
        f"takes {said['ratio']['with_start']} times the CPU-seconds for 100,000 rows, and {said['ratio']['a_row']} times what a row takes",
        f"Of {alike['rows']:,} captions whose words both count alike both keep the same {alike['kept']:,}",
        f"{most['kept_by_both']:,} are kept by both, {sum(most['only_ours'].values())} by us alone and {sum(most['only_data_juicer'].values())} by",
    ):
        assert words in PAGE
