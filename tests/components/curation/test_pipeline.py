import pyarrow as pa
import pytest

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.curation.ops.cluster import Cluster
from components.curation.ops.keep import Keep
from components.curation.ops.measure import Measure
from components.curation.ops.score import Score
from components.curation.ops.select import Select
from components.curation.ops.tag import Tag
from components.curation.pipeline import curated
from tests.components.curation.toy import ToyMaker, manifest


class Careless(CurationOp):
    """Does what it is told to, and reports as it is told."""

    def __init__(self, left: pa.Table, rows_out: int, adds: tuple[str, ...] = ()) -> None:
        self.left, self.rows_out, self.promised = left, rows_out, adds

    @property
    def adds(self):
        return self.promised

    def apply(self, table, features, seed):
        gone = len(table) - self.rows_out
        return self.left, Report(
            op=self.name, rows_in=len(table), rows_out=self.rows_out, dropped={"lost": gone} if gone else {}
        )


def test_steps_see_what_those_before_them_left_and_added():
    ops = [Measure(), Keep("words >= 4"), Select(count=1, by="words", per="category")]
    left, reports = curated(ops, manifest(), ToyMaker(), 0, silent)
    assert [report.op for report in reports] == ["Measure", "Keep", "Select"]
    assert reports[0].rows_out == reports[1].rows_in == 60
    assert reports[1].rows_out == reports[2].rows_in < 60
    assert len(left) == len(set(left["labels"].combine_chunks().field("category").to_pylist())) == 4


def test_features_are_made_once_and_only_for_rows_that_are_there():
    maker = ToyMaker()
    ops = [Keep("size_bytes < 1050"), Score("toy"), Tag("toy", ["red", "blue"]), Cluster("toy", 2)]
    left, _ = curated(ops, manifest(), maker, 0, silent)
    assert [name for name, _ in maker.asked] == ["toy.image", "toy.text", "toy.text"]
    assert maker.asked[0][1] == len(left) < 60
    assert maker.asked[2][1] == 2


def test_captions_are_not_embedded_for_a_step_that_asks_of_texts_of_its_own():
    maker = ToyMaker()
    curated([Tag("toy", ["red", "blue", "green"])], manifest(), maker, 0, silent)
    assert maker.asked == [("toy.image", 60), ("toy.text", 3)]


def test_a_step_that_loses_rows_uncounted_is_found():
    table = manifest()
    with pytest.raises(DataError, match="reports 60 rows in and 60 out, but took 60 and gave 50"):
        curated([Careless(table.slice(10), 60)], table, ToyMaker(), 0, silent)


def test_a_step_that_doubles_a_key_or_loses_a_column_is_found():
    table = manifest()
    doubled = pa.concat_tables([table.slice(0, 59), table.slice(0, 1)])
    with pytest.raises(DataError, match="gave a key to several rows"):
        curated([Careless(doubled, 60)], table, ToyMaker(), 0, silent)
    with pytest.raises(DataError, match="rows without licence"):
        curated([Careless(table.drop_columns("licence"), 60)], table, ToyMaker(), 0, silent)
    with pytest.raises(DataError, match="rows without promised"):
        curated([Careless(table, 60, ("promised",))], table, ToyMaker(), 0, silent)


def test_a_step_that_leaves_nothing_says_why():
    with pytest.raises(DataError, match=r"step 2 of curation, Keep, left none of 60 samples: tiny \(60\)"):
        curated([Measure(), Keep("pixels < 5", "tiny")], manifest(), ToyMaker(), 0, silent)


class Needy(Careless):
    @property
    def needs(self):
        return ("scores",)


def test_a_step_before_the_one_that_it_needs_is_told_so():
    with pytest.raises(
        ConfigError, match="step 1 of curation, Needy, needs the column 'scores', which no step before it adds"
    ):
        curated([Needy(manifest(), 60)], manifest(), ToyMaker(), 0, silent)
