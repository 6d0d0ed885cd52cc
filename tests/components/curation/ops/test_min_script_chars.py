import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.min_script_chars import MinScriptChars
from tests.components.curation.told import told
from tests.components.curation.toy import apply


def test_a_text_in_chinese_without_a_chinese_character_goes_and_its_sample_with_its_last():
    table = told(["红心"], ["LOVE 520"], ["LOVE 520", "红心"], [])
    left, report = apply(MinScriptChars(), table)
    assert [[one["text"] for one in texts] for texts in left["texts"].to_pylist()] == [["红心"], ["红心"], []]
    assert report.dropped == {"fewer than 1 Han characters": 1}
    assert report.examples == {"fewer than 1 Han characters": ("k001",)}
    assert report.stats == {"texts left out": 2, "samples with fewer texts": 1}


def test_other_languages_are_not_held_to_it_and_regions_of_a_language_are():
    table = told([("a heart", "en")], [("heart", "zh-TW")], [("heart", "")], [("紅心", "zh-TW")])
    left, _ = apply(MinScriptChars(), table)
    assert left["key"].to_pylist() == ["k000", "k002", "k003"]
    left, _ = apply(MinScriptChars(languages=None), table)
    assert left["key"].to_pylist() == ["k003"]


def test_so_many_are_enough_and_no_fewer():
    table = told(["一二"], ["一"], ["一 x 二 x"], ["㐀㐁"], ["𠀀𠀁"], ["ひらがな"])
    left, _ = apply(MinScriptChars(least=2), table)
    assert left["key"].to_pylist() == ["k000", "k002", "k003", "k004"]  # the rare ones of extensions A and B too


@pytest.mark.parametrize("script", ["Hann", "", "Han} | \\p{L"])
def test_what_is_no_script_is_refused(script):
    with pytest.raises(ConfigError, match="which is no script"):
        MinScriptChars(script=script)


def test_a_bound_that_holds_nothing_is_refused():
    with pytest.raises(ConfigError, match="least is 0"):
        MinScriptChars(least=0)
