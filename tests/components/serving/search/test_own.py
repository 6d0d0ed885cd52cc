"""An index of one's own: a file of vectors, laid out to be searched; vectors of another space are refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, DataError, StaleArtifact
from components.serving.bulk import Given, embed_all
from components.serving.indexes import (
    Record,
    checked_name,
    digest_of,
    index_file,
    is_current,
    names,
    prune,
    records,
    remove_index,
    spaces_of,
    write_record,
)
from components.serving.package import Package
from components.serving.search.own import clear_old, lay_out, open_own, size_of, stamp_of
from tests.components.serving.tiny_package import COLOURS, WIDTH, make_package, picture


def samples(colours: tuple[str, ...] = tuple(COLOURS), broken: bool = True) -> list[Given]:
    good = [
        Given(key=f"k-{one}", name=f"{one}.png", picture=picture(COLOURS[one]), text=f"a {one} square")
        for one in colours
    ]
    return [*good[:1], *[Given(key="k-broken", name="broken.png", picture=b"broken", text=None)] * broken, *good[1:]]


def make(root: Path, package: Package, name: str = "own", given: list[Given] | None = None) -> Path:
    path = index_file(root, name, package.space)
    path.unlink(missing_ok=True)
    embed_all(samples() if given is None else given, package, "tiny", path, threads=1)
    digest, rows = digest_of(path)
    write_record(
        root, Record(name=name, said="/pictures", digest=digest, rows=rows, made_at="2026-01-01T00:00:00+00:00")
    )
    return path


@pytest.fixture
def opened(package: Path) -> Package:
    return Package.verify(package)


@pytest.fixture
def other(tmp_path: Path) -> Package:
    return Package.verify(make_package(tmp_path / "other", seed=1))


def test_pictures_that_could_be_decoded_are_found_by_vector_words_and_key(opened, tmp_path):
    make(tmp_path, opened)
    searcher = open_own(tmp_path, "own", opened.space)
    green = searcher.vector("k-green")
    found = searcher.search(green, None, 2)
    assert (found[0].entry.key, found[0].entry.name, found[0].score) == ("k-green", "green.png", pytest.approx(1))
    assert [one.entry.key for one in searcher.search(None, "blue", 5)] == ["k-blue"]
    assert len(searcher) == 3
    assert searcher.vector("k-broken") is None
    assert size_of(tmp_path, "own", opened.space) == (3, WIDTH)


def test_a_file_of_another_space_is_refused_wherever_it_lies(opened, other, tmp_path):
    path = make(tmp_path, opened)
    moved = index_file(tmp_path, "own", other.space)
    path.rename(moved)
    with pytest.raises(StaleArtifact, match="of two spaces are never compared"):
        open_own(tmp_path, "own", other.space)
    (record,) = records(tmp_path)
    assert not is_current(tmp_path, record, other.space)
    assert stamp_of(tmp_path, "own", opened.space) is None


def test_a_file_that_says_no_space_is_refused(opened, tmp_path):
    path = make(tmp_path, opened)
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(StaleArtifact, match="does not say which space"):
        open_own(tmp_path, "own", opened.space)


def test_what_is_made_again_is_laid_out_again_and_the_old_goes(opened, tmp_path):
    path = make(tmp_path, opened)
    before, stamp = lay_out(path, path), stamp_of(tmp_path, "own", opened.space)
    path = make(tmp_path, opened, given=samples(("red", "blue"), broken=False))
    assert stamp_of(tmp_path, "own", opened.space) != stamp
    after = lay_out(path, path)
    clear_old(path)
    assert (before.exists(), after.exists()) == (False, True)
    assert len(open_own(tmp_path, "own", opened.space)) == 2


def test_what_is_laid_out_before_the_file_is_renamed_is_what_is_opened(opened, tmp_path):
    path = make(tmp_path, opened)
    partial = path.with_suffix(".new.parquet")
    path.rename(partial)
    folder = lay_out(partial, path)
    partial.rename(path)
    assert lay_out(path, path) == folder


def test_nothing_that_could_be_decoded_and_numbers_that_are_none_are_said(opened, tmp_path):
    path = make(tmp_path, opened, given=samples((), broken=True))
    with pytest.raises(DataError, match="none of the pictures"):
        lay_out(path, path)
    assert not any(one.is_dir() for one in path.parent.iterdir())


def test_an_index_is_current_where_it_is_of_the_same_pictures(opened, other, tmp_path):
    make(tmp_path, opened)
    (record,) = records(tmp_path)
    assert is_current(tmp_path, record, opened.space)
    assert not is_current(tmp_path, record, other.space)
    make(tmp_path, other, given=samples(("red",)))
    (record,) = records(tmp_path)
    assert is_current(tmp_path, record, other.space)
    assert not is_current(tmp_path, record, opened.space)  # of more pictures than there are now


def test_files_of_spaces_that_nobody_serves_go(opened, other, tmp_path):
    path = make(tmp_path, opened)
    lay_out(path, path)
    make(tmp_path, other)
    index_file(tmp_path, "own", "0" * 64).with_suffix(".new.parquet.parts").mkdir()  # of what was begun
    assert prune(tmp_path, {other.space}) == 1
    assert spaces_of(tmp_path, "own") == [other.space]
    assert sorted(one.name for one in path.parent.iterdir()) == sorted(["source.json", f"{other.space}.parquet"])


def test_an_index_that_is_removed_is_gone_and_one_that_is_not_there_is_said(opened, tmp_path):
    make(tmp_path, opened)
    make(tmp_path, opened, "more")
    assert names(tmp_path) == ["more", "own"]
    remove_index(tmp_path, "own")
    assert names(tmp_path) == ["more"]
    with pytest.raises(ConfigError, match="There is more"):
        remove_index(tmp_path, "own")


@pytest.mark.parametrize("name", ["", "package", "list", "../x", "Own", "a" * 51, "a/b"])
def test_names_that_an_index_cannot_have(name, tmp_path):
    with pytest.raises(ConfigError, match="cannot name an index"):
        checked_name(name)


def test_vectors_that_are_no_numbers_are_never_searched(opened, tmp_path):
    path = make(tmp_path, opened)
    table = pq.read_table(path)
    at = table.schema.get_field_index("image_embeds")
    kind = table.schema.field(at).type
    nan = pa.FixedSizeListArray.from_arrays(pa.array(np.full(len(table) * WIDTH, np.nan, np.float32)), type=kind)
    pq.write_table(table.set_column(at, table.schema.field(at), nan), path)
    with pytest.raises(StaleArtifact, match="no numbers"):
        open_own(tmp_path, "own", opened.space)
