"""Datasets that Hugging Face's own package wrote (tests/golden/huggingface), and what becomes of spoiled ones."""

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.ingest import ingest
from components.data.sources import build_source
from components.data.sources.huggingface import HuggingFaceFolder
from components.data.sources.which import describe_path

GOLDEN = Path(__file__).parents[3] / "golden/huggingface"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
FEATURES = {
    "info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["dark", "light"], "_type": "ClassLabel"}}}
}


def came(path, seed=0, **settings):
    return list(HuggingFaceFolder(str(path), **settings).samples(seed, silent))


def rejects(found):
    return [(one.key, one.reason) for one in found if isinstance(one, Reject)]


def png(number):
    held = io.BytesIO()
    Image.linear_gradient("L").resize((16, 16)).point(lambda value: (value + 7 * number) % 256).save(held, "PNG")
    return held.getvalue()


def rows(count, start=0):
    return [
        {"image": {"bytes": png(number), "path": None}, "caption": f"slope {number}", "label": number % 2}
        for number in range(start, start + count)
    ]


def table(listed, **kinds):
    schema = pa.schema(
        [("image", IMAGE), ("caption", pa.string()), ("label", kinds.pop("label", pa.int64())), *kinds.items()],
        metadata={"huggingface": json.dumps(FEATURES)},
    )
    return pa.Table.from_pylist(listed, schema)


def write_disk(folder, *tables):
    """Write tables as save_to_disk does, one file each, batches of 4 rows."""
    folder.mkdir(parents=True)
    names = [f"data-{place:05d}-of-{len(tables):05d}.arrow" for place in range(len(tables))]
    for name, one in zip(names, tables, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, one.schema) as stream:
            stream.write_table(one, max_chunksize=4)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


@pytest.mark.parametrize("kind", ["disk", "hub"])
def test_what_the_package_wrote_comes_in_whole(kind):
    found = came(GOLDEN / kind)
    order = [*range(8), *range(8, 12)] if kind == "disk" else [*range(8, 12), *range(8)]  # test/ before train/ by name
    assert [[text.text for text in sample.texts] for sample in found] == [
        [f"slope {number}", f"a slope of {number}"] for number in order
    ]
    for sample, number in zip(found, order, strict=True):
        picture = Image.open(io.BytesIO(sample.media[0].data))
        assert (picture.size, picture.getpixel((0, 0))) == ((16, 16), (4 + 10 * number,) * 3)
        assert sample.labels["category"] == ("dark", "light")[number % 2]
        assert sample.media[0].member.endswith(".png")
    assert len({sample.key for sample in found}) == 12
    said = HuggingFaceFolder(str(GOLDEN / kind)).describe()
    assert said["counted"] == {"pictures": 12, "captions": 24, "groups": 0}
    assert said["labels"] == {"dark": 6, "light": 6}
    assert said["without"]["columns that nothing reads"] == "1: id"
    assert "zero_shot" not in said["without"]


@pytest.mark.parametrize("of_all", ["Sequence", "List", None])
def test_numbers_of_classes_are_called_by_their_names_wherever_a_column_of_them_stands(tmp_path, of_all):
    kinds = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    marks = {"names": ["yes", "no"], "_type": "ClassLabel"}
    things = [kinds] if of_all is None else {"feature": kinds, "_type": of_all}
    features = {"info": {"features": {"label": kinds, "things": things, "health": marks}}}
    listed = [row | {"things": [0, place % 2], "health": place % 2} for place, row in enumerate(rows(12))]
    listed[3] |= {"label": -1, "things": [2], "health": None}
    schema = pa.schema(
        [("image", IMAGE), ("label", pa.int64()), ("things", pa.list_(pa.int64())), ("health", pa.int64())],
        metadata={"huggingface": json.dumps(features)},
    )
    folder = write_disk(tmp_path / "set", pa.Table.from_pylist(listed, schema))
    for columns, captions in (
        ({"caption": "label"}, [["cat"], ["dog"], ["cat"], []]),
        ({"caption": "things"}, [["cat"], ["cat", "dog"], ["cat"], []]),
        ({"caption": "things", "long": "label"}, [["cat"], ["cat", "dog"], ["cat"], []]),
    ):
        found = came(folder, columns=columns)
        assert [[text.text for text in one.texts] for one in found[:4]] == captions
        assert [one.flags["health"] for one in found[:4]] == [("yes",), ("no",), ("yes",), ("",)]
    assert [one.labels.get("category") for one in came(folder, columns={"caption": "things"})[:4]] == [
        "cat", "dog", "cat", None,
    ]  # fmt: skip


