"""A set in CLIP_benchmark's layout is read as it is, and what would move a number without a word is said by its name."""

import gzip
import io
import pickle
import tarfile

import pytest

from components.contracts.errors import CapabilityError, DataError
from components.data.evaluation_set import read_set
from tests.squares import COLOURS
from tests.their_sets import write_set

NAMES = tuple(COLOURS)


def labelled(squares) -> list[dict[str, bytes]]:
    return [
        {"png": data, "cls": str(NAMES.index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]


def captioned(squares) -> list[dict[str, bytes]]:
    return [
        {"png": data, "txt": f"{name}, number {place}\n a picture of it: {place}".encode()}
        for place, (data, (name,)) in enumerate(zip(squares.pictures, squares.captions, strict=True))
    ]


@pytest.fixture
def colours(squares, tmp_path):
    """The squares by colour, in three shards."""
    return write_set(tmp_path / "wds_colours-32", labelled(squares), NAMES)


@pytest.fixture
def sayings(squares, tmp_path):
    """The squares with two captions each."""
    return write_set(tmp_path / "sayings", captioned(squares))


def test_pictures_classes_and_templates_come_in_as_they_are(colours, squares):
    found = read_set(colours)
    assert (found.name, found.split, found.classes) == ("wds_colours_32", "test", NAMES)
    assert found.templates == ("a photo of a {}.", "{}")
    assert found.pool.pictures[:] == squares.pictures
    assert found.pool.pictures[-1] == squares.pictures[-1]
    assert found.pool.labelled("class") == squares.labelled("category")
    assert len(set(found.pool.concepts)) == len(squares.keys)
    assert found.pool.keys[:1] + found.pool.keys[-1:] == ("0/s0000000", "2/s0000049")


def test_captions_are_lines(sayings):
    with (sayings / "test/nshards.txt").open("a") as opened:
        opened.write("\n")
    found = read_set(sayings)
    assert found.pool.captions[1] == ("a red square at the left, number 1", "a picture of it: 1")
    assert (found.classes, found.templates, found.left_out) == ((), (), {})


def test_blank_captions_are_counted(squares, tmp_path):
    rows = captioned(squares)
    rows[3] = rows[3] | {"txt": b"one\n\n two \n"}
    found = read_set(write_set(tmp_path / "set", rows))
    assert found.pool.captions[3] == ("one", "two")
    assert found.left_out == {"blank lines among captions": 1}


def test_the_shards_may_lie_below_wds_and_the_split_is_asked_for(colours):
    digest = read_set(colours).digest
    (colours / "wds").mkdir()
    (colours / "test").rename(colours / "wds/test")
    assert len(read_set(colours).pool) == 50
    assert read_set(colours).digest != digest
    with pytest.raises(DataError, match=r"no split 'val'.*It has test, wds; name one with --split"):
        read_set(colours, "val")


def test_the_digest_is_of_every_file(colours):
    before = read_set(colours).digest
    assert read_set(colours).digest == before
    with (colours / "zeroshot_classification_templates.txt").open("a") as opened:
        opened.write("\nthe {c}")
    assert read_set(colours).digest != before


def test_nothing_is_unpickled(squares, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("gone-off").mkdir, ())

    rows = [row | {"pyd": pickle.dumps(Bomb()), "npy": pickle.dumps(Bomb())} for row in labelled(squares)]
    assert len(read_set(write_set(tmp_path / "set", rows, NAMES)).pool) == 50
    assert not (tmp_path / "gone-off").exists()


def lines(name, *said):
    return lambda folder: (folder / name).write_text("\n".join(said))


def gone(name):
    return lambda folder: (folder / name).unlink()


CLASSES, TEMPLATES = "classnames.txt", "zeroshot_classification_templates.txt"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (gone(CLASSES), r"there is no .*classnames\.txt.*a name a line; or.*`retrieval` into .*dataset_type\.txt"),
        (lines(CLASSES, ""), r"classnames\.txt names 0 classes, so there is nothing to choose from"),
        (lines(CLASSES, "red"), "names 1 classes"),
        (lines(CLASSES, "red", "", "blue"), r"classnames\.txt, line 2: the class has no name"),
        (lines(CLASSES, *NAMES, "red"), r"classnames\.txt, lines 1 and 6: two classes are called 'red'.*with --namesakes"),
        (lines(CLASSES, *NAMES, "violet"), r"1 of 6 classes of .* have no picture: violet\. Their recall"),
        (lines(CLASSES, *NAMES[:-1]), r"10 of 50 pictures of .* have no \.cls from 0 to 3.*2/s0000040 \(4\)"),
        (gone(TEMPLATES), r"there is no .*templates\.txt.*Write `a photo of a \{c\}\.`"),
        (lines(TEMPLATES, "a {c}", "a {}"), r"templates\.txt, line 2: 'a \{\}' has not one \{c\}"),
        (lines(TEMPLATES, "{c} or {c}"), r"line 1: .* has not one \{c\}"),
        (lines(TEMPLATES, " "), r"templates\.txt has not one \{c\}"),
        (lines("dataset_type.txt", "captions"), r"dataset_type\.txt says 'captions', but it is `retrieval`"),
        (gone("test/1.tar"), r"the 3 shards 0\.tar to 2\.tar, as nshards\.txt says, and lacks 1\.tar"),
        (lines("test/nshards.txt", "2"), r"the 2 shards 0\.tar to 1\.tar, as nshards\.txt says, and also has 2\.tar"),
        (lines("test/nshards.txt", "many"), r"nshards\.txt is no number of shards"),
        (lines("test/1.tar", "<html>not found</html>"), r"1\.tar: the shard cannot be read.*it is no tar.*Fetch it again"),
    ],
)  # fmt: skip
def test_what_is_missing_or_does_not_fit_is_said_with_how_to_mend_it(colours, spoil, said):
    spoil(colours)
    with pytest.raises(DataError, match=said):
        read_set(colours)


