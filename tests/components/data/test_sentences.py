"""Sentences end at marks and at lines, and nowhere else."""

from components.data.sentences import sentences


def test_sentences_end_at_marks_and_lines():
    assert sentences("A cat. Two dogs!  Why? 1.5 metres\nof rope… Yes ") == [
        "A cat.", "Two dogs!", "Why?", "1.5 metres", "of rope…", "Yes",
    ]  # fmt: skip
    assert sentences("一只猫。两只狗！") == ["一只猫。", "两只狗！"]
    assert sentences("") == sentences(" \n ") == []
