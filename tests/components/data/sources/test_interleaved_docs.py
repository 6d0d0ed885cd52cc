"""Documents: which words go with which picture, documents that stay whole, and a row for everything that can be no sample."""

import base64
import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.sources import build_source, document_files
from components.data.sources.document import BadDocument, nearest, read_document, shortened
from components.data.sources.interleaved_docs import InterleavedDocs
from components.data.sources.which import describe_path
from components.validation.rules import Limits
from tests.own_pictures import paint
from tests.web_server import Web, serving


@pytest.fixture
def made(tmp_path):
    """A folder of 12 pictures, what is said of each, and a row of two pictures each with its words after it."""
    folder = tmp_path / "docs"
    said = {name: caption for name, (caption, _) in paint(folder / "images", 12).items()}
    names = list(said)
    rows = [
        {
            "url": f"https://a.example/{at}",
            "images": [one, None, two, None],
            "texts": [None, said[one], None, said[two]],
        }
        for at, (one, two) in enumerate(zip(names[::2], names[1::2], strict=True))
    ]
    return folder, said, rows


def write(folder, rows, name="docs.jsonl"):
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")


def came(path, seed=0, **settings):
    return list(InterleavedDocs(str(path), **settings).samples(seed, silent))


def good(found):
    return [one for one in found if isinstance(one, Sample)]


def rejects(found):
    return {one.key: (one.reason, one.detail) for one in found if isinstance(one, Reject)}


def words(found):
    return [[text.text for text in sample.texts] for sample in good(found)]


def test_a_picture_has_the_words_after_it_and_a_document_stays_in_one_split(made):
    folder, said, rows = made
    write(folder, rows)
    found = came(folder)
    assert words(found) == [[caption] for caption in said.values()]
    assert [one.media[0].data for one in found] == [(folder / "images" / name).read_bytes() for name in said]
    splits = [one.split for one in found]
    assert splits[::2] == splits[1::2]
    assert set(splits) == {"train", "val", "pair"}
    assert InterleavedDocs(str(folder)).describe()["counted"] == {"pictures": 12, "captions": 12, "groups": 6}


@pytest.mark.parametrize(
    ("layout", "side", "place"),
    [
        ("TP", "after", 0), ("PT", "before", 1), ("TPT", "after", 2), ("TPT", "before", 0),
        ("T.PT", "before", 3), ("TP.T", "after", 0), ("P", "after", None), ("TPP", "after", 0),
    ],
)  # fmt: skip
def test_the_nearest_text_is_taken_and_of_two_as_near_the_one_on_the_side_that_is_asked_for(layout, side, place):
    texts = [str(at) if one == "T" else None for at, one in enumerate(layout)]
    images = ["a.png" if one == "P" else None for one in layout]
    document = read_document({"texts": texts, "images": images})
    pictures = [one for one in document.pictures if one.fault is None]
    assert nearest(document, pictures[-1], side) == place
    assert len(document.pictures) == layout.count("P") + layout.count(".")


def test_mmc4_pictures_have_the_text_that_they_name(made):
    folder, said, _ = made
    names = list(said)
    rows = [
        {
            "text_list": ["a heading", said[one], "a line of nothing", said[two]],
            "image_info": [
                {"image_name": two, "raw_url": "https://a.example/x.png", "matched_text_index": 3, "matched_sim": 0.3},
                {"image_name": one, "matched_text_index": 1},
            ],
            "similarity_matrix": [[0.1, 0.2, 0.1, 0.3], [0.1, 0.4, 0.1, 0.2]],
        }
        for one, two in zip(names[::2], names[1::2], strict=True)
    ]
    write(folder, rows)
    found = came(folder)
    assert [one.media[0].data for one in found[:2]] == [(folder / "images" / names[at]).read_bytes() for at in (1, 0)]
    assert words(found)[:2] == [[said[names[1]]], [said[names[0]]]]
    without = InterleavedDocs(str(folder)).describe()["without"]
    assert without["texts that no picture takes"].startswith("12: text 0 of docs.jsonl/000001")