def test_classes_of_one_name_are_told_apart_by_their_lines_where_they_may_be_alike(colours, squares):
    assert read_set(colours, namesakes=True).namesakes == ()
    (colours / CLASSES).write_text("\n".join(["warm", "green", "warm", *NAMES[3:]]))
    found = read_set(colours, namesakes=True)
    assert found.classes == ("warm (line 1)", "green", "warm (line 3)", *NAMES[3:])
    assert (found.called["warm (line 3)"], found.called["green"], found.namesakes) == ("warm", "green", ("warm",))
    groups = [found.classes[NAMES.index(group)] for group in squares.labelled("category")]
    assert found.pool.labelled("class") == tuple(groups)
    (colours / CLASSES).write_text("\n".join(["warm", "warm (line 3)", "warm", *NAMES[3:]]))
    with pytest.raises(DataError, match="Rename the latter"):
        read_set(colours, namesakes=True)


def test_a_shard_that_was_cut_or_packed_is_named(colours):
    shard = colours / "test/2.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"2\.tar: .* cannot be read \(shard_truncated.*other pictures would be measured"
    ):
        read_set(colours)
    shard.write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match=r"2\.tar is packed.*Unpack it"):
        read_set(colours)


@pytest.mark.parametrize("label", [None, b"-1", b"red", b"5", b"", b"99999999999"])
def test_a_label_that_is_no_number_of_a_class_is_named(squares, tmp_path, label):
    rows = labelled(squares)
    rows[7] = {"png": rows[7]["png"]} if label is None else rows[7] | {"cls": label}
    with pytest.raises(DataError, match=r"1 of 50 pictures of .*set have no \.cls from 0 to 4.*: 0/s0000007"):
        read_set(write_set(tmp_path / "set", rows, NAMES))


@pytest.mark.parametrize("words", [None, b"", b" \n\n"])
def test_a_query_that_nothing_would_be_right_for_is_named(squares, tmp_path, words):
    rows = captioned(squares)
    rows[30] = {"png": rows[30]["png"]} if words is None else rows[30] | {"txt": words}
    with pytest.raises(DataError, match=r"1 of 50 pictures have no caption in \.txt: 1/s0000030\. As queries"):
        read_set(write_set(tmp_path / "set", rows))


def test_captions_of_another_encoding_are_named(squares, tmp_path):
    rows = captioned(squares)
    rows[2] = rows[2] | {"txt": "ein Büro".encode("latin-1")}
    with pytest.raises(DataError, match=r"0/s0000002\.txt cannot be read: it is not UTF-8"):
        read_set(write_set(tmp_path / "set", rows))


def test_two_pictures_of_one_name_are_refused(squares, tmp_path):
    rows = labelled(squares)
    rows[2] = rows[2] | {"jpg": b"another"}
    with pytest.raises(DataError, match=r"two pictures called '0/s0000002'"):
        read_set(write_set(tmp_path / "set", rows, NAMES))


def test_one_picture_in_two_places_is_refused(colours):
    with tarfile.open(colours / "test/2.tar", "a") as tar:
        info = tarfile.TarInfo("s0000040.cls")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"0"))
    with pytest.raises(DataError, match=r"members of '2/s0000040' in two places"):
        read_set(colours)


def test_a_set_without_pictures_or_of_several_classes_a_picture_is_refused(colours, tmp_path):
    with pytest.raises(DataError, match="no picture in its 1 shards"):
        read_set(write_set(tmp_path / "set", [{"cls": b"0"}], NAMES))
    (colours / "dataset_type.txt").write_text("multilabel")
    with pytest.raises(CapabilityError, match="multilabel: pictures of several classes"):
        read_set(colours)
    with pytest.raises(DataError, match="there is no folder"):
        read_set(tmp_path / "nowhere")
