"""WIT as a source: pages in two languages are one sample of several texts, and of seeded faults each is found under its name."""

import gzip
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contracts.admit import Admit
from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.admission import Admitted
from components.data.ingest import ingest
from components.data.sources.which import describe_path
from components.data.sources.wit import WitSource
from components.data.sources.wit_pictures import digest_of
from components.data.sources.wit_rows import line_of
from components.data.sources.wit_tables import convert
from components.validation.validate import validate
from tests.shards import write_shard
from tests.wit_pages import PAGE, url_of, write_pages, write_wit


@pytest.fixture
def wit(own, tmp_path) -> tuple[Path, list]:
    folder, said = own
    pages = write_wit(tmp_path / "wit", {(folder / name).read_bytes(): caption for name, (caption, _) in said.items()})
    return tmp_path / "wit", pages


def samples(folder: Path, **settings) -> list[Sample | Reject]:
    return list(WitSource(str(folder), **settings).samples(0, silent))


def validated(source, at: Path) -> dict:
    """Ingest and validate, and return report.json and the codes of quarantine by key."""
    ingest(source, at / "raw", seed=0)
    report = validate(
        at / "raw", at / "validated", at / "pools", max_broken=1.0, seed=0, failed_report=at / "failed.html"
    )
    aside = pq.read_table(at / "validated/quarantine.parquet").to_pylist()
    return report | {"aside": [(row["key"], row["reason"]) for row in aside]}


def test_pages_of_one_picture_are_one_sample_whose_texts_have_field_and_language(wit):
    folder, pages = wit
    came = samples(folder)
    assert len(came) == 60
    assert [(text.text, text.kind, text.lang) for text in came[0].texts] == [
        (pages[0].caption_reference_description, "reference", "en"),
        (pages[0].caption_attribution_description, "attribution", "en"),
        (pages[0].caption_alt_text_description, "alt", "en"),
        ("Bild 0", "reference", "de"),
    ]
    assert came[0].key == digest_of(url_of(0))
    assert came[0].name == url_of(0)
    assert Counter(one.split for one in came) == {"train": 48, "val": 6, "pair": 6}


def test_a_folder_of_tables_is_recognised_and_tars_and_parquet_give_the_same(wit, tmp_path):
    folder, _ = wit
    assert describe_path(folder) == {"name": "wit", "path": str(folder)}
    other = tmp_path / "other"
    other.mkdir()
    convert(folder / "wit.tsv.gz", other / "wit.parquet")
    pictures = sorted(folder.glob("*.png"))
    write_shard(other / "00000.tar", [(path.name, path.read_bytes()) for path in pictures])
    assert samples(other) == samples(folder)


