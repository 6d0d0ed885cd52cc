import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.blocklist import Blocklist
from tests.components.curation.told import told
from tests.components.curation.toy import apply


def left(op: Blocklist, *texts: str) -> list[str]:
    kept, _ = apply(op, told(*([text] for text in texts)))
    return [one["text"] for own in kept["texts"].to_pylist() for one in own]


def test_a_chinese_word_is_found_anywhere_and_others_by_themselves_whatever_their_case_and_width():
    op = Blocklist(words=["赌博", "Gun", "hot  dog!"])
    texts = ["网上赌博广告", "a GUN here", "ＧＵＮ", "x手gun", "gunther", "begun", "a hot  dog! there", "红心"]
    assert left(op, *texts) == ["x手gun", "gunther", "begun", "红心"]


def test_a_vowel_that_is_a_mark_is_part_of_its_word():
    """Of Hindi or pointed Hebrew a letter is followed by marks, which are no blank."""
    assert left(Blocklist(words=["कम", "שלם"]), "कमी", "बहुत कम है", "שלםָ", "שלם") == ["कमी", "שלםָ"]


def test_signs_of_a_word_are_no_pattern():
    assert left(Blocklist(words=["a.c", "(x"]), "a.c", "abc", "(x", "x") == ["abc", "x"]


def test_a_sample_goes_whole_or_its_text_alone():
    table = told(["赌博", "红心"], ["黄星"])
    whole, report = apply(Blocklist(words=["赌博"], reason="sensitive"), table)
    assert whole["key"].to_pylist() == ["k001"]
    assert report.dropped == {"sensitive": 1}
    assert report.examples == {"sensitive": ("k000",)}
    part, report = apply(Blocklist(words=["赌博"], whole=False), table)
    assert [[one["text"] for one in texts] for texts in part["texts"].to_pylist()] == [["红心"], ["黄星"]]
    assert report.dropped == {}


def test_names_of_files_are_told_from_words():
    op = Blocklist(patterns=["file_name"], whole=False)
    names = ["IMG_0012.JPG", "dsc 0034", "微信图片_20190101", "图片1", "a-b_c.png", "screenshot-3"]
    texts = ["图片", "第1张图片", "image of a cat", "a cat.jpg here", "红心 12"]
    assert left(op, *names, *texts) == texts


def test_more_words_than_one_pattern_takes_are_all_found():
    words = [f"词{number}号" for number in range(1000)]
    assert left(Blocklist(words=words), *words, "词语") == ["词语"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Give a list of one or more"), ({"words": "赌博"}, "Give a list of one or more"), ({"words": ["a", " "]}, "an empty word"),
        ({"patterns": ["(a"]}, r"patterns has '\(a', which is none"), ({"patterns": ["(?=a)b"]}, "which is none"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        Blocklist(**given)