def test_splits_follow_from_the_pictures_and_not_from_the_kind_of_folder():
    disk, hub = ({s.media[0].data: s.split for s in came(GOLDEN / kind)} for kind in ("disk", "hub"))
    assert disk == hub
    assert set(disk.values()) == {"train", "val", "pair"}


def test_a_row_says_group_licence_language_and_key(tmp_path):
    listed = [
        {**row, "group": place // 2, "license": "CC-BY-4.0", "lang": "en", "key": f"my-{place}", "label": "thing"}
        for place, row in enumerate(rows(12))
    ]
    kinds = {"label": pa.string(), "group": pa.int64(), **dict.fromkeys(("license", "lang", "key"), pa.string())}
    found = came(write_disk(tmp_path / "set", table(listed, **kinds)))
    assert [sample.key for sample in found] == [f"my-{place}" for place in range(12)]
    assert {(sample.licence, sample.texts[0].lang, sample.labels["category"]) for sample in found} == {
        ("CC-BY-4.0", "en", "thing")
    }
    assert all(found[place].split == found[place + 1].split for place in range(0, 12, 2))


def test_rows_without_a_picture_are_rejects_and_no_path_is_followed(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "secret.png")
    listed = rows(12)
    listed[1]["image"] = {"bytes": None, "path": str(tmp_path / "secret.png")}
    listed[2]["image"] = None
    listed[3]["image"] = {"bytes": b"", "path": "a.png"}
    listed[4]["image"] = {"bytes": None, "path": None}
    listed[5]["caption"] = None
    listed[6]["label"] = -1
    found = came(write_disk(tmp_path / "set", table(listed)))
    place = "data-00000-of-00001.arrow/00000"
    assert rejects(found) == [
        (f"{place}1", "no_picture"), (f"{place}2", "no_picture"), (f"{place}3", "zero_bytes"), (f"{place}4", "no_picture"),
    ]  # fmt: skip
    assert "does not hold its bytes" in found[1].detail
    assert found[5].texts == ()
    assert "category" not in found[6].labels
    came_in = ingest(HuggingFaceFolder(str(tmp_path / "set")), tmp_path / "raw", 0)
    assert (came_in["rows_in"], came_in["samples"], came_in["quarantined"]) == (12, 8, 4)


def test_an_arrow_file_cut_anywhere_never_counts_as_whole(tmp_path):
    folder = write_disk(tmp_path / "set", table(rows(12)), table(rows(8, start=12)))
    held = pa.BufferOutputStream()
    eight = table(rows(8, start=12))
    with pa.ipc.new_stream(held, eight.schema) as stream:
        stream.write_batch(eight.to_batches(max_chunksize=4)[0])
    first = len(held.getvalue()) - 8  # where the batch of the first four rows ends; 8 bytes close a stream
    second = folder / "data-00001-of-00002.arrow"
    whole = second.read_bytes()
    for cut in (0, 7, 300, first - 1, first, first + 1, len(whole) - 9, len(whole) - 8, len(whole) - 1):
        second.write_bytes(whole[:cut])
        found = came(folder)
        read = 0 if cut < first else 4 if cut < len(whole) - 8 else 8
        assert sum(isinstance(one, Sample) for one in found) == 12 + read, cut
        assert rejects(found) == [(second.name, "shard_truncated" if read else "all_bad_shard")]


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"PAR1", b"\xff\xff\xff\xff" + b"\x7f" * 40, bytes(64)])
def test_a_file_that_is_none_is_one_row(tmp_path, data, suffix):
    (tmp_path / "set").mkdir()
    pq.write_table(table(rows(12)), tmp_path / "set/b.parquet")
    (tmp_path / f"set/a.{suffix}").write_bytes(data)
    found = came(tmp_path / "set")
    assert rejects(found) == [(f"a.{suffix}", "all_bad_shard")]
    assert sum(isinstance(one, Sample) for one in found) == 12


