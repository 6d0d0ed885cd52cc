"""Names of persons: where they stand, and how often a form of address is misread, on sentences made for it."""

import itertools

import pytest

from components.contracts.errors import ConfigError
from components.curation.person_names import ListedNames, TitledNames

SURNAMES, GIVEN = ("张", "李", "欧阳", "司马", "诸葛"), ("伟", "小明", "娜娜", "国强")
AROUND = ("{}先生出席活动", "昨天,{}教授讲课", "图为{}女士", "采访{}医生", "{}导演的新片")


def found(detector, text: str) -> list[str]:
    return [text[start:end] for start, end in detector.find(text)]


def test_every_name_before_a_form_of_address_is_found_whole():
    for surname, given, around in itertools.product(SURNAMES, GIVEN, AROUND):
        name = surname + given
        assert found(TitledNames(), around.format(name)) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "红心",
        "老师和学生",
        "王老师",
        "先生们",
        "一只坐着的小猫",
        "张开的手掌",
        "女医生",
        "法官",
        "男教师",
        "学生: 中等肤色",
    ],
)
def test_a_text_without_a_name_has_none(text):
    assert found(TitledNames(), text) == []


def test_it_errs_where_a_word_looks_like_a_name():
    """As its page says: a surname that another word ends in."""
    assert found(TitledNames(), "如何看医生") == ["何看"]


def test_several_names_are_found_in_their_order_and_do_not_overlap():
    assert found(TitledNames(), "张伟先生和李小明女士") == ["张伟", "李小明"]


def test_of_listed_names_the_longest_is_found_and_no_part_of_a_word():
    names = ListedNames(["刘德", "刘德华", "Ann"])
    assert found(names, "刘德华与Ann, Anna, 刘德") == ["刘德华", "Ann", "刘德"]


@pytest.mark.parametrize("names", [[], ["a", ""], "刘德华"])
def test_no_names_are_refused(names):
    with pytest.raises(ConfigError, match="Give a list"):
        ListedNames(names)
