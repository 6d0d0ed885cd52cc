import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.max_text_repeat import MaxTextRepeat
from tests.components.curation.told import told
from tests.components.curation.toy import apply


def test_ten_samples_may_have_a_text_and_eleven_may_not():
    ten, eleven = [["热卖"]] * 10, [["新品"]] * 11
    left, report = apply(MaxTextRepeat(), told(*ten, *eleven))
    assert {one["text"] for texts in left["texts"].to_pylist() for one in texts} == {"热卖"}
    assert len(left) == 10
    assert report.dropped == {"text of more than 10 samples": 11}


def test_samples_are_counted_and_not_how_often_one_says_it():
    left, _ = apply(MaxTextRepeat(most=2), told(["同", "同", "同"], ["同"], ["异"]))
    assert len(left) == 3


def test_a_sample_keeps_its_other_texts():
    left, report = apply(MaxTextRepeat(most=1), told(["包邮", "红心"], ["包邮", "黄星"]))
    assert [[one["text"] for one in texts] for texts in left["texts"].to_pylist()] == [["红心"], ["黄星"]]
    assert report.stats == {"texts left out": 2, "samples with fewer texts": 2}


def test_what_differs_in_digits_case_or_blanks_is_the_same_only_where_it_is_asked():
    table = told(["图片 1"], ["图片 2"], ["图片3"], ["ＡＢ"], ["ab"], ["图片 14"])
    assert len(apply(MaxTextRepeat(most=1), table)[0]) == 6
    left, _ = apply(MaxTextRepeat(most=1, exact=False), table)
    assert left["key"].to_pylist() == ["k005"]


def test_samples_without_texts_stay():
    left, report = apply(MaxTextRepeat(most=1), told([], []))
    assert len(left) == 2
    assert report.dropped == {}


def test_a_bound_that_keeps_nothing_is_refused():
    with pytest.raises(ConfigError, match="most is 0"):
        MaxTextRepeat(most=0)
