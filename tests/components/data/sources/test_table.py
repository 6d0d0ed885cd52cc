"""Tables of pictures and captions: every kind gives the same samples, and every fault names its line."""

import json
import os
import shutil
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.data.sources.table import PairTable
from tests.own_pictures import write_table


def samples(path, seed=0, **settings):
    return list(PairTable(str(path), **settings).samples(seed, silent))


def write_as(folder, said, kind):
    rows = [{"image": name, "caption": caption, "label": shape} for name, (caption, shape) in said.items()]
    path = folder / f"captions.{kind}"
    if kind == "csv":
        write_table(path, said, "label")
    elif kind == "tsv":
        path.write_text("".join("\t".join(row) + "\n" for row in [rows[0].keys(), *(row.values() for row in rows)]))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_gives_the_same_samples_by_itself_or_in_its_folder(own, kind, tmp_path):
    folder, said = own
    path = write_as(folder, said, kind)
    came = samples(path)
    assert came == samples(folder)
    assert [(s.texts[0].text, s.labels["category"]) for s in came] == list(said.values())
    assert Counter(sample.split for sample in came) == {"train": 48, "val": 6, "pair": 6}
    assert all(sample.media[0].data == (folder / name).read_bytes() for sample, name in zip(came, said, strict=True))


def test_rows_and_lists_of_one_picture_become_one_sample(own):
    folder, said = own
    rows = [{"file": name, "said": [caption, f"again {caption}"]} for name, (caption, _) in said.items()]
    rows += [{"file": "./0000.png", "said": "once more"}, {"file": "0000.png", "said": "once more"}]
    (folder / "list.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    came = samples(folder / "list.jsonl", columns={"image": "file", "caption": "said"})
    assert len(came) == 60
    assert [text.text for text in came[0].texts] == [
        "a red circle at the left",
        "again a red circle at the left",
        "once more",
    ]


def test_each_caption_is_of_the_kind_that_its_row_or_its_column_says(own):
    folder, said = own
    rows = [
        {"image": name, "title": caption, "caption_kind": "Scene Text" if name == "0001.png" else "", "page": f"alt {name}",
         "story": [f"{name} has a sentence.", caption]} for name, (caption, _) in said.items()
    ]  # fmt: skip
    (folder / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    came = samples(folder, columns={"alt": "page", "long": "story"})
    assert [(text.text, text.kind) for text in came[0].texts] == [
        ("a red circle at the left", "short"), ("alt 0000.png", "alt"), ("0000.png has a sentence.", "long")
    ]  # fmt: skip
    assert [text.kind for text in came[1].texts] == ["scene_text", "alt", "long"]


def test_alt_texts_and_long_captions_need_no_other(own):
    folder, said = own
    lines = ["image,page,story", *(f"{name},alt {name},long {name}" for name in said)]
    (folder / "captions.csv").write_text("\n".join(lines))
    came = samples(folder, columns={"alt": "page", "long": "story"})
    assert [(text.text, text.kind) for text in came[0].texts] == [("alt 0000.png", "alt"), ("long 0000.png", "long")]
    with pytest.raises(ConfigError, match=r"which column of captions\.csv holds the caption"):
        samples(folder, columns={"label": "page"})
    (folder / "captions.csv").write_text("image,page\n0000.png,\n")
    with pytest.raises(DataError, match="has a caption in the column 'page'"):
        samples(folder, columns={"alt": "page"})


def test_spreadsheets_write_semicolons_and_marks_before_the_first_letter(own):
    folder, said = own
    lines = ["File Name;Text;Group;Language;Key"]
    lines += [
        f'{name};"{caption}";{number // 6};de;my-{number}' for number, (name, (caption, _)) in enumerate(said.items())
    ]
    (folder / "captions.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    came = samples(folder)
    assert [sample.key for sample in came] == [f"my-{number}" for number in range(60)]
    assert {text.lang for sample in came for text in sample.texts} == {"de"}
    by_group = {number // 6: sample.split for number, sample in enumerate(came)}
    assert [sample.split for sample in came] == [by_group[number // 6] for number in range(60)]
    assert Counter(by_group.values()) == {"train": 6, "val": 2, "pair": 2}


def test_languages_are_what_the_script_allows_and_nothing_is_refused_for_a_default(own):
    folder, said = own
    lines = ["image,caption", *(f"{name},{'红色的心' if i % 2 else 'red heart'} {i}" for i, name in enumerate(said))]
    (folder / "captions.csv").write_text("\n".join(lines))
    assert {s.texts[0].lang for s in samples(folder, languages=["en"])} == {"en", "und"}
    assert PairTable(str(folder), languages=["en", "zh"]).describe()["languages"] == ["en", "zh"]


def test_nothing_is_lost_without_being_counted(own):
    folder, said = own
    write_table(folder / "captions.csv", said)
    with (folder / "captions.csv").open("a") as table:
        table.write("missing.png,a ghost\n,nobody\nloop.png,a circle\n0000.png,\n")
    (folder / "loop.png").symlink_to("loop.png")
    shutil.copy(folder / "0000.png", folder / "unnamed.png")
    without = PairTable(str(folder)).describe()["without"]
    assert without["records that did not come in"] == (
        "3: captions.csv, line 63 (the column 'image' of the row is empty, which says 'nobody'), "
        "missing.png (there is no such file), loop.png (there is no such file)"
    )
    assert without["pictures that no row names"] == "1: unnamed.png"
    assert without["zero_shot"].startswith("the table has no column for labels")
    came = list(PairTable(str(folder)).samples(0, silent))
    rejects = [one for one in came if isinstance(one, Reject)]
    assert [(one.key, one.reason) for one in rejects] == [
        ("captions.csv, line 63", "no_picture"), ("missing.png", "no_picture"), ("loop.png", "no_picture"),
    ]  # fmt: skip
    assert "which says 'nobody'" in rejects[0].detail
    assert len(came) == 63


def test_a_path_out_of_the_folder_is_taken_for_a_picture_of_ones_own_only(own, tmp_path):
    folder, said = own
    (tmp_path / "tables").mkdir()
    table = write_table(tmp_path / "tables/list.csv", {f"../own/{name}": pair for name, pair in said.items()})
    assert len(samples(table)) == 60
    absolute = write_table(tmp_path / "tables/absolute.csv", {str(folder / name): pair for name, pair in said.items()})
    assert [s.media[0].data for s in samples(absolute)] == [s.media[0].data for s in samples(table)]
    (tmp_path / "secret.txt").write_text("key")
    with table.open("a") as opened:
        opened.write("../secret.txt,mine\n")
    with pytest.raises(
        DataError, match=r"line 62: \.\./secret\.txt leads out of the table's folder.*no picture file of yours"
    ):
        samples(table)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_path_out_of_the_folder_to_somebody_elses_picture_is_refused(own, tmp_path):
    folder, said = own
    (tmp_path / "tables").mkdir()
    table = write_table(tmp_path / "tables/list.csv", {f"../own/{name}": pair for name, pair in said.items()})
    os.chown(folder / "0007.png", 12345, 12345)
    with pytest.raises(DataError, match=r"line 9: \.\./own/0007\.png leads out"):
        samples(table)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty. Its first line must name the columns"),
        ("image,caption\n", r"has no row with a picture\. Write a row a picture: `image,caption`"),
        ("image,caption\n0000.png,\n0001.png, \n", "no row of .* has a caption in the column 'caption'"),
        ("image,caption\n0000.png,a cat, asleep\n", r"line 2: 3 cells, but the first line names 2 columns.*quotes"),
        ('image,caption\n0000.png,"open\n', r"line 2: unexpected end of data"),
        ("image,image,caption\n", "has the column 'image' twice"),
        (
            "image,caption\nftp://x.org/a.png,a cat\n",
            r"line 2: ftp://x\.org/a\.png is a URL of a kind that is not fetched; http, ",
        ),
        ("image,caption\n0000.png,a cat\n", r"1 pictures with a caption in 1 groups, too few"),
    ],
)
def test_a_faulty_table_is_refused_with_its_line_and_a_remedy(own, text, says):
    (own[0] / "captions.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        samples(own[0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "a,b\n",
            r"holds the picture's path\? None is called so\. Its columns are a, b\. .*columns: \{image: COLUMN, caption",
        ),
        ("file,path,caption\n", r"Several could be it \(file, path\).*image: COLUMN"),
        (
            "image,text,title\n",
            r"holds the caption\? Several could be it \(text, title\).*\{image: image, caption: COLUMN\}",
        ),
    ],
)
def test_columns_that_are_not_recognised_are_listed_with_what_to_write(own, text, says):
    (own[0] / "captions.csv").write_text(text)
    with pytest.raises(ConfigError, match=says):
        samples(own[0])


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            {"image": "imgae"},
            r"source\.columns\.image is 'imgae', but captions\.csv has no such column.*did you mean image\?",
        ),
        ({"imag": "image"}, r"source\.columns takes no 'imag'.*did you mean image\?"),
        (["image"], "Give what each column says"),
        ({"image": 3}, "Give what each column says"),
    ],
)
def test_a_column_map_of_what_is_not_there_is_refused(own, columns, says):
    write_table(own[0] / "captions.csv", own[1])
    with pytest.raises(ConfigError, match=says):
        samples(own[0], columns=columns)


def test_other_files_are_no_tables(own):
    folder, said = own
    write_table(folder / "captions.csv", said)
    (folder / "captions.jsonl").write_text("not json\n")
    with pytest.raises(DataError, match=r"line 1: no JSON"):
        samples(folder / "captions.jsonl")
    with pytest.raises(DataError, match=r"has captions\.csv and captions\.jsonl, and both could be meant"):
        samples(folder)
    with pytest.raises(DataError, match="has no table other"):
        samples(folder, table="other.csv")
    with pytest.raises(DataError, match="is no table"):
        samples(folder / "0000.png")
    (folder / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        samples(folder / "bad.parquet")
    (folder / "latin.csv").write_bytes("image,caption\n0000.png,ein schöner\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"is not UTF-8.*iconv"):
        samples(folder / "latin.csv")
    pq.write_table(pa.table({"image": [b"\x89PNG"], "caption": ["a"]}), folder / "bytes.parquet")
    with pytest.raises(DataError, match="row 1: the column 'image' holds pictures themselves"):
        samples(folder / "bytes.parquet")
