"""Wukong as a source: a picture by its table and row, what is missing told of, and nothing lost on the way to a batch."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.ingest import ingest
from components.data.sources.which import describe_path
from components.data.sources.wukong import WukongSource
from components.data.tokenizers import Vocabulary
from components.validation.validate import validate
from tests.wukong_tables import caption_of, line_of, url_of, write_table, write_wukong


@pytest.fixture
def wukong(own, tmp_path) -> tuple[Path, dict[str, str]]:
    """Sixty pictures in two tables, and key -> text."""
    folder, said = own
    return tmp_path / "wukong", dict(write_wukong(tmp_path / "wukong", [(folder / name).read_bytes() for name in said]))


def samples(folder: Path, **settings) -> list[Sample | Reject]:
    return list(WukongSource(str(folder), **settings).samples(0, silent))


def test_each_row_is_a_picture_with_a_chinese_text(wukong):
    folder, said = wukong
    came = samples(folder)
    assert {one.key: one.texts[0].text for one in came} == said
    assert {(text.kind, text.lang) for one in came for text in one.texts} == {("alt", "zh")}
    assert Counter(one.split for one in came) == {"train": 48, "val": 6, "pair": 6}
    assert describe_path(folder) == {"name": "wukong", "path": str(folder)}
    assert [one.key[:3] for one in samples(folder / "wukong_100m_1.csv")] == ["001"] * 20


def test_what_is_missing_or_empty_is_rejected_and_what_no_row_names_is_counted(wukong):
    folder, said = wukong
    (folder / "000/00003.png").unlink()
    (folder / "000/00004.png").write_bytes(b"")
    (folder / "001/00099.png").write_bytes((folder / "000/00000.png").read_bytes())
    source = WukongSource(str(folder))
    came = list(source.samples(0, silent))
    assert {one.key: one.reason for one in came if isinstance(one, Reject)} == {
        "000-00003": "no_picture",
        "000-00004": "zero_bytes",
    }
    assert len(came) == len(said)
    assert source.describe()["without"]["pictures that no row names"] == "1: 001/00099.png"


def test_a_bad_line_keeps_the_numbers_of_those_behind_it_and_a_row_that_comes_again_is_counted(wukong):
    folder, said = wukong
    lines = [line_of(url_of(number), caption_of(number)) for number in range(40)]
    lines[2] = b"no row\n"
    lines[9] = lines[8]
    write_table(folder, 0, lines)
    source = WukongSource(str(folder))
    came = list(source.samples(0, silent))
    assert [(one.key, one.reason) for one in came if isinstance(one, Reject)] == [
        ("wukong_100m_0.csv, line 4", "bad_row")
    ]
    assert {one.key: one.texts[0].text for one in came if isinstance(one, Sample)} == {
        key: text for key, text in said.items() if key not in ("000-00002", "000-00009")
    }
    assert source.describe()["without"]["rows of a URL and text that stood before"] == "1: wukong_100m_0.csv, line 11"


def test_two_pictures_of_one_row_are_told_of_with_both_names(wukong):
    folder, _ = wukong
    (folder / "more/000").mkdir(parents=True)
    (folder / "more/000/00003.png").write_bytes((folder / "000/00003.png").read_bytes())
    with pytest.raises(DataError, match=r"000/00003\.png and more/000/00003\.png are both called by row 3 of table 0"):
        samples(folder)


def test_pictures_of_one_url_are_in_one_split(wukong):
    folder, _ = wukong
    write_table(folder, 0, [line_of(url_of(number % 4), caption_of(number)) for number in range(40)])
    splits = {one.key: one.split for one in samples(folder)}
    for number in range(4):
        assert len({splits[f"000-{row:05d}"] for row in range(number, 40, 4)}) == 1


def test_no_character_is_lost_between_table_manifest_and_batch(wukong, tmp_path):
    """Kept as they came; what the tokenizer reads is NFKC in small letters, and it reads all of that."""
    folder, _ = wukong
    odd = "Ａ豈 e\u0301 ①全角\u3000空格 𠀀"
    write_table(folder, 0, [line_of(url_of(number), f"{odd}{number}") for number in range(40)])
    ingest(WukongSource(str(folder)), tmp_path / "raw", seed=0)
    kept = {row["key"]: row["texts"][0]["text"] for row in pq.read_table(tmp_path / "raw/manifest.parquet").to_pylist()}
    assert kept["000-00007"] == f"{odd}7"
    vocabulary = Vocabulary.train(kept.values(), size=600, context=64)
    batch = vocabulary([kept["000-00007"]])
    ids = batch.ids[0][batch.mask[0]].tolist()[1:-1]
    assert vocabulary.tokenizer.decode(ids).removeprefix(" ") == "a豈 é 1全角 空格 𠀀7"


def test_a_clean_set_passes_validation_whole(wukong, tmp_path):
    folder, _ = wukong
    ingest(WukongSource(str(folder)), tmp_path / "raw", seed=0)
    report = validate(
        tmp_path / "raw", tmp_path / "validated", tmp_path / "pools", max_broken=0.0, seed=0, failed_report=tmp_path / "failed.html"
    )  # fmt: skip
    assert (report["rows_in"], report["clean"] + report["pools"]) == (60, 60)
    assert report["languages"] == {"zh": 60}


def test_a_folder_without_a_table_is_refused(tmp_path):
    (tmp_path / "000").mkdir()
    with pytest.raises(DataError, match="has no table of Wukong"):
        samples(tmp_path)