@pytest.mark.parametrize("held", ["paths", "structs", "bytes"])
def test_parquet_gives_the_same_as_lines_whether_it_holds_paths_or_pictures(made, held):
    folder, _, rows = made
    write(folder, rows)
    wanted = came(folder)
    (folder / "docs.jsonl").unlink()
    read = {
        "paths": lambda name: name,
        "structs": lambda name: {"bytes": (folder / "images" / name).read_bytes(), "path": None},
        "bytes": lambda name: (folder / "images" / name).read_bytes(),
    }[held]
    again = [{**row, "images": [name and read(name) for name in row["images"]]} for row in rows]
    pq.write_table(pa.Table.from_pylist(again), folder / "docs.parquet")
    found = came(folder)
    assert [(one.media[0].data, one.texts, one.split) for one in found] == [
        (one.media[0].data, one.texts, one.split) for one in wanted
    ]
    assert all(one.media[0].member.endswith(".png") for one in found)


def test_pictures_in_base64_are_read_and_those_that_are_none_are_rows(made):
    folder, said, rows = made
    data = base64.b64encode((folder / "images" / next(iter(said))).read_bytes()).decode()
    info = [{"image_base64": data, "matched_text_index": 0}, {"image_base64": "no!", "matched_text_index": 0}]
    write(folder, [*rows[1:], {"text_list": ["a thing"], "image_info": info}])
    found = came(folder)
    assert words(found)[-1] == ["a thing"]
    assert rejects(found)["docs.jsonl/000006/001"][0] == "bad_document"


def test_long_texts_are_taken_by_whole_sentences_from_the_picture_on_and_counted(made):
    folder, said, rows = made
    long = "One is here. Two is there! " + "word " * 80 + "end."
    rows[0]["texts"][1] = long
    rows[1]["texts"] = [long + " Last one.", None, None, None]
    rows[1]["images"] = [None, list(said)[2], None, None]
    write(folder, rows)
    found = came(folder)
    assert words(found)[0] == ["One is here. Two is there!"]
    assert words(found)[2] == ["Last one."]
    without = InterleavedDocs(str(folder)).describe()["without"]
    assert without["texts of which at most 300 characters are taken"].startswith("2: that of docs.jsonl/000001/000")
    assert max(len(text) for texts in words(came(folder, characters=12)) for text in texts) <= 12


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("characters", [1, 7, 20, 40])
def test_what_is_taken_of_a_text_is_its_beginning_or_its_end_and_fits(first, characters):
    for text in ("One. Two is it. Three are more\nof them.", "a " * 30, "字。" * 30, "x" * 99, "short"):
        part = shortened(text, characters, first)
        whole, part = "".join(text.split()), "".join(part.split())
        assert 0 < len(part) <= characters
        assert whole.startswith(part) if first else whole.endswith(part)


def test_a_caption_of_the_default_length_is_one_that_validation_takes():
    assert InterleavedDocs().characters <= Limits().max_caption


def test_everything_that_can_be_no_sample_is_a_row_with_its_reason_and_the_others_come_in(made, tmp_path):
    folder, _, rows = made
    (folder / "images/empty.png").write_bytes(b"")
    os.mkfifo(folder / "images/pipe.png")
    (tmp_path / "secret.png").write_bytes((folder / "images/0000.png").read_bytes())
    (folder / "images/link.png").symlink_to(tmp_path / "secret.png")
    bad = ["ftp://me:secret@a.example/a.png", "gone.png", "../../secret.png", str(tmp_path / "secret.png"), "link.png", "empty.png",
           "pipe.png", "a\0b.png", 7, None, "x" * 5000]  # fmt: skip
    rows += [
        b'{"texts": ["\xff"], "images": [null]}', b'{"texts": [', b"[1]", b"[" * 100_000, b"",
        {"texts": ["a", None], "images": [None]}, {"texts": ["a"], "images": ["0000.png"]}, {"texts": ["a"]},
        {"texts": "a", "images": [None]}, {"texts": [1], "images": [None]}, {"texts": [], "images": []},
        {"text_list": ["a"], "image_info": [{"image_name": "0000.png", "matched_text_index": at} for at in (0, 1, -1, "0")]},
        {"texts": ["a", *[None] * len(bad)], "images": [None, *bad]},
    ]  # fmt: skip
    write(folder, rows)
    found = came(folder)
    why = rejects(found)
    assert {key: reason for key, (reason, _) in why.items()} == {
        "docs.jsonl/000007": "bad_utf8", **{f"docs.jsonl/{at:06d}": "bad_json" for at in (8, 9, 10)},
        **{f"docs.jsonl/{at:06d}": "bad_document" for at in range(12, 17)}, "docs.jsonl/000017": "no_picture",
        **{f"docs.jsonl/000018/{at:03d}": "bad_document" for at in (1, 2, 3)},
        **{f"docs.jsonl/000019/{at:03d}": "no_picture" for at in (1, 2, 7, 8, 9, 10, 11)},
        **{f"docs.jsonl/000019/{at:03d}": "path_escape" for at in (3, 4, 5)}, "docs.jsonl/000019/006": "zero_bytes",
    }  # fmt: skip
    assert why["docs.jsonl/000019/001"][1] == "it is a URL of ftp://, which is not fetched; http, https and s3 are"
    assert "matched_text_index is 1, and the document has 1 texts" in why["docs.jsonl/000018/001"][1]
    assert len(good(found)) == 13
    came_in = ingest(InterleavedDocs(str(folder)), tmp_path / "raw", 0)
    assert came_in["rows_in"] == 13 + len(why) == came_in["samples"] + came_in["quarantined"]


