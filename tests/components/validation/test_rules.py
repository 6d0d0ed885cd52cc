"""What is counted for a million texts at once is what is counted for each alone."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.data.language import fits_script
from components.validation.rules import characters, in_script

# Whatever Python or Arrow may take for blank, marks that end a line, and letters of several scripts.
text = st.text(
    st.one_of(
        st.sampled_from(" \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u200b\u2028\u3000aZ!~é赤д1"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=9,
)


@given(st.lists(text))
def test_characters_are_those_between_what_is_blank(texts):
    assert characters(pa.array(texts, pa.string())).tolist() == [len(text.strip()) for text in texts]


@given(st.lists(st.tuples(text, st.sampled_from(["en", "ja", "ru", "und", ""]))))
def test_scripts_are_judged_as_they_are_one_by_one(said):
    texts, langs = (pa.array([one[at] for one in said], pa.string()) for at in (0, 1))
    assert in_script(texts, langs).tolist() == [fits_script(text, lang) for text, lang in said]