def test_a_packed_tar_is_a_row_that_says_so_and_none_of_its_bytes_are_taken_for_pictures(wit):
    folder, _ = wit
    pictures = [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.png"))]
    for path in folder.glob("*.png"):
        path.unlink()
    write_shard(folder / "00000.tar", pictures[:20])
    plain = write_shard(folder / "00001.tar", pictures[20:]).read_bytes()
    (folder / "00001.tar").write_bytes(gzip.compress(plain))
    (folder / "00002.tar").write_bytes(pa.compress(plain, "zstd", asbytes=True))
    came = samples(folder)
    assert {one.media[0].data for one in came if isinstance(one, Sample)} == {data for _, data in pictures[:20]}
    aside = [one for one in came if isinstance(one, Reject)]
    assert Counter(one.reason for one in aside) == {"all_bad_shard": 2, "no_picture": 40}
    assert [one.key for one in aside if one.reason == "all_bad_shard"] == ["00001.tar", "00002.tar"]
    assert "unpack it with `gunzip`" in aside[0].detail


def test_a_table_that_was_written_again_beside_itself_is_read_once(wit):
    folder, pages = wit
    write_pages(folder / "wit.tsv.gz", [*pages, b"no row\n"])
    write_pages(folder / "more.tsv", [replace(pages[0], language="fr", caption_reference_description="un cercle")])
    before = samples(folder, most_rows=3)
    assert [one.reason for one in before if isinstance(one, Reject)] == ["bad_row"]
    assert len(before) == 61
    convert(folder / "wit.tsv.gz", folder / "wit.parquet")
    source = WitSource(str(folder), most_rows=3)
    assert list(source.samples(0, silent)) == before
    assert source.describe()["without"]["tables that another beside them has the rows of"] == (
        "1: wit.parquet (wit.tsv.gz is read)"
    )
    (folder / "sub").mkdir()
    (folder / "wit.parquet").rename(folder / "sub/wit.parquet")
    assert "pictures in too many rows" in WitSource(str(folder), most_rows=3).describe()["without"], "not side by side"


@pytest.mark.parametrize("name", ["wit.tsv", "wit.tsv.gz"])
def test_a_table_whose_columns_are_not_named_is_recognised_by_its_rows(wit, name):
    folder, pages = wit
    came = samples(folder)
    (folder / "wit.tsv.gz").unlink()
    (folder / "notes.tsv").write_text("\t".join(["language", *"abcdefghijklmnop"]) + "\n" + "\t" * 16 + "\n")
    rows = b"".join(map(line_of, pages))
    assert rows.startswith(b"en\t")
    for lines in (rows, b"no row\n" + rows):
        (folder / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
        assert describe_path(folder) == {"name": "wit", "path": str(folder)}
        assert [one for one in samples(folder) if isinstance(one, Sample)] == came
    (folder / name).write_bytes(gzip.compress(b"\t" * 16) if name.endswith(".gz") else b"\t" * 16)
    assert describe_path(folder)["name"] == "folder"


def test_what_is_asked_for_comes_in_and_the_rest_is_counted(wit):
    folder, pages = wit
    source = WitSource(str(folder), fields=["reference", "page"], languages=["de"])
    came = list(source.samples(0, silent))
    assert [(text.text, text.kind) for text in came[1].texts] == [("Bild 1", "reference"), ("Red is a colour.", "page")]
    assert source.describe()["without"]["rows in other languages"] == "1: en 60"
    long = "One sentence of a page. " * 40
    rows = [replace(page, context_page_description=long) for page in pages]
    write_pages(folder / "wit.tsv.gz", rows)
    text = samples(folder, fields=["page"])[0].texts[0].text
    assert 250 < len(text) <= 300
    assert text.endswith("page.")


def test_a_picture_that_many_rows_show_is_left_out_and_counted(wit):
    folder, pages = wit
    write_pages(folder / "wit.tsv.gz", [*pages, replace(pages[0], language="fr")])
    source = WitSource(str(folder), most_rows=2)
    assert len(list(source.samples(0, silent))) == 59
    assert source.describe()["without"]["pictures in too many rows"] == f"1: {url_of(0)}"


def test_an_attribution_is_of_no_language_unless_wit_says_so(wit):
    folder, pages = wit
    write_pages(folder / "wit.tsv.gz", [replace(page, attribution_passes_lang_id=False) for page in pages])
    assert {text.lang for one in samples(folder) for text in one.texts if text.kind == "attribution"} == {"und"}


def test_a_licence_that_is_not_allowed_lets_nothing_in_and_pictures_have_that_of_the_source(wit):
    folder, _ = wit
    refused = list(Admitted(WitSource(str(folder)), Admit(licences=("CC-BY-SA-4.0",))).samples(0, silent))
    assert {one.reason for one in refused if isinstance(one, Reject)} == {"licence_refused"}
    allowed = Admitted(WitSource(str(folder), licence="CC-BY-SA-4.0"), Admit(licences=("CC-BY-SA-4.0",)))
    assert all(isinstance(one, Sample) for one in allowed.samples(0, silent))


def test_of_a_clean_set_nothing_is_set_aside_and_the_card_counts_what_a_recount_does(wit, tmp_path):
    folder, _ = wit
    report = validated(WitSource(str(folder)), tmp_path)
    assert report["aside"] == []
    assert (report["rows_in"], report["clean"] + report["pools"]) == (60, 60)
    every = [
        pq.read_table(path).to_pylist()
        for path in (tmp_path / "validated/manifest.parquet", *(tmp_path / "pools").glob("*/manifest.parquet"))
    ]
    told = Counter(text["lang"] for rows in every for row in rows for text in row["texts"])
    assert told == {"en": 180, "de": 60} == Counter(report["languages"])
    assert len({row["key"] for rows in every for row in rows}) == 60, "no picture is in two splits"
    card = (tmp_path / "validated/card.md").read_text()
    assert "| en | 180 |" in card
    assert "| de | 60 |" in card


FAULTS = {
    "bad_row": [b"en\tmuch too short\n", b'en\t"never closed\n'],
    "bad_utf8": [PAGE],
    "bad_cell": [PAGE],
    "unknown_language": [replace(PAGE, language="qq")],
    "mime_refused": [replace(PAGE, mime_type="application/pdf")],
    "file_name_caption": [replace(PAGE, caption_alt_text_description="0.png")],
    "no_picture": [replace(PAGE, image_url="https://upload.wikimedia.org/none.png"), replace(PAGE, image_url=None)],
}


def test_every_kind_of_seeded_fault_is_found_under_its_name_with_its_line(wit, tmp_path):
    """Seven kinds of rows, and six of pictures and texts."""
    folder, pages = wit
    wrong = dict(FAULTS)
    wrong["bad_utf8"] = [line_of(PAGE).replace(b"a red circle", b"caf\xe9")]
    wrong["bad_cell"] = [line_of(PAGE).replace(b"\ttrue", b"\tyes", 1), replace(PAGE, original_width=0)]
    rows = [one for ones in wrong.values() for one in ones]
    extra = []
    for number in range(100, 106):
        extra.append(
            replace(
                pages[0],
                image_url=url_of(number),
                caption_reference_description=f"extra {number}",
                caption_alt_text_description=None,
            )
        )
    extra[0] = replace(
        extra[0], caption_reference_description=None, caption_attribution_description=None
    )  # says nothing
    extra[1] = replace(
        extra[1], caption_attribution_description="красный круг"
    )  # and the table says that it is English
    for number in range(100, 106):
        picture = Image.new("RGB", (40, 40), (number, 2 * number, 250))
        picture.paste((250, number, 0), (5, 5, number - 80, 30))
        picture.save(folder / f"{digest_of(url_of(number))}.png")
    files = [folder / f"{digest_of(url_of(number))}.png" for number in range(100, 106)]
    files[2].write_bytes(files[2].read_bytes()[:-30])
    files[3].write_bytes(b"")
    files[4].write_bytes(b"<html>not found</html>")
    Image.new("RGB", (40, 40), (9, 9, 9)).save(files[5])
    write_pages(folder / "wit.tsv.gz", [*pages, *rows, *extra])
    report = validated(WitSource(str(folder)), tmp_path)
    found = Counter(reason for _, reason in report["aside"])
    assert found == {
        "bad_row": 2, "bad_utf8": 1, "bad_cell": 2, "unknown_language": 1, "mime_refused": 1, "file_name_caption": 1, "no_picture": 2,
        "no_caption": 1, "caption_language": 1, "truncated": 1, "zero_bytes": 1, "not_an_image": 1, "blank": 1,
    }  # fmt: skip
    assert ("wit.tsv.gz, line 122", "bad_row") in report["aside"]
    assert report["clean"] + report["pools"] == 60
    assert report["rows_in"] == 60 + len(report["aside"])


def test_a_copy_at_another_url_stays_in_the_same_split(wit):
    folder, pages = wit
    copies = [
        replace(page, image_url=f"{page.image_url}?again", caption_reference_description=f"copy {number}")
        for number, page in enumerate(pages)
    ]
    for number in range(60):
        name = digest_of(url_of(number))
        shutil.copy(folder / f"{name}.png", folder / f"{digest_of(url_of(number) + '?again')}.png")
    write_pages(folder / "wit.tsv.gz", [*pages, *copies])
    splits = {one.key: one.split for one in samples(folder)}
    assert len(splits) == 120
    assert all(splits[digest_of(url_of(n))] == splits[digest_of(url_of(n) + "?again")] for n in range(60))


def test_what_cannot_be_meant_is_refused(wit, tmp_path):
    with pytest.raises(ConfigError, match=r"source\.fields is"):
        WitSource(fields=["caption"])
    with pytest.raises(ConfigError, match="codes as WIT has them"):
        WitSource(languages="en")
    with pytest.raises(ConfigError, match="most_rows is 0"):
        WitSource(most_rows=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no table of WIT"):
        samples(tmp_path / "empty")
    folder, _ = wit
    with pytest.raises(DataError, match="has a text in section"):
        samples(folder, fields=["section"])