def test_a_line_longer_than_is_read_is_one_row_and_the_next_is_read(made, monkeypatch):
    folder, _, rows = made
    monkeypatch.setattr(document_files, "MAX_LINE_BYTES", 1000)
    write(folder, [b"x" * 2500, *rows, b"x" * 1000])
    found = came(folder)
    assert rejects(found) == dict.fromkeys(
        ("docs.jsonl/000001", "docs.jsonl/000008"), ("bad_json", "the line is no document: longer than 1,000 bytes")
    )
    assert len(good(found)) == 12


def test_a_file_that_is_cut_or_of_another_kind_is_a_row_for_the_whole_file(made):
    folder, _, rows = made
    write(folder, rows)
    pq.write_table(pa.Table.from_pylist(rows), folder / "cut.parquet")
    (folder / "cut.parquet").write_bytes((folder / "cut.parquet").read_bytes()[:-30])
    pq.write_table(pa.table({"image": ["a.png"], "caption": ["a"]}), folder / "pairs.parquet")
    (folder / "garbage.jsonl").write_bytes(b"\x00\xff\n")
    why = rejects(came(folder))
    assert {key: why[key][0] for key in ("cut.parquet", "pairs.parquet", "garbage.jsonl")} == dict.fromkeys(
        ("cut.parquet", "pairs.parquet", "garbage.jsonl"), "all_bad_shard"
    )
    assert "only image, caption" in why["pairs.parquet"][1]


def test_a_document_without_words_gives_pictures_without_texts(made):
    folder, _, rows = made
    rows[0]["texts"] = [None, "", None, " "]
    write(folder, rows)
    found = came(folder)
    assert words(found)[:3] == [[], [], words(found)[2]]
    assert words(found)[2]


def test_licence_and_language_are_the_rows_and_rows_of_one_id_stay_together(made):
    folder, _, rows = made
    for at, row in enumerate(rows):
        row |= {"id": f"page {at // 2}", "licence": "CC0-1.0", "lang": "de"}
    write(folder, rows)
    found = came(folder)
    assert {(one.licence, one.texts[0].lang) for one in found} == {("CC0-1.0", "de")}
    for four in (found[at : at + 4] for at in (0, 4, 8)):
        assert len({one.split for one in four}) == 1


def test_a_file_that_changes_between_its_two_readings_is_refused(made):
    folder, _, rows = made
    write(folder, rows)
    source = InterleavedDocs(str(folder))
    source.describe()
    write(folder, rows[:-1])
    with pytest.raises(DataError, match="changed or vanished"):
        list(source.samples(0, silent))


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"side": "left"}, "after or before"), ({"characters": 0}, "from 1"), ({"characters": True}, "from 1")],
)
def test_settings_that_mean_nothing_are_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        InterleavedDocs(**settings)


def test_a_folder_without_documents_and_one_of_too_few_are_refused(made, tmp_path):
    folder, _, rows = made
    with pytest.raises(DataError, match=r"holds no file of documents \(\.jsonl, \.parquet\)"):
        came(folder)
    write(folder, rows[:2])
    with pytest.raises(DataError, match="4 pictures with a caption in 2 groups"):
        came(folder)


@pytest.fixture
def web(made, tmp_path, monkeypatch):
    """Serves the twelve pictures below /p/, and has them alone."""
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    folder, said, _ = made
    with serving(Web({f"/p/{name}": (folder / "images" / name).read_bytes() for name in said})) as web:
        shutil.rmtree(folder / "images")
        yield web


