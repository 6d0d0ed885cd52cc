"""What `diptych adapt` and `diptych estimate adapt` take of a race: the same words, which mean the same."""

import argparse

from flows.adapt_parser import add_adapt, add_race, race_of
from flows.estimating.adapting import as_said
from flows.estimating.parser import add_estimate

ALL = (
    "--budget", "90s", "--most-lost", "0.05", "--ask", "captions", "--way", "lora", "--way", "image-prompt", "--augment", "strong",
    "--recall", "0.5", "--replay", "0.25", "--recalled", "emoji", "--batch", "12", "--most-steps", "40", "--seed", "3",
)  # fmt: skip
RACE = {
    "budget_s": 90.0, "most_lost": 0.05, "ask": "captions", "ways": ["lora", "image prompt"], "augment": "strong", "recall": 0.5, "replay": 0.25, "recalled": {"name": "emoji"}, "batch": 12,
    "most_steps": 40,
}  # fmt: skip


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()

    def add(name, does, command):
        return commands.add_parser(name, help=does)

    add_adapt(add)
    add_estimate(add)
    return parser.parse_args(words)


def test_an_estimate_takes_all_that_the_race_takes_and_reads_it_alike():
    for command in (("adapt", "mine"), ("estimate", "adapt", "mine")):
        said = parsed(*command, "--from", "start", *ALL)
        assert race_of(said) == RACE
        assert said.seed == 3
        assert race_of(parsed(*command, "--from", "start")) == {"budget_s": 900.0, "ask": "auto"}
        assert race_of(parsed(*command, "--from", "start", "--replay", "0"))["replay"] == 0.0, "which is not the same"


def test_what_is_tried_outside_of_a_workspace_is_told_the_same_race_but_for_its_longest_heat(tmp_path):
    parser = argparse.ArgumentParser()
    add_race(parser)
    assert race_of(parser.parse_args(as_said(RACE, tmp_path))) == {
        name: value for name, value in RACE.items() if name != "most_steps"
    }
    (tmp_path / "emoji").mkdir()
    found = race_of(parser.parse_args(as_said(RACE, tmp_path)))["recalled"]
    assert found == {"name": str(tmp_path / "emoji")}, "a folder is found from where it is tried, too"
