"""Labels ranked on vectors that can be checked by eye, and what is not taken for a label or a template."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving.classification import (
    MAX_CHARACTERS,
    MAX_LABELS,
    MAX_PROMPTS,
    MAX_TEMPLATES,
    BadLabels,
    check_labels,
    check_templates,
    label_vectors,
    prompts_of,
    ranked,
)


def test_prompts_of_a_label_come_together():
    assert prompts_of(["cat", "dog"], ["{}", "a {}!"]) == ["cat", "a cat!", "dog", "a dog!"]


def test_a_label_is_text_whatever_braces_it_has():
    assert prompts_of(["{0.__class__}", "{}"], ["a {} of {x}"]) == ["a {0.__class__} of {x}", "a {} of {x}"]


def test_a_vector_is_the_mean_of_its_prompts_of_unit_length():
    rows = np.array([[1, 0], [0, 1], [0, -1], [0, -1]], np.float32)
    vectors = label_vectors(rows, 2)
    np.testing.assert_allclose(vectors, [[0.5**0.5, 0.5**0.5], [0, -1]], rtol=1e-6)
    assert vectors.dtype == np.float32


def test_prompts_that_cancel_out_are_no_direction_but_a_number():
    assert np.isfinite(label_vectors(np.array([[1, 0], [-1, 0]], np.float32), 2)).all()


def test_scores_are_the_softmax_of_scaled_cosines_by_hand():
    vectors = np.array([[0, 1], [1, 0], [-1, 0]], np.float32)
    best, scores = ranked(np.array([1, 0], np.float32), vectors, logit_scale=np.log(2), top_k=3)
    assert best.tolist() == [1, 0, 2]
    np.testing.assert_allclose(scores, np.array([2, 1, 0.5]) / 3.5, rtol=1e-6)
    assert scores.dtype == np.float32


def test_a_label_of_several_vectors_has_the_sum_of_their_shares_by_hand():
    vectors = np.array([[0, 1], [1, 0], [-1, 0], [0, -1]], np.float32)
    best, scores = ranked(np.array([1, 0], np.float32), vectors, logit_scale=np.log(2), top_k=2, counts=(1, 3))
    assert best.tolist() == [1, 0]
    np.testing.assert_allclose(scores, np.array([2 + 0.5 + 1, 1]) / 4.5, rtol=1e-6)


def test_fewer_answers_keep_their_share_of_all_labels():
    image, vectors = np.array([1, 0], np.float32), np.eye(2, dtype=np.float32)
    best, scores = ranked(image, vectors, logit_scale=np.log(3), top_k=1)
    assert best.tolist() == [0]
    assert scores.tolist() == pytest.approx([0.75])


def test_equal_labels_keep_their_order():
    best, _ = ranked(np.ones(2, np.float32), np.ones((5, 2), np.float32), logit_scale=100.0, top_k=5)
    assert best.tolist() == [0, 1, 2, 3, 4]


@given(st.integers(1, 20), st.floats(0, 1000), st.integers(0, 2**32 - 1))
def test_scores_of_all_labels_are_a_distribution(labels, logit_scale, seed):
    rng = np.random.default_rng(seed)
    rows = label_vectors(rng.normal(size=(labels + 1, 4)).astype(np.float32), 1)
    best, scores = ranked(rows[0], rows[1:], logit_scale, labels)
    assert sorted(best.tolist()) == list(range(labels))
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    assert (np.diff(scores) <= 0).all()


GOOD = ["cat", "Straße", "红心", "family: man, woman \N{ZERO WIDTH JOINER} girl", "x" * MAX_CHARACTERS]


def test_words_of_any_script_are_labels():
    check_labels(GOOD)
    check_labels([str(number) for number in range(MAX_LABELS)])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "no labels"),
        ([str(number) for number in range(MAX_LABELS + 1)], "1,001 labels; give at most 1,000"),
        (["cat", ""], "label 1 is blank"),
        (["cat", " \u3000"], "label 1 is blank"),
        (["x" * (MAX_CHARACTERS + 1)], "label 0 has 201 characters"),
        (["a\x00b"], "control character"),
        (["a\nb"], "line break"),
        (["a\u2028b"], "line break"),
        (["\x1b[31mred"], "control character"),
        (["cat", "dog", "cat"], "label 2 is there twice"),
    ],
)
def test_what_is_no_label_is_said(labels, said):
    with pytest.raises(BadLabels, match=said):
        check_labels(labels)


@pytest.mark.parametrize(
    ("templates", "labels", "said"),
    [
        ([], 1, "no templates"),
        (["{}"] * (MAX_TEMPLATES + 1), 1, "65 templates; give at most 64"),
        (["a picture"], 1, r"template 0 needs \{\} once"),
        (["{}", "{} or {}"], 1, r"template 1 needs \{\} once"),
        (["{}\t"], 1, "control character"),
        (["{}"] * 5, 1_000, "5,000 prompts"),
    ],
)
def test_what_is_no_template_is_said(templates, labels, said):
    with pytest.raises(BadLabels, match=said):
        check_templates(templates, labels)


def test_as_many_prompts_as_are_kept_can_be_asked():
    check_templates(["{}"] * 64, MAX_PROMPTS // 64)
