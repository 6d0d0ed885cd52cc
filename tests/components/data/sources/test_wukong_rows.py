"""Wukong's tables line by line: no character changed, of seeded faults each found, and a file in another encoding refused with its line."""

import csv

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.contracts.errors import DataError
from components.data.sources.wukong_rows import BadLine, WukongRow, number_of, read_rows
from tests.wukong_tables import HEADER, line_of, write_table

ODD = ["é 与 e\u0301", "ﬁ Ａ 豈", "(㈱)①", 'a, "b"', "全角\u3000空格", "𠀀𠀁", "表情\N{PARTY POPPER}"]


def test_every_text_comes_as_it_stands_whatever_unicode_calls_the_same(tmp_path):
    path = write_table(tmp_path, 7, [line_of(f"https://a/{at}", text) for at, text in enumerate(ODD)])
    rows = list(read_rows(path))
    assert [row.caption for row in rows] == ODD
    assert [(row.line, row.row) for row in rows] == [(at + 2, at) for at in range(len(ODD))]
    assert number_of(path) == 7


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
@example(["\r", "\r0"])
def test_what_is_written_is_read(tmp_path_factory, texts):
    path = write_table(tmp_path_factory.mktemp("wukong"), 0, [line_of("https://a/b,c", text) for text in texts])
    assert [row.caption for row in read_rows(path)] == texts


def test_of_seeded_faults_each_is_found_with_its_line_and_others_come(tmp_path):
    faults = {
        3: ("bad_row", b"https://a/1\n"), 5: ("bad_row", b"https://a/2,a,b\n"), 6: ("bad_row", 'https://a/3,"没有"结束\n'.encode()),
        8: ("bad_utf8", "https://a/4,红心\n".encode("gbk")), 9: ("bad_utf8", b"https://a/5,\xff\xfe\n"), 11: ("bad_row", b"https://a/6," + b"x" * 70_000 + b"\n"),
    }  # fmt: skip
    lines = [faults.get(number, ("", line_of(f"https://a/{number}", "红心")))[1] for number in range(2, 14)]
    came = list(read_rows(write_table(tmp_path, 0, lines)))
    assert {row.line: row.reason for row in came if isinstance(row, BadLine)} == {
        line: why for line, (why, _) in faults.items()
    }
    assert [row.row for row in came] == list(range(12))
    assert sum(isinstance(row, WukongRow) for row in came) == 12 - len(faults)
    told = next(row.detail for row in came if row.line == 8)
    assert "GBK, where it ends in" in told
    assert "红心" in told


def test_rows_are_counted_as_any_reader_of_csv_counts_them(tmp_path):
    """Pictures are called by the count: a line break in a caption, or an empty line, must not give all later ones another's caption."""
    lines = [
        line_of("https://a/0", "一"),
        line_of("https://a/1", "上\n下\r\n完"),
        b"\n",
        line_of("https://a/2", "三"),
        b"\r\n",
        line_of("https://a/3", '5" 屏'),
    ]
    path = write_table(tmp_path, 0, lines)
    rows = list(read_rows(path))
    with path.open(encoding="utf-8", newline="") as file:
        peer = [cells for cells in csv.reader(file) if cells][1:]
    assert [[row.url, row.caption] for row in rows] == peer
    assert [(row.row, row.line) for row in rows] == [(0, 2), (1, 3), (2, 7), (3, 9)]


@pytest.mark.parametrize("after", [1, 3000])
def test_a_quote_that_is_not_closed_ends_the_table_with_its_line(tmp_path, after):
    lines = [
        line_of("https://a/0", "一"),
        'https://a/1,"没有结束\n'.encode(),
        *[line_of(f"https://a/{row}", "红心是一个很长的名字红心是一个很长的名字") for row in range(after)],
    ]
    came = read_rows(write_table(tmp_path, 0, lines))
    assert next(came).caption == "一"
    with pytest.raises(DataError, match=r"wukong_100m_0\.csv, line 3: a quote that begins here is closed nowhere"):
        next(came)


def test_a_whole_file_in_another_encoding_is_refused_with_its_first_such_line(tmp_path):
    rows = [line_of("https://a/0", "ascii"), line_of("https://a/1", "红心"), line_of("https://a/2", "黄星")]
    path = write_table(tmp_path, 0, (row.decode().encode("gb18030") for row in rows))
    with pytest.raises(
        DataError,
        match=r"wukong_100m_0\.csv, line 3: not UTF-8 at its byte 12, but GBK, .*红心.*iconv -f gb18030.*the whole file",
    ):
        list(read_rows(path))


def test_a_mark_at_the_beginning_is_none_of_the_header(tmp_path):
    path = tmp_path / "wukong_100m_255.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER + line_of("https://a", "红心"))
    assert [row.caption for row in read_rows(path)] == ["红心"]


@pytest.mark.parametrize("head", [b"", b"caption,url\n", b"dir,caption\n", "图片,文字\n".encode("gbk")])
def test_other_columns_are_refused(tmp_path, head):
    path = tmp_path / "wukong_100m_0.csv"
    path.write_bytes(head)
    with pytest.raises(DataError, match=r"line 1: the columns are .* and in Wukong they are 'url,caption'"):
        list(read_rows(path))


@pytest.mark.parametrize("name", ["wukong_100m_.csv", "wukong_100m_1000.csv", "captions.csv", "wukong_100m_0.csv.gz"])
def test_a_file_that_is_called_otherwise_has_no_number(tmp_path, name):
    assert number_of(tmp_path / name) is None