def elsewhere(rows, web):
    """Return OBELICS's rows with URLs in place of paths, and the same as MMC4 has them before its pictures are fetched."""
    named = [{**row, "images": [one and web.url(f"/p/{one}#top") for one in row["images"]]} for row in rows]
    info = [[(at, one) for at, one in enumerate(row["images"]) if one] for row in rows]
    matched = [
        {
            "text_list": row["texts"],
            "image_info": [
                {"image_name": f"{at}.png", "raw_url": web.url(f"/p/{one}"), "matched_text_index": at + 1}
                for at, one in of_row
            ],
        }
        for row, of_row in zip(rows, info, strict=True)
    ]
    return named, matched


@pytest.mark.parametrize("layout", [0, 1], ids=["OBELICS", "MMC4"])
def test_pictures_named_by_url_are_fetched_once_and_nothing_of_them_stays(made, web, tmp_path, layout):
    folder, said, rows = made
    write(folder, elsewhere(rows, web)[layout])
    source = InterleavedDocs(str(folder), allow_hosts=[web.host])
    came_in = ingest(source, tmp_path / "raw", 0)
    assert (came_in["samples"], came_in["quarantined"]) == (12, 0)
    assert sorted(
        text["text"] for row in read_manifest(tmp_path / "raw/manifest.parquet")["texts"].to_pylist() for text in row
    ) == sorted(said.values())
    assert set(web.asked.values()) == {1}
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_nothing_stays_of_pictures_that_were_only_looked_at(made, web, tmp_path):
    folder, _, rows = made
    write(folder, elsewhere(rows, web)[0])
    source = InterleavedDocs(str(folder), allow_hosts=[web.host])
    assert len([one for one in source.unsplit(silent) if isinstance(one, Sample)]) == 12
    assert source.describe()["name"] == "interleaved_docs"
    assert set(web.asked.values()) == {1}
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_url_that_gives_nothing_is_a_row_and_hosts_of_this_network_are_asked_only_where_params_name_them(made, web):
    folder, _, rows = made
    named = elsewhere(rows, web)[0]
    named[0]["images"][0] = web.url("/gone.png")
    write(folder, named)
    found = came(folder, allow_hosts=[web.host])
    assert len(good(found)) == 11
    assert list(rejects(found)) == ["docs.jsonl/000001/000"]
    assert rejects(found)["docs.jsonl/000001/000"][0] == "fetch_failed"
    asked = web.asked.total()
    with pytest.raises(DataError, match="0 pictures with a caption"):
        came(folder)
    assert web.asked.total() == asked


def test_documents_can_be_looked_at_as_they_lie_however_few(made):
    folder, said, rows = made
    write(folder, [*rows[:1], b"{"])
    *found, last = InterleavedDocs(str(folder)).unsplit(silent)
    assert [(one.split, one.texts[0].text) for one in found] == [
        ("train", caption) for caption in list(said.values())[:2]
    ]
    assert last.reason == "bad_json"


def test_documents_are_known_from_their_rows_wherever_they_lie(made, tmp_path, monkeypatch):
    folder, _, rows = made
    monkeypatch.chdir(tmp_path)
    write(folder, [b"{broken", *rows])
    whole = {"name": "interleaved_docs", "path": "docs"}
    assert describe_path(folder) == whole
    by_file = describe_path(folder / "docs.jsonl")
    assert by_file == {**whole, "documents": "docs.jsonl"}
    for source in (whole, by_file, {**whole, "images": "images"}):
        assert len(good(build_source(source).samples(0, silent))) == 12
    (folder / "docs.jsonl").unlink()
    pq.write_table(pa.Table.from_pylist(rows), folder / "docs.parquet")
    assert describe_path(folder) == whole
    (folder / "docs.parquet").unlink()
    write(folder, rows, "metadata.jsonl")
    assert describe_path(folder) == {**whole, "documents": "metadata.jsonl"}


def test_rows_of_pairs_are_no_documents(made):
    folder, said, _ = made
    write(folder, [{"image": f"images/{name}", "caption": caption} for name, caption in said.items()], "captions.jsonl")
    assert describe_path(folder)["name"] == "table"
    with pytest.raises(BadDocument, match="no list where one of texts, text_list is wanted"):
        read_document({"image": "a.png", "caption": "a"})
