"""What `diptych adapt` and `diptych estimate adapt` take of a race: the same words, which mean the same."""

import argparse

import pytest

from components.contracts.errors import ConfigError
from flows.adapt_parser import add_adapt, add_race, race_of
from flows.estimating.adapting import as_said
from flows.estimating.parser import OF_ADAPT, OF_RECIPES, add_estimate, check_belongs
from flows.evaluation_parsers import add_evaluate, add_study
from flows.proving.parsers import add_proofs

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
    add_evaluate(add)
    add_study(add)
    add_proofs(add)
    return parser.parse_args(words)


def test_an_estimate_takes_all_that_the_race_takes_and_reads_it_alike():
    for command in (("adapt", "mine"), ("estimate", "adapt", "mine")):
        said = parsed(*command, "--from", "start", *ALL)
        assert race_of(said) == RACE
        assert said.seed == 3
        assert race_of(parsed(*command, "--from", "start")) == {"budget_s": 900.0, "ask": "auto"}
        assert race_of(parsed(*command, "--from", "start", "--replay", "0"))["replay"] == 0.0, "which is not the same"


@pytest.mark.parametrize(
    "command",
    [
        ("adapt", "mine", "--from", "start"), ("estimate", "adapt", "mine", "--from", "start"), ("evaluate", "model", "--set", "set"), ("study", "a", "b"),
        ("grow", "growclip", "a", "b"),
    ],
)  # fmt: skip
def test_a_seed_that_a_library_would_refuse_at_the_end_is_refused_before_anything_is_read(command, capsys):
    assert [parsed(*command, f"--seed={one}").seed for one in (0, 2**32 - 1)] == [0, 2**32 - 1]
    for one in ("-1", str(2**32), "1.5", "one"):
        with pytest.raises(SystemExit):
            parsed(*command, f"--seed={one}")
        assert f"'{one}' is no seed. Give a whole number from 0 to 4294967295." in capsys.readouterr().err


def test_an_estimate_says_what_it_would_not_heed():
    every = [
        *zip(ALL[::2], ALL[1::2], strict=True),
        ("--from", "start"),
        ("--to", "out"),
        ("--network",),
        ("--recall", "0"),
        ("--replay", "0"),
        ("--budget", "15m"),
    ]
    assert {words[0] for words in every} == set(OF_ADAPT.values())
    for words in every:
        with pytest.raises(
            ConfigError,
            match=rf"^{words[0]}: that is of adapt, and adapted is taken for a recipe.*Did you mean adapt\?",
        ):
            check_belongs(parsed("estimate", "adapted", "mine", *words))
        check_belongs(parsed("estimate", "adapt", "mine", *words))
    for words in (("--scale", "large"), ("--with-data",)):
        assert words[0] in OF_RECIPES.values()
        with pytest.raises(ConfigError, match=f"^{words[0]} would change nothing of what adapt takes"):
            check_belongs(parsed("estimate", "adapt", "mine", "--from", "start", *words))
        check_belongs(parsed("estimate", "clip", *words))
    common = ("--set", "seed=3", "--price-per-hour", "1", "--json")
    for name in ("clip", "adapt"):
        check_belongs(parsed("estimate", name, "mine", *common))


def test_a_way_is_read_by_its_words_however_these_are_joined():
    said = parsed(
        "adapt", "mine", "--from", "start", "--way", "locked_image", "--way", "locked-text", "--way", "last layers"
    )
    assert race_of(said)["ways"] == ["locked image", "locked text", "last layers"]


def test_what_is_tried_outside_of_a_workspace_is_told_the_same_race_but_for_its_longest_heat(tmp_path):
    parser = argparse.ArgumentParser()
    add_race(parser)
    assert race_of(parser.parse_args(as_said(RACE, tmp_path))) == {
        name: value for name, value in RACE.items() if name != "most_steps"
    }
    (tmp_path / "emoji").mkdir()
    found = race_of(parser.parse_args(as_said(RACE, tmp_path)))["recalled"]
    assert found == {"name": str(tmp_path / "emoji")}, "a folder is found from where it is tried, too"
