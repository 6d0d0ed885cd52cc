"""Shards of other tools: their layouts come in whole, and what crashes, hangs or runs code elsewhere is a row with a reason."""

import io
import json
import os
import pickle
import pickletools
import tarfile
from collections import Counter

import pytest

from components.contracts.errors import DataError, GateClosed
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.quarantine import read_quarantine
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources import build_source
from components.data.sources.folder import FolderSource
from components.data.sources.table import PairTable
from components.data.sources.webdataset import WebDatasetSource
from components.data.sources.which import describe_path
from components.validation.validate import validate
from tests.own_pictures import paint
from tests.shards import add, members_of, write_shard


@pytest.fixture
def made(tmp_path):
    """A folder of three shards of 10 records as img2dataset writes them, and all members."""
    said = paint(tmp_path / "pictures", 30)
    members = members_of(tmp_path / "pictures", said, labels=True)
    for place in range(3):
        write_shard(tmp_path / f"shards/{place:05d}.tar", members[40 * place : 40 * place + 40])
        (tmp_path / f"shards/{place:05d}_stats.json").write_text("{}")
    return tmp_path / "shards", members


def came(path, seed=0, **settings):
    return list(WebDatasetSource(str(path), **settings).samples(seed, silent))


def rejects(found):
    return {one.key: one.reason for one in found if isinstance(one, Reject)}


def respoil(path, change):
    """Write a shard again with its members, a list of (name, bytes), changed."""
    with tarfile.open(path) as tar:
        members = [(one.name, tar.extractfile(one).read()) for one in tar]
    return write_shard(path, change(members))


def test_the_layout_of_img2dataset_comes_in_whole(made):
    folder, members = made
    found = came(folder)
    held = dict(members)
    assert [sample.media[0].data for sample in found] == [held[f"{number:09d}.png"] for number in range(30)]
    assert [[text.text for text in sample.texts] for sample in found] == [
        [held[f"{number:09d}.txt"].decode()] for number in range(30)
    ]
    assert {sample.labels["category"] for sample in found} == {"circle", "square", "triangle"}
    assert Counter(sample.split for sample in found) == {"train": 20, "val": 5, "pair": 5}
    assert len({sample.key for sample in found}) == 30
    said = WebDatasetSource(str(folder)).describe()
    assert said["counted"] == {"pictures": 30, "captions": 30, "groups": 0}
    assert said["without"]["files of another kind"].startswith("3: 00000_stats.json")
    assert said["without"]["keys that nothing reads"] == "4: exif, key, status and 1 more"
    assert "zero_shot" not in said["without"]


@pytest.mark.parametrize("suffix", ["jpg", "webp", "JPEG"])
def test_the_layouts_of_open_clip_and_datacomp_come_in(tmp_path, suffix):
    said = paint(tmp_path / "pictures", 12, suffix=suffix)
    members = [pair for pair in members_of(tmp_path / "pictures", said) if not pair[0].endswith(".json")]
    write_shard(tmp_path / "s/{000}.tar", [(f"./part/{name}", data) for name, data in members])
    found = came(tmp_path / "s/{000}.tar")
    assert [sample.texts[0].text for sample in found] == [caption for caption, _ in said.values()]
    assert all(sample.media[0].member.endswith(f".{suffix.lower()}") for sample in found)
    assert WebDatasetSource(str(tmp_path / "s")).describe()["without"]["zero_shot"].startswith("no record has a .cls")


def test_the_seed_and_the_pictures_decide_the_splits_and_shards_do_not(made, tmp_path):
    folder, members = made
    splits = {sample.media[0].data: sample.split for sample in came(folder)}
    write_shard(tmp_path / "one/all.tar", members)
    assert {sample.media[0].data: sample.split for sample in came(tmp_path / "one")} == splits
    assert {sample.media[0].data: sample.split for sample in came(folder, seed=1)} != splits
    write_shard(folder / "00003.tar", members[:40])  # copies of the first ten
    again = came(folder)
    assert len({sample.key for sample in again}) == 40
    assert {data: len({s.split for s in again if s.media[0].data == data}) for data in splits} == dict.fromkeys(
        splits, 1
    )


