"""An index of eight pictures whose vectors and captions are known, asked in every way."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.data.manifest import LABELS, SCHEMA, write_manifest
from components.serving.search.catalogue import KEPT_FILTERS, MAX_FACET, BadFilter, Catalogue, write_catalogue
from components.serving.search.entry import Entry, entries_of
from components.serving.search.searcher import FILE, Searcher, prepare, vectors_of

OTHERS = ("लाल किताब", "बाघ", "İstanbul", "scho\u0308n")  # whose letters have marks of their own
WORDS = ("a red heart", "a red apple", "a green apple", "blue sky", "a heart of gold", "größe", "赤い心", "grey")


def entries() -> list[Entry]:
    return [
        Entry(key=f"k{at}", text=text, said=(("en", text), ("de", f"{text} auf deutsch")), columns={"source": "abc"[at % 3], "split": "val" if at == 7 else "train"})
        for at, text in enumerate(WORDS)
    ]  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As Triton has it, as far as a search reads it: row i points to axis i, and a little to the next."""
    index = tmp_path / "instance" / "repository" / "image_retrieval" / "1"
    index.mkdir(parents=True)
    rows = np.eye(8, dtype=np.float32) + 0.5 * np.roll(np.eye(8, dtype=np.float32), 1, axis=1)
    np.save(index / "index.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    served = {"key": [f"k{at}" for at in range(8)], "text": list(WORDS), "source": ["abc"[at % 3] for at in range(8)]}
    (index / "index.json").write_text(json.dumps(served))
    return index.parents[1]


@pytest.fixture
def searcher(repository: Path) -> Searcher:
    path = repository.parent / FILE
    write_catalogue(path, entries())
    return Searcher(vectors_of(repository), path)


def manifest_row(key: str, source: str, texts: list[tuple[str, str]], **labels: str) -> dict:
    return {
        **dict.fromkeys(SCHEMA.names), "key": key, "source": source, "split": "train", "licence": "CC0-1.0", "shard": "train/000000.tar",
        "offset": 512, "size_bytes": 9, "sha256": "0" * 64, "texts": [{"text": text, "kind": "short", "lang": lang} for text, lang in texts],
        "labels": {name: labels.get(name) for name in LABELS},
    }  # fmt: skip


def axis(at: int) -> np.ndarray:
    return np.eye(8, dtype=np.float32)[at]


def keys(found: list) -> list[str]:
    return [one.entry.key for one in found]


def test_a_vector_finds_its_nearest_with_cosines(searcher):
    found = searcher.search(axis(3), None, 2)
    assert keys(found) == ["k3", "k2"]
    assert found[0].score == pytest.approx(1 / 1.25**0.5)
    assert [one.by_vector for one in found] == [1, 2]
    assert {one.by_words for one in found} == {None}


def test_words_find_what_says_them_the_rarer_word_first(searcher):
    found = searcher.search(None, "green apple", 10)
    assert keys(found)[:2] == ["k2", "k1"]
    assert {one.score for one in found} == {None}


def test_an_unfinished_word_finds_what_begins_so(searcher):
    assert keys(searcher.search(None, "gree", 10)) == ["k2"]
    assert set(keys(searcher.search(None, "gre", 10))) == {"k2", "k7"}


def test_accents_and_scripts_without_spaces(searcher):
    for typed in ("größe", "GROSSE", "grö"):
        assert keys(searcher.search(None, typed, 10)) == ["k5"]
    assert keys(searcher.search(None, "心", 10)) == ["k6"]


@pytest.mark.parametrize(
    ("typed", "found"), [("किताब", 0), ("istanbul", 2), ("İSTANBUL", 2), ("schön", 3), ("scho\u0308n", 3)]
)
def test_letters_with_marks_are_of_their_word(tmp_path, typed, found):
    write_catalogue(
        tmp_path / FILE,
        [Entry(key=str(at), text=text, said=(("", text),), columns={}) for at, text in enumerate(OTHERS)],
    )
    assert Catalogue(tmp_path / FILE).said(typed, 10) == [found]


def test_of_filters_that_find_nothing_the_last_are_kept_alone(searcher):
    for at in range(3 * KEPT_FILTERS):
        assert searcher.search(axis(3), None, 8, {"source": [f"nobody {at}"]}) == []
    assert len(searcher.catalogue._rows) == KEPT_FILTERS


def test_both_together_put_first_what_both_have(searcher):
    found = searcher.search(axis(3), "heart", 3)
    assert keys(found)[0] in ("k0", "k4")  # words say so, and the vector ranks all eight
    assert found[0].by_words in (1, 2)
    assert found[0].by_vector is not None


def test_a_filter_leaves_no_other(searcher):
    assert keys(searcher.search(axis(3), None, 8, {"source": ["a"]})) == ["k3", "k0", "k6"]
    assert keys(searcher.search(None, "apple", 8, {"source": ["b"]})) == ["k1"]
    assert keys(searcher.search(axis(3), "apple", 8, {"source": ["a", "b"], "split": ["val"]})) == ["k7"]
    assert searcher.search(axis(3), "apple", 8, {"source": ["nobody"]}) == []


def test_a_word_of_many_texts_is_not_asked_for_beside_a_rarer_one(searcher, repository):
    plain, few = searcher.catalogue, Catalogue(repository.parent / FILE, most_texts=6)
    assert sorted(plain.said("a apple", 10)) == [0, 1, 2, 4], "eight texts have an a"
    assert few.said("a apple", 10) == plain.said("apple", 10) == [1, 2]
    assert few.said("a auf apple", 10) == [1, 2]
    assert few.said("gre", 10) == plain.said("gre", 10)
    assert few.said("a apple", 10, {"source": ["b"]}) == [1]


def test_words_of_many_texts_alone_are_asked_for_in_so_many_of_them(repository, searcher):
    few = Catalogue(repository.parent / FILE, most_texts=6)
    assert 0 < len(few.said("a", 10)) < len(searcher.catalogue.said("a", 10)) == 4
    assert few.said("a", 10, {"source": ["b"]}) == searcher.catalogue.said("a", 10, {"source": ["b"]}) == [1, 4]


def test_what_a_filter_leaves_is_fetched_once(searcher):
    asked = []
    searcher.catalogue._sql.set_trace_callback(asked.append)
    first = searcher.search(axis(3), None, 8, {"source": ["a"]})
    fetched = [one for one in asked if one.startswith("SELECT row FROM entries WHERE")]
    assert len(fetched) == 1
    assert keys(searcher.search(axis(3), None, 8, {"source": ["a"]})) == keys(first)
    assert keys(searcher.search(axis(3), None, 8, {"source": ["b"]})) == ["k1", "k4", "k7"]
    fetched = [one for one in asked if one.startswith("SELECT row FROM entries WHERE")]
    assert len(fetched) == 2


def test_no_more_is_kept_of_filters_than_may_be(searcher, monkeypatch):
    monkeypatch.setattr("components.serving.search.catalogue.KEPT_BYTES", 8 * 6)
    for source in "abcabc":
        assert searcher.catalogue.where({"source": [source]}).tolist() == list(range("abc".index(source), 8, 3))
        assert sum(one.nbytes for one in searcher.catalogue._rows.values()) <= 8 * 6


def test_a_filter_that_names_no_column_is_refused_and_none_is_taken_for_sql(searcher):
    for name in ("nope", "source) OR (1=1"):
        with pytest.raises(BadFilter, match="there is no column"):
            searcher.search(axis(0), None, 3, {name: ["a"]})
    assert searcher.search(axis(0), None, 3, {"source": ["a' OR '1'='1"]}) == []
    with pytest.raises(BadFilter, match="give 1 to"):
        searcher.search(axis(0), None, 3, {"source": []})


@pytest.mark.parametrize("typed", ['"', "a AND (", "NEAR(", "*", "k0 : x", "^red", "-red", "'; DROP TABLE entries; --"])
def test_no_words_break_the_question(searcher, typed):
    searcher.search(axis(0), typed, 3)
    assert len(searcher.catalogue) == 8


def test_what_there_is_to_choose_from(searcher):
    assert searcher.catalogue.facets() == {"source": {"a": 3, "b": 3, "c": 2}, "split": {"train": 7, "val": 1}}
    assert searcher.catalogue.languages() == {"de": 8, "en": 8}


@pytest.mark.parametrize("values", [MAX_FACET, MAX_FACET + 1])
def test_a_column_of_very_many_values_is_not_offered_and_can_be_filtered_by(tmp_path, values):
    columns = [{"category": f"c{at % values}", "source": "ab"[at % 2]} for at in range(2 * MAX_FACET)]
    write_catalogue(
        tmp_path / FILE, [Entry(key=f"k{at}", text="", said=(), columns=its) for at, its in enumerate(columns)]
    )
    catalogue = Catalogue(tmp_path / FILE)
    assert {name: len(its) for name, its in catalogue.facets().items()} == {
        "source": 2, **({"category": values} if values <= MAX_FACET else {}),
    }  # fmt: skip
    assert catalogue.where({"category": ["c7"]}).tolist() == [7, 7 + values]


def test_what_there_is_to_choose_from_is_counted_once(searcher):
    catalogue, asked = searcher.catalogue, []
    first = catalogue.facets(), catalogue.languages()
    catalogue._sql.set_trace_callback(asked.append)
    assert (catalogue.facets(), catalogue.languages()) == first
    assert not asked


def test_a_picture_is_known_by_its_key(searcher):
    assert np.allclose(searcher.vector("k2"), searcher.search(axis(2), None, 1)[0].score * (axis(2) + 0.5 * axis(3)))
    assert searcher.vector("nobody") is None
    assert searcher.catalogue.keyed("nobody") is None


def test_a_picture_is_looked_up_beside_what_another_thread_searches(searcher):
    """SQLite has one question at a time to a connection, and the gateway looks up a page's thumbnails where it answers everybody."""
    asked = []
    searcher.catalogue._sql.set_trace_callback(asked.append)
    assert searcher.catalogue.keyed("k2").text == "a green apple"
    assert searcher.vector("k2") is not None
    assert not asked


def test_a_file_that_was_written_is_only_read(searcher, repository):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        searcher.catalogue._sql.execute("DELETE FROM entries")
    assert prepare(repository, repository) == repository.parent / FILE
    assert len(Catalogue(repository.parent / FILE)) == 8


def test_rows_have_what_the_data_says_where_it_is_the_same_data(repository, tmp_path):
    root = tmp_path / "workspace"
    rows = [
        manifest_row("k0", "a", [("a red heart", "en"), ("ein rotes Herz", "de")], category="hearts"),
        manifest_row("k1", "b", [("another picture", "en")]),  # by this key the data has another than the package
        manifest_row("k9", "c", [("not in the index", "en")]),
    ]
    (root / "data/raw").mkdir(parents=True)
    write_manifest(pa.Table.from_pylist(rows, SCHEMA), root / "data/raw/manifest.parquet")
    found = list(entries_of(repository, root))
    assert [entry.key for entry in found] == [f"k{at}" for at in range(8)]
    assert found[0].said == (("en", "a red heart"), ("de", "ein rotes Herz"))
    assert found[0].columns == {"source": "a", "split": "train", "licence": "CC0-1.0", "category": "hearts"}
    assert found[0].place is not None
    assert (found[1].said, found[1].columns, found[1].place) == ((("und", "a red apple"),), {"source": "b"}, None)


def test_without_data_the_package_is_enough(repository, tmp_path):
    searcher = Searcher.open(repository, tmp_path / "nowhere")
    assert searcher is not None
    assert keys(searcher.search(None, "heart", 9)) == ["k0", "k4"]
    assert searcher.search(axis(0), None, 1)[0].entry.place is None


def test_a_repository_without_an_index_has_no_searcher(tmp_path):
    (tmp_path / "repository").mkdir()
    assert Searcher.open(tmp_path / "repository", tmp_path) is None
