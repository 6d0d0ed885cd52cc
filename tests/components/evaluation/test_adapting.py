"""The sentence in which adapting ends."""

import re

from components.evaluation.adapting import advice
from components.evaluation.report.adapted import adapted
from components.evaluation.wanted import Wanted

LINE = {"arm": "adapted", "runs": 1, "value": 0.6, "apart": True, "queries": 60, "why": ""}
OWN = {**LINE, "metric": "retrieval.pair.mean_recall", "difference": 0.142, "low": 0.123, "high": 0.161}
CIFAR = {**LINE, "metric": "zero_shot.cifar.class.top1", "difference": -0.004, "low": -0.009, "high": 0.001}
RECALL = {
    **LINE,
    "metric": "retrieval.cifar.mean_recall",
    "difference": None,
    "low": None,
    "high": None,
    "why": "measured on <other> data",
}
RACED = {
    "way": "lora", "called": "LoRA r=8", "steps": 600, "alpha": 0.5, "kept": True, "without": {"last layers": "no <layers>"},
    "heats": [{"name": "lora", "steps": 600, "score": 0.5, "seconds": 186.0}],
    "trade": [{"alpha": 0.0, "val": 0.4, "cifar": 0.6}, {"alpha": 0.5, "val": 0.5, "cifar": 0.59}, {"alpha": 1.0, "val": 0.55, "cifar": 0.2}],
}  # fmt: skip
HELD = {"own": [OWN], "elsewhere": {"cifar": [RECALL, CIFAR]}}


def test_it_says_the_way_the_gain_the_loss_the_time_and_what_would_help():
    assert advice(RACED, HELD, Wanted(kind="cats", missed=7, asked=9)) == (
        "LoRA r=8, 600 steps, alpha 0.5: +14.2 points of mean recall here (+12.3 to +16.1); mean recall on cifar cannot be compared; "
        "-0.4 points of top1 on cifar (-0.9 to +0.1); "
        "3.1 minutes. More pictures of 'cats' would help most: 7 of 9 are missed."
    )


def test_it_says_why_a_model_stays_as_it_was_and_what_was_not_measured():
    nothing = {**RACED, "way": "start", "alpha": 0.0}
    assert advice(nothing, HELD) == (
        "It stays as it was: nothing that was tried is better on val. More pictures, or a longer --budget, may change that."
    )
    assert advice({**nothing, "kept": False}, HELD) == (
        "It stays as it was: whatever is better on val loses too much elsewhere. --replay 0.5, which learns from general pictures beside one's own, or a "
        "larger --most-lost may change that."
    ), "more of the same would lose as much"
    few = {**nothing, "by_folds": {"cache": 0.4}}
    assert "nothing that was tried is better on val, or by folds. More" in advice(few, HELD)
    assert "whatever is better on val, or by folds loses" in advice({**few, "kept": False}, HELD)
    assert "(what would be better still on val loses too much elsewhere)" in advice({**RACED, "kept": False}, HELD)
    assert "name sets by --set" in advice(RACED, {"own": [OWN], "elsewhere": {}})


def test_of_a_set_of_several_numbers_each_is_said_and_of_one_that_the_start_could_not_do_that():
    found = {**CIFAR, "metric": "retrieval.cifar.mean_recall", "difference": 0.01, "low": 0.0, "high": 0.02}
    part = {**CIFAR, "metric": "zero_shot.cifar.class.one_prompt.top1"}
    unable = {**CIFAR, "metric": "zero_shot.digits.category.top1", "able": False}
    said = advice(RACED, {"own": [OWN], "elsewhere": {"cifar": [found, part, CIFAR], "digits": [unable]}})
    assert (
        "+1.0 points of mean recall on cifar (+0.0 to +2.0); -0.4 points of top1 on cifar (-0.9 to +0.1); nothing to lose on digits; 3.1 minutes"
        in said
    )


def test_of_labels_it_says_which_number_and_no_steps_where_nothing_was_tuned():
    top1 = {**OWN, "metric": "zero_shot.pair.class.top1"}
    said = advice(
        {**RACED, "way": "linear probe", "called": "", "alpha": 0.0, "metric": top1["metric"]},
        {"own": [OWN, top1], "elsewhere": {}},
    )
    assert said.startswith("linear probe: +14.2 points of top1 here (+12.3 to +16.1); what it lost")


def test_the_report_draws_the_trade_marks_what_was_taken_and_escapes_what_others_wrote():
    page = adapted(RACED, HELD, "what <came>")
    assert page.count("<polyline ") == 2, "val, and one set"
    assert "0.5, taken" in page
    assert "+14.2" in page
    assert "-0.9 to +0.1" in page
    assert "what &lt;came&gt;" in page
    assert "no &lt;layers&gt;" in page
    assert "measured on &lt;other&gt; data" in page
    assert "labels" not in page, "captions were asked for"
    assert adapted(None, {}, "") == "", "of a model that was not adapted there is nothing to say"


def test_the_report_has_what_was_weighed_and_not_taken_and_what_bounded_nothing():
    rows = [{"alpha": 0.0, "val": 0.4, "cifar": 0.6}, {"alpha": 0.25, "val": 0.7, "cifar": 0.123}]
    page = adapted(
        {**RACED, "passed_over": {"<whole>": rows}, "unbound": {"digits": "no better than <chance>"}}, HELD, ""
    )
    assert "<h3>Weighed, and not taken</h3>" in page
    assert "&lt;whole&gt;" in page
    assert "12.3%" in page
    assert "digits bounds nothing: no better than &lt;chance&gt;." in page
    assert "Weighed, and not taken" not in adapted(RACED, HELD, "")


def test_the_report_says_which_labels_there_are_and_what_each_is():
    told = {
        **RACED,
        "labels": [f"<{n}>" for n in range(13)],
        "strength": 0.25,
        "vectors": {"counts": [4] * 13, "sharpness": 0.5},
    }
    page = adapted(told, HELD, "")
    assert "which of 13 labels a picture has, &lt;0&gt;," in page
    assert "&lt;11&gt; and 1 more. Each is 4 vectors, 25% of the way" in page
    assert "Each is its own text." in adapted({**told, "vectors": None, "strength": None}, HELD, "")


def test_what_is_hard_about_the_data_is_said_and_nothing_where_nothing_is():
    hard = [{"name": "few_pictures", "count": 16, "of": 30, "sentence": "There are <16> pictures."}]
    page = adapted({**RACED, "hard": hard}, HELD, "")
    assert "<h3>What is hard about this data</h3>" in page
    assert "There are &lt;16&gt; pictures." in page
    assert "What is hard" not in adapted(RACED, HELD, "")


def test_what_folds_say_stands_beside_what_the_validation_split_says_where_they_chose():
    probe = {"name": "linear probe", "steps": 0, "score": 1.0, "seconds": 0.2}
    page = adapted({**RACED, "heats": [probe, *RACED["heats"]], "by_folds": {"linear probe": 0.844}}, HELD, "")
    assert re.search(r"linear probe.*?0.*?100.0%.*?84.4%.*?0.2", page, re.DOTALL)
    assert page.count(">folds</th>") == 1
    assert "Folds are of the pictures to learn from and to choose by" in page
    assert "olds" not in adapted(RACED, HELD, "")