def test_offsets_that_lead_out_of_the_file_are_not_followed(tmp_path):
    folder = write_disk(tmp_path / "set", table(rows(12)), table(rows(4, start=12)))
    second = folder / "data-00001-of-00002.arrow"
    held = second.read_bytes()
    sizes = [len(png(number)) for number in range(12, 16)]
    offsets = b"".join(sum(sizes[:place]).to_bytes(4, "little") for place in range(5))
    assert held.count(offsets) == 1
    second.write_bytes(held.replace(offsets, offsets[:16] + (2**31 - 1).to_bytes(4, "little")))
    found = came(folder)
    assert rejects(found) == [(second.name, "all_bad_shard")]
    assert "cannot be read on" in found[-1].detail


def test_a_file_that_the_state_lists_and_that_is_gone_is_one_row(tmp_path):
    folder = write_disk(tmp_path / "set", table(rows(12)), table(rows(4, start=12)))
    (folder / "data-00001-of-00002.arrow").unlink()
    found = came(folder)
    assert rejects(found) == [("data-00001-of-00002.arrow", "all_bad_shard")]
    assert "No such file" in found[-1].detail


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("{", r"state\.json does not say _data_files"),
        ("[]", r"state\.json does not say _data_files"),
        ('{"_data_files": {}}', "as dict, and a list is wanted"),
        ('{"_data_files": [{"filename": "../../a.arrow"}]}', r"names the file '\.\./\.\./a\.arrow', which leads out"),
        ('{"_data_files": [{"filename": ".."}]}', r"'\.\.', which leads out"),
        ('{"_data_files": [{}]}', "names the file None"),
        ('{"_data_files": []}', "holds no dataset"),
    ],
)
def test_a_state_that_cannot_be_believed_is_refused(tmp_path, state, says):
    folder = write_disk(tmp_path / "set", table(rows(12)))
    (folder / "state.json").write_text(state)
    with pytest.raises(DataError, match=says):
        came(folder)


@pytest.mark.parametrize(
    ("names", "columns", "says"),
    [
        (("image", "words"), {}, "which column of .* holds the caption.*Its columns are image, words, label"),
        (("pic", "caption"), {"image": "pics"}, "no such column"),
        (("caption", "caption"), {}, "has the column 'caption' twice"),
    ],
)
def test_columns_are_recognised_or_asked_for(tmp_path, names, columns, says):
    made = table(rows(12)).rename_columns([*names, "label"])
    folder = write_disk(tmp_path / "set", made)
    with pytest.raises(ConfigError, match=says):
        came(folder, columns=columns)
    if len(set(names)) == 2:
        assert len(came(folder, columns={"caption": names[1]})) == 12


def test_a_column_of_long_captions_gives_more_of_its_kind(tmp_path):
    folder = write_disk(tmp_path / "set", table([{**row, "story": "It falls."} for row in rows(12)], story=pa.string()))
    first = came(folder, columns={"long": "story"})[0]
    assert [(text.text, text.kind) for text in first.texts] == [("slope 0", "short"), ("It falls.", "long")]


def test_which_of_two_pictures_is_meant_has_to_be_said(tmp_path):
    one = table(rows(12))
    folder = write_disk(tmp_path / "set", one.append_column("mask", one["image"]))
    with pytest.raises(ConfigError, match=r"several hold pictures \(image, mask\).*columns: \{image: COLUMN\}"):
        came(folder)
    assert len(came(folder, columns={"image": "mask"})) == 12
    plain = write_disk(tmp_path / "plain", pa.table({"caption": ["a"] * 12}))
    with pytest.raises(ConfigError, match="none holds pictures with their bytes"):
        came(plain)


def test_a_dataset_is_known_from_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("disk", "hub"):
        shutil.copytree(GOLDEN / kind, tmp_path / kind)
    shutil.copy(GOLDEN / "hub/data/train-00000-of-00001.parquet", tmp_path / "some.parquet")
    for path, count in (("disk", 12), ("disk/train", 8), ("hub", 12), ("some.parquet", 8)):
        assert describe_path(tmp_path / path) == {"name": "huggingface", "path": path}
        assert len(list(build_source(describe_path(tmp_path / path)).samples(0, silent))) == count
