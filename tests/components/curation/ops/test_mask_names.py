import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.curation.ops.mask_names import PERSON, MaskNames
from components.curation.person_names import ListedNames
from components.data.tokenizers import Vocabulary
from tests.components.curation.told import told
from tests.components.curation.toy import apply

NAMES = MaskNames(detector=ListedNames(["刘德华", "张伟"]))


def masked(op: MaskNames, *texts: str) -> list[str]:
    left, _ = apply(op, told(list(texts)))
    return [one["text"] for one in left["texts"][0].as_py()]


def test_each_name_is_one_token_and_the_report_counts_them():
    left, report = apply(NAMES, told(["刘德华与张伟"], ["红心"], ["张伟张伟"]))
    assert [texts[0]["text"] for texts in left["texts"].to_pylist()] == ["<人名>与<人名>", "红心", "<人名><人名>"]
    assert report.stats == {"names": 4, "samples with names": 2}
    assert report.examples == {"names": ("k000", "k002")}
    assert masked(MaskNames(), "张伟先生出席") == ["<人名>先生出席"]


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="刘张"), max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_all_other_characters_stay_as_they_are(parts):
    assert masked(NAMES, "张伟".join(parts)) == [PERSON.join(parts)]


def test_masked_twice_is_masked_once():
    once = masked(NAMES, "刘德华与张伟")
    assert masked(NAMES, *once) == once


def test_the_token_is_one_id_of_a_vocabulary_that_keeps_it_whole():
    vocabulary = Vocabulary.train(["红心与黄星"], size=300, context=16, whole=[PERSON])
    (token,) = [vocabulary.tokenizer.token_to_id(PERSON)]
    ids = vocabulary([f"{PERSON}先生与{PERSON}", "人名"]).ids
    assert (ids[0] == token).sum() == 2
    assert token not in ids[1]
    assert len(vocabulary) <= 300


@pytest.mark.parametrize("token", ["", " ", "张伟"])
def test_a_token_that_is_none_is_refused(token):
    with pytest.raises(ConfigError, match="token is"):
        MaskNames(token, ListedNames(["张伟"]))