def test_a_json_says_captions_label_group_licence_and_language(made):
    folder, _ = made
    about = {
        "captions": ["one", "two"],
        "long": "three",
        "category": "thing",
        "license": "CC-BY-4.0",
        "group": 7,
        "lang": "en",
    }

    def change(members):
        return [(name, json.dumps(about).encode() if name == "000000000.json" else data) for name, data in members
                if name != "000000000.cls"]  # fmt: skip

    respoil(folder / "00000.tar", change)
    first = came(folder)[0]
    assert [(text.text, text.kind) for text in first.texts[1:]] == [
        ("one", "short"),
        ("two", "short"),
        ("three", "long"),
    ]
    assert {text.lang for text in first.texts} == {"en"}
    assert (first.licence, first.labels["category"]) == ("CC-BY-4.0", "thing")


def test_numbers_are_labels_only_where_their_names_are_there(made):
    folder, _ = made
    shapes = ["circle", "square", "triangle"]
    for shard in folder.glob("*.tar"):
        respoil(shard, lambda members: [
            (name, str(shapes.index(data.decode())).encode() if name.endswith(".cls") else data) for name, data in members
        ])  # fmt: skip
    without = WebDatasetSource(str(folder)).describe()["without"]
    assert without["zero_shot"].startswith("the .cls of the shards are numbers, and classnames.txt")
    (folder / "classnames.txt").write_text("circle\nsquare\n")
    source = WebDatasetSource(str(folder))
    assert source.describe()["labels"] == {"circle": 10, "square": 10}
    assert source.describe()["without"]["numbers in .cls that classnames.txt does not name"] == "1: 2"
    (folder / "classnames.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"classnames\.txt cannot be read \(it is not UTF-8\).*a name a line"):
        came(folder)


class Bomb:
    """What runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_member_that_would_run_code_is_never_unpickled(made, tmp_path):
    folder, _ = made
    payload = pickle.dumps(Bomb(tmp_path / "ran"))
    kinds = ("pickle", "pkl", "pyd", "pth", "pt", "cls.pyd")

    def change(members):
        return members + [pair for kind in kinds for pair in (
            (f"evil-{kind[:3]}{len(kind)}.jpg", members[0][1]), (f"evil-{kind[:3]}{len(kind)}.{kind}", payload),
        )]  # fmt: skip

    respoil(folder / "00001.tar", change)
    found = came(folder)
    assert Counter(rejects(found).values()) == {"pickle_member": len(kinds)}
    assert len(found) == 30 + len(kinds)
    assert not (tmp_path / "ran").exists()
    calls = [code.name for code, *_ in pickletools.genops(payload) if code.name == "REDUCE"]
    assert calls, "the payload would call nothing, so nothing was shown"


DIRT = {
    "no text": ([("x.jpg", "picture")], None),  # comes in, and validation sets it aside
    "no picture": ([("x.txt", b"said")], "no_picture"),
    "another kind": ([("x.mp4", b"film"), ("x.txt", b"said")], "no_picture"),
    "an empty picture": ([("x.jpg", b""), ("x.txt", b"said")], "zero_bytes"),
    "a text of other letters": ([("x.jpg", "picture"), ("x.txt", "grün".encode("latin1"))], "bad_utf8"),
    "a json of other letters": ([("x.jpg", "picture"), ("x.json", b'{"caption": "\xff"}')], "bad_utf8"),
    "a json cut short": ([("x.jpg", "picture"), ("x.json", b'{"caption": ')], "bad_json"),
    "a json that is a list": ([("x.jpg", "picture"), ("x.json", b"[1]")], "bad_json"),
    "a json without an end": ([("x.jpg", "picture"), ("x.json", b"[" * 100_000)], "bad_json"),
    "a text twice": ([("x.jpg", "picture"), ("x.txt", b"a"), ("x.txt", b"b")], "duplicate_key"),
    "two pictures": ([("x.jpg", "picture"), ("x.png", "picture")], "duplicate_key"),
    "a key twice": ([("x.jpg", "picture"), ("y.txt", b"y"), ("x.jpg", "picture")], "duplicate_key"),
    "members apart": ([("x.jpg", "picture"), ("y.txt", b"y"), ("x.txt", b"a")], "split_key"),
    "a long text": ([("x.jpg", "picture"), ("x.txt", b"a" * (2**20 + 1))], "no_picture"),
    "a way out": ([("../x.jpg", "picture"), ("../x.txt", b"a")], "path_escape"),
}


@pytest.mark.parametrize("case", DIRT)
def test_what_is_no_record_gets_its_reason_and_the_others_come_in(made, case):
    folder, _ = made
    added, reason = DIRT[case]

    def change(members):
        return [(name, members[0][1] if data == "picture" else data) for name, data in added] + members

    respoil(folder / "00001.tar", change)
    found = came(folder)
    others = {"00001.tar/y": "no_picture"} if any(name == "y.txt" for name, _ in added) else {}
    spoiled = {key: its for key, its in rejects(found).items() if key not in others}
    assert list(spoiled.values()) == ([reason] if reason else [])
    assert sum(isinstance(one, Sample) for one in found) >= 30
    assert not any(sample.texts for sample in found[10:11] if reason is None)


def test_links_and_devices_are_not_followed(made, tmp_path):
    folder, members = made
    (tmp_path / "secret.txt").write_text("key")
    with tarfile.open(folder / "00003.tar", "w") as tar:
        add(tar, "x.jpg", members[0][1])
        add(tar, "x.txt", type=tarfile.SYMTYPE, linkname=str(tmp_path / "secret.txt"))
        add(tar, "y.jpg", type=tarfile.CHRTYPE)
        add(tar, "z.jpg", members[4][1])
    found = came(folder)
    assert rejects(found) == {"00003.tar/x": "symlink", "00003.tar/y": "symlink"}


def test_half_a_tar_gives_the_half_that_is_there_and_says_that_there_was_more(made):
    folder, _ = made
    whole = (folder / "00001.tar").read_bytes()
    with tarfile.open(folder / "00001.tar") as tar:
        fifth = tar.getmember("000000015.txt")
    (folder / "00001.tar").write_bytes(whole[: fifth.offset_data + 3])
    found = came(folder)
    assert rejects(found) == {"00001.tar/000000015": "shard_truncated", "00001.tar": "shard_truncated"}
    assert sum(isinstance(one, Sample) for one in found) == 25
    detail = next(one.detail for one in found if isinstance(one, Reject) and one.key == "00001.tar")
    assert detail.startswith("000000015.txt should end at byte")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<!DOCTYPE html><p>404</p>", "it is no tar; it begins with"),
        (b"", "the file is empty"),
        (bytes(10240), "no record in it could come in"),
    ],
)
def test_a_shard_that_gives_nothing_is_one_row_and_no_endless_loop(made, data, says):
    folder, _ = made
    (folder / "00001.tar").write_bytes(data)
    found = came(folder)
    assert rejects(found) == {"00001.tar": "all_bad_shard"}
    assert says in next(one.detail for one in found if isinstance(one, Reject))
    assert sum(isinstance(one, Sample) for one in found) == 20


def test_where_no_shard_gives_anything_the_work_ends_with_the_reasons(made, tmp_path):
    folder, _ = made
    for shard in folder.glob("*.tar"):
        shard.write_bytes(b"<html>404</html>")
    with pytest.raises(
        DataError, match=r"has 0 pictures with a caption.*What did not come in: 3: 00000\.tar \(it is no tar"
    ):
        ingest(WebDatasetSource(str(folder)), tmp_path / "raw", 0)
    assert not (tmp_path / "raw/source.json").exists()


def test_shards_of_pages_in_place_of_pictures_come_in_and_close_the_gate(made, tmp_path):
    folder, _ = made
    for number, shard in enumerate(folder.glob("*.tar")):
        respoil(shard, lambda members, number=number: [
            (name, f"<html>{name} {number}</html>".encode() if name.endswith(".png") else data) for name, data in members
        ])  # fmt: skip
    ingest(WebDatasetSource(str(folder)), tmp_path / "raw", 0)
    with pytest.raises(GateClosed, match=r"30 of 30 samples are broken.*mostly not_an_image \(30\)"):
        validate(
            tmp_path / "raw", tmp_path / "v", tmp_path / "e", max_broken=0.01, seed=0, failed_report=tmp_path / "f.html"
        )
    assert not (tmp_path / "v").exists()


def test_shards_without_a_word_are_refused(made, tmp_path):
    folder, _ = made
    for shard in folder.glob("*.tar"):
        respoil(
            shard, lambda members: [(n, b" \n" if n.endswith(".txt") else d) for n, d in members if ".json" not in n]
        )
    with pytest.raises(DataError, match="has 0 pictures with a caption"):
        ingest(WebDatasetSource(str(folder)), tmp_path / "raw", 0)


def test_every_record_is_accounted_for_and_the_same_shards_give_the_same_snapshot(made, tmp_path):
    folder, _ = made
    respoil(folder / "00001.tar", lambda held: [*held[:4], ("lone.txt", b"a"), ("x.pickle", b"."), *held[4:-1]])
    (folder / "00003.tar").write_bytes(b"<html>")
    came_in = ingest(WebDatasetSource(str(folder)), tmp_path / "raw", 0)
    assert came_in["rows_in"] == 33 == came_in["samples"] + came_in["quarantined"]
    assert came_in["rejected"] == {"all_bad_shard": 1, "pickle_member": 1, "no_picture": 1}
    rows = read_quarantine(tmp_path / "raw/quarantine.parquet")
    assert [(row["key"], row["member"]) for row in rows] == [
        ("00001.tar/lone", "00001.tar/lone"), ("00001.tar/x", "00001.tar/x.pickle"), ("00003.tar", "00003.tar"),
    ]  # fmt: skip
    assert len(read_manifest(tmp_path / "raw/manifest.parquet")) == 30
    again = ingest(WebDatasetSource(str(folder)), tmp_path / "again", 0)
    assert again == came_in


def test_a_shard_that_changes_while_it_is_read_stops_the_work(made):
    folder, _ = made
    coming = WebDatasetSource(str(folder)).samples(0, silent)
    next(coming)
    respoil(folder / "00002.tar", lambda held: [(n, b"changed" if n.endswith("25.txt") else d) for n, d in held])
    with pytest.raises(DataError, match=r"00002/000000025\.png changed or vanished"):
        list(coming)


def test_our_own_shards_can_be_read_again(made, tmp_path):
    folder, _ = made
    ingest(WebDatasetSource(str(folder), languages=["en"], licence="CC-BY-4.0"), tmp_path / "raw", 0)

    def said(sample):
        return sample.media[0].data, sample.texts, sample.licence, sample.labels, sample.split

    found = [said(sample) for sample in came(tmp_path / "raw")]
    first = [said(sample) for sample in came(folder, languages=["en"], licence="CC-BY-4.0")]
    assert sorted(found, key=str) == sorted(first, key=str)
    without = WebDatasetSource(str(tmp_path / "raw")).describe()["without"]
    assert "keys that nothing reads" not in without


def test_each_text_of_our_own_shards_keeps_its_language_in_shards_and_unpacked(tmp_path):
    said = paint(tmp_path / "own", 12)
    rows = [
        row for name, (text, _) in said.items() for row in (f"{name},{text},en", f"{name},ein Ding,de", f"{name},red,")
    ]
    (tmp_path / "own/captions.csv").write_text("\n".join(["image,caption,lang", *rows]))
    ingest(PairTable(str(tmp_path / "own")), tmp_path / "raw", 0)
    for path in (tmp_path / "raw").rglob("*.tar"):
        with tarfile.open(path) as tar:
            tar.extractall(tmp_path / "unpacked", filter="data")
    for source in (WebDatasetSource(str(tmp_path / "raw")), FolderSource(str(tmp_path / "unpacked"))):
        found = [[(text.text, text.lang) for text in one.texts] for one in source.samples(0, silent)]
        assert sorted(found) == sorted([(text, "en"), ("ein Ding", "de"), ("red", "und")] for text, _ in said.values())


def test_a_folder_of_shards_is_known_from_its_files(made, tmp_path, monkeypatch):
    folder, _ = made
    monkeypatch.chdir(tmp_path)
    assert describe_path(folder) == {"name": "webdataset", "path": "shards"}
    assert describe_path(folder / "00001.tar") == {"name": "webdataset", "path": "shards/00001.tar"}
    assert len(list(build_source(describe_path(folder)).samples(0, silent))) == 30
    assert len(list(build_source(describe_path(folder / "00001.tar")).samples(0, silent))) == 10
    (folder / "beside.png").write_bytes(b"?")
    assert describe_path(folder)["name"] == "folder"


def test_a_folder_without_a_shard_is_refused(tmp_path):
    (tmp_path / "a.tar.xz").write_bytes(b"\xfd7zXZ\0")
    with pytest.raises(DataError, match=r"holds no shard \(\.tar, \.tar\.gz, \.tgz, \.tar\.zst\)"):
        came(tmp_path)


def test_a_picture_of_the_largest_size_is_read_and_one_byte_more_is_not(made):
    folder, _ = made
    with tarfile.open(folder / "00003.tar", "w") as tar:
        for name, size in (("a.jpg", MAX_PICTURE_BYTES + 1), ("b.jpg", 16)):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    found = came(folder)
    assert rejects(found) == {"00003.tar/a": "no_picture"}
    assert found[-1].media[0].data == bytes(16)
