"""WIT's tables: what is written is read again byte for byte, and whatever else a line has is a reason with its line."""

import gzip
import re
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import ConfigError, DataError
from components.contracts.reasons import REASONS
from components.data.sources import wit_rows
from components.data.sources.wit_languages import is_language
from components.data.sources.wit_rows import COLUMNS, BadRow, WitRow, faults_of, header_line, line_of, read_rows
from components.data.sources.wit_tables import SCHEMA, convert, rows_of
from tests.wit_pages import PAGE, write_pages

TEXTS = st.none() | st.text(st.characters(codec="utf-8") | st.sampled_from('\t\n\r"'), max_size=12)
KINDS = {int: st.integers(0, 999_999_999), bool: st.booleans()}
PAGES = st.builds(WitRow, **{name: KINDS.get(kind, TEXTS) for name, kind in WitRow.__annotations__.items()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wit")


@given(pages=st.lists(PAGES, max_size=5), packed=st.booleans())
def test_a_table_is_read_as_it_was_written_and_by_way_of_parquet_is_the_same_bytes(folder, pages, packed):
    table = write_pages(folder / f"in.tsv{'.gz' * packed}", pages)
    assert [row for _, row in read_rows(table)] == pages
    assert convert(table, folder / "out.parquet") == (len(pages), 0)
    assert pq.read_schema(folder / "out.parquet").equals(SCHEMA)
    assert convert(folder / "out.parquet", folder / "back.tsv") == (len(pages), 0)
    assert (folder / "back.tsv").read_bytes() == header_line() + b"".join(map(line_of, pages))


def test_nothing_and_an_empty_text_are_not_the_same(folder):
    page = replace(PAGE, section_title="", page_title=None, caption_reference_description='a "b"\tc\r\nd')
    table = write_pages(folder / "empty.tsv", [page])
    assert b'\t\t""\t' in table.read_bytes()
    assert b'\t"a ""b""\tc\r\nd"\t' in table.read_bytes()
    ((line, row),) = read_rows(table)
    assert (line, row) == (2, page)


def test_quotes_that_stand_within_a_cell_are_letters_and_lines_may_end_as_on_windows(folder):
    page = replace(PAGE, page_title='5" disk')
    line = line_of(PAGE).replace(b"\tRed\t", b'\t5" disk\t', 1).replace(b"\n", b"\r\n")
    table = write_pages(folder / "quotes.tsv", [line, line_of(page)])
    assert [row for _, row in read_rows(table)] == [page, page]


def cell(column: str, by: bytes) -> bytes:
    """Return the line of a page with a cell put in place of its own."""
    cells = line_of(PAGE).rstrip(b"\n").split(b"\t")
    cells[COLUMNS.index(column)] = by
    return b"\t".join(cells) + b"\n"


HOSTILE = {
    "too few columns": (b"en\thttps://a\n", "bad_row", "2 columns; WIT has 17"),
    "too many columns": (line_of(PAGE).replace(b"\n", b"\tmore\n"), "bad_row", "more columns"),
    "a line without anything": (b"\n", "bad_row", "1 columns"),
    "a quote that is not closed": (cell("page_title", b'"Red'), "bad_row", "opens in page_title is not closed"),
    "letters behind a quote": (cell("page_title", b'"Red"x'), "bad_row", "'x.*follows the end of column 4"),
    "an end of line alone": (cell("page_title", b"R\red"), "bad_row", "follows the end of column 4"),
    "no UTF-8": (cell("page_title", b"caf\xe9"), "bad_utf8", "page_title is not UTF-8 at its byte 3"),
    "a number with a dot": (cell("original_height", b"40.0"), "bad_cell", "original_height is '40.0'"),
    "a number in other digits": (cell("original_width", "٤٠".encode()), "bad_cell", "original_width"),
    "a number of a mile": (cell("original_width", b"9" * 30), "bad_cell", "original_width"),
    "no number": (cell("original_width", b""), "bad_cell", "original_width is None"),
    "a yes": (cell("is_main_image", b"1"), "bad_cell", "is_main_image is '1'; it should be true or false"),
    "True as Python has it": (cell("page_changed_recently", b"True"), "bad_cell", "page_changed_recently"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_row_that_is_none_has_a_reason_and_its_line_and_the_next_is_read(folder, kind):
    line, reason, detail = HOSTILE[kind]
    table = write_pages(folder / "hostile.tsv", [PAGE, line, PAGE, PAGE])
    found = list(read_rows(table))
    assert [(number, row) for number, row in found if row == PAGE] == [(2, PAGE), (4, PAGE), (5, PAGE)]
    ((number, row),) = [one for one in found if one[1] != PAGE]
    assert isinstance(row, BadRow)
    assert (number, row.reason) == (3, reason)
    assert re.search(detail, row.detail)


def test_a_quote_that_is_not_closed_costs_no_more_than_its_bound(folder, monkeypatch):
    monkeypatch.setattr(wit_rows, "MAX_ROW_BYTES", 4096)
    table = write_pages(folder / "open.tsv", [cell("page_title", b'"Red'), *[PAGE] * 50])
    found = [row for _, row in read_rows(table)]
    assert isinstance(found[0], BadRow)
    assert found[1:] == [PAGE] * 50


def test_rows_between_a_quote_that_is_not_closed_and_the_next_quote_are_not_lost(folder):
    quoted = replace(PAGE, page_title='a "red"\nthing')
    table = write_pages(folder / "between.tsv", [cell("page_title", b'"Red'), PAGE, PAGE, quoted, PAGE])
    (line, first), *rest = read_rows(table)
    assert (line, type(first)) == (2, BadRow)
    assert [(number, row) for number, row in rest] == [(3, PAGE), (4, PAGE), (5, quoted), (7, PAGE)]


def test_a_line_without_end_is_one_row_that_is_none(folder, monkeypatch):
    monkeypatch.setattr(wit_rows, "MAX_ROW_BYTES", 4096)
    table = write_pages(folder / "long.tsv", [PAGE, b"x" * 20_000 + b"\n", PAGE])
    (_, first), (line, long), (_, last) = read_rows(table)
    assert (first, last, line) == (PAGE, PAGE, 3)
    assert isinstance(long, BadRow)


def test_a_packed_table_that_ends_early_gives_what_came_before_and_says_so(folder):
    table = folder / "cut.tsv.gz"
    table.write_bytes(gzip.compress(header_line() + line_of(PAGE) * 3000)[:-40])
    *rows, (_, last) = read_rows(table)
    assert 0 < len(rows) <= 3000
    assert all(row == PAGE for _, row in rows[:-1])
    assert isinstance(last, BadRow)
    assert last.reason == "shard_truncated"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_url": None}, "no_picture"),
        ({"language": "qq"}, "unknown_language"),
        ({"language": None}, "unknown_language"),
        ({"original_height": 0}, "bad_cell"),
        ({"mime_type": "application/pdf"}, "mime_refused"),
        ({"caption_alt_text_description": "0"}, "file_name_caption"),
        ({"caption_reference_description": "0.PNG"}, "file_name_caption"),
    ],
)
def test_a_row_that_describes_no_picture_says_why(changes, reason):
    fault = faults_of(replace(PAGE, **changes))
    assert fault is not None
    assert fault.reason == reason
    assert reason in REASONS
    assert faults_of(PAGE) is None


def test_codes_of_wikipedias_are_languages_and_words_are_not():
    assert all(map(is_language, ("en", "zh-TW", "sr-Latn", "be-tarask", "arz", "iw")))
    assert not any(map(is_language, ("", "EN", "english", "qq", "e", "en_US", "en-")))


def test_other_columns_are_told_by_their_place_and_rows_that_are_none_stand_beside_the_parquet(folder):
    names = header_line().replace(b"page_url\timage_url", b"image_url\tpage_url")
    (folder / "other.tsv").write_bytes(names + line_of(PAGE))
    with pytest.raises(DataError, match="column 2 is called 'image_url', and in WIT it is 'page_url'"):
        list(read_rows(folder / "other.tsv"))
    table = write_pages(folder / "some.tsv", [PAGE, b"x\n", PAGE])
    assert convert(table, folder / "some.parquet") == (2, 1)
    (aside,) = pq.read_table(folder / "some.quarantine.parquet").to_pylist()
    assert (aside["key"], aside["reason"]) == ("some.tsv, line 3", "bad_row")
    assert [row for _, row in rows_of(folder / "some.parquet")] == [PAGE, PAGE]
    with pytest.raises(ConfigError, match="Name one of each"):
        convert(table, folder / "again.tsv")
    with pytest.raises(DataError, match="there is no file"):
        convert(folder / "none.tsv", folder / "none.parquet")
