"""A folder of pictures with words beside them: what comes in, what does not, and who is told."""

import json
import os
import shutil
from collections import Counter

import pytest

from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.data.sources.folder import FolderSource, folder_labels
from tests.own_pictures import write_texts


def samples(folder, seed=0, **settings):
    return list(FolderSource(str(folder), **settings).samples(seed, silent))


def test_a_text_beside_each_picture_is_enough(own):
    folder, said = own
    write_texts(folder, said)
    came = samples(folder)
    assert [sample.texts[0].text for sample in came] == [caption for caption, _ in said.values()]
    assert [sample.media[0].data for sample in came] == [(folder / name).read_bytes() for name in said]
    assert Counter(sample.split for sample in came) == {"train": 48, "val": 6, "pair": 6}
    assert {sample.licence for sample in came} == {"NOASSERTION"}
    assert len({sample.key for sample in came}) == 60
    described = FolderSource(str(folder)).describe()
    assert set(described["splits"]) == {"train", "val", "pair"}
    assert set(described["without"]) == {"designer", "concept", "both", "zero_shot"}
    assert described["languages"] == ["und"]


def test_each_line_of_a_text_is_a_caption_and_a_json_says_the_rest(own):
    folder, said = own
    write_texts(folder, said)
    (folder / "0000.txt").write_text("one\n\n  two \none\n")
    (folder / "0001.txt").unlink()
    stated = {
        "captions": ["three", "four"], "alt": "five", "long": ["six", "three"], "category": "thing", "license": "CC-BY-4.0", "group": 7, "lang": "en", "by": "me",
    }  # fmt: skip
    (folder / "0001.json").write_text(json.dumps(stated))
    first, second = samples(folder)[:2]
    assert [text.text for text in first.texts] == ["one", "two"]
    words = [("three", "short"), ("four", "short"), ("five", "alt"), ("six", "long")]
    assert [(text.text, text.kind) for text in second.texts] == words
    assert {text.lang for text in second.texts} == {"en"}
    assert (second.licence, second.labels["category"]) == ("CC-BY-4.0", "thing")
    source = FolderSource(str(folder), licence="CC0-1.0").describe()
    assert source["licences"] == ["CC-BY-4.0", "CC0-1.0"]
    assert source["without"]["keys that nothing reads"] == "1: by in 0001.json"


def test_folders_below_are_labels_unless_they_are_splits(own):
    folder, said = own
    write_texts(folder, said)
    for name, (_, shape) in said.items():
        (folder / shape / "deep").mkdir(parents=True, exist_ok=True)
        for suffix in ("png", "txt"):
            file = (folder / name).with_suffix(f".{suffix}")
            file.rename(folder / shape / "deep" / file.name)
    assert {sample.labels["category"] for sample in samples(folder)} == {"circle", "square", "triangle"}
    assert "zero_shot" not in FolderSource(str(folder)).describe()["without"]
    assert folder_labels(["cat/a.png", "cat/b.png", "c.png"]) == {}
    assert folder_labels(["train/a.png", "val/b.png"]) == {}
    assert folder_labels(["cat/a.png", "dog/b.png", "c.png"]) == {"cat/a.png": "cat", "dog/b.png": "dog"}


def test_nothing_is_lost_without_being_counted(own):
    folder, said = own
    write_texts(folder, said)
    (folder / "0003.txt").unlink()
    (folder / "0004.txt").write_bytes(b"\xff\xfe\x00nothing")
    (folder / "0005.json").write_text("{")
    (folder / "0006.png").write_bytes(b"")
    (folder / "stray.txt").write_text("nobody")
    (folder / "movie.mp4").write_bytes(b"?")
    (folder / "README.txt").write_text("about")
    (folder / ".DS_Store").write_text("")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "up").symlink_to(folder)
    without = FolderSource(str(folder)).describe()["without"]
    assert without["pictures without a caption"] == "1: 0003.png"
    assert without["records that did not come in"].startswith(
        "3: 0004.png (of 0004.txt: it is not UTF-8), 0005.png (of 0005.j"
    )
    assert without["records that did not come in"].endswith("0006.png (the file is empty)")
    assert without["texts without a picture"] == "1: stray.txt"
    assert without["files of another kind"] == "1: movie.mp4"
    assert without["hidden files and folders"] == "1: .DS_Store"
    assert without["links to nothing, pipes and the like"] == "2: gone.png, pipe.png"
    assert without["folders that were read already, under another name"] == "1: up"
    assert len(samples(folder)) == 60


def test_words_that_cannot_be_read_are_a_reason_and_no_missing_caption(own):
    folder, said = own
    write_texts(folder, said)
    (folder / "0004.txt").write_bytes("Zürich".encode("latin-1"))
    (folder / "0005.json").write_text("{")
    rejects = [one for one in samples(folder) if isinstance(one, Reject)]
    assert [(one.key, one.member, one.reason) for one in rejects] == [
        ("0004.png", "0004.txt", "bad_utf8"), ("0005.png", "0005.json", "bad_json"),
    ]  # fmt: skip


def test_names_of_any_bytes_come_in(own):
    folder, said = own
    write_texts(folder, said)
    for name in ("grün 日本.png", os.fsdecode(b"\xff odd.png"), "x" * 120 + ".png", "a.b.c.PNG"):
        shutil.copy(folder / "0000.png", folder / name)
        (folder / name).with_suffix(".txt").write_text(f"copy {len(name)}")
    came = samples(folder)
    assert len(came) == 64
    assert all(sample.texts for sample in came)
    assert len({sample.key for sample in came}) == 64


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda folder: [path.unlink() for path in folder.iterdir()],
            r"holds no picture .*: it is empty\. Put pictures",
        ),
        (lambda folder: [path.unlink() for path in folder.glob("*.png")], r"60 files of the kinds \.txt"),
        (
            lambda folder: [path.unlink() for path in folder.glob("*.txt")],
            r"none of the pictures.*0000\.txt.*captions\.csv",
        ),
        (lambda folder: [path.write_text(" \n") for path in folder.glob("*.txt")], "none of the pictures"),
        (
            lambda folder: [path.unlink() for path in sorted(folder.glob("*.png"))[1:]],
            r"1 pictures with a caption in 1 groups, too few.*at least 6",
        ),
        (shutil.rmtree, r"does not exist\. Give source\.path"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_with_a_remedy(own, spoil, says):
    folder, said = own
    write_texts(folder, said)
    spoil(folder)
    with pytest.raises(DataError, match=says):
        samples(folder)


def test_a_file_is_no_folder(own):
    with pytest.raises(DataError, match=r"is no folder.*name: table"):
        samples(own[0] / "0000.png")
