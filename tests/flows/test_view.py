"""What a person sees while a run goes on, and at its end."""

import io
import json
import signal
from pathlib import Path

from rich.console import Console

from components.stages.events import Event
from flows.audience import AUDIENCE, Lines, step
from flows.cli import main
from flows.summary import further_table, meaning, methods, show_end, table_of
from flows.view import Screen, shown

METRIC = {"value": 0.52, "unit": "fraction", "better": "up", "n": 289, "chance": 0.003, "baseline": 0.29}


def training(done: int) -> Event:
    return Event(
        stage="pretrain", recipe="clip", doing="step", done=done, total=640, left_s=102.4,
        seen={"loss": 2.312, "samples_per_s": 1020.4},
    )  # fmt: skip


def test_an_event_reads_as_a_sentence():
    assert str(training(120)) == "pretrain clip: step 120 of 640, loss 2.31, 1,020 samples/s, 1:42 left"
    assert str(training(640)) == "pretrain clip: step 640 of 640, loss 2.31, 1,020 samples/s"


def test_plain_lines_are_few_and_the_last_one_is_among_them(capsys):
    lines = Lines(every_s=3600)
    lines._said_at = float("inf")
    for done in range(1, 641):
        lines.heard(training(done))
    lines.ended("pretrain@clip", "ran", 128.0)
    assert capsys.readouterr().out.splitlines() == [str(training(640)), "pretrain@clip: ran, 2:08"]


def test_the_screen_keeps_one_line_a_step():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    screen = Screen(["ingest", "pretrain@clip", "register"], console)
    screen.began("ingest")
    screen.ended("ingest", "cached", 0.1)
    screen.began("pretrain@clip")
    screen.heard(training(120))
    console.print(screen._render())
    rows = console.file.getvalue().splitlines()
    assert [row.split()[:2] for row in rows] == [["=", "ingest"], [">", "pretrain@clip"], ["register"]]
    assert "step 120 of 640, loss 2.31, 1,020 samples/s, 1:42 left" in rows[1]


def test_a_step_that_fails_is_shown_as_failed_and_raises(capsys):
    AUDIENCE.set(Lines())
    try:
        with shown(["register"]), step("register"):
            raise ValueError("no")
    except ValueError:
        pass
    assert capsys.readouterr().out == "register: failed, 0:00\n"


def test_the_table_shows_each_number_beside_baseline_and_chance():
    metrics = {
        f"retrieval.pair.{way}.recall_at_{k}": METRIC for way in ("image_to_text", "text_to_image") for k in (1, 10)
    }
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(table_of("clip", metrics))
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert rows[2] == ["pair", "picture", "→", "name", "289", "52.0%", "29.0%", "0.3%", "52.0%", "29.0%", "0.3%"]
    assert len(rows) == 4, "splits that were not measured are left out"
    assert "of 100 new pictures, 52 get their own name first, 173 times as often as guessing" in meaning(metrics)
    assert "designer" not in meaning(metrics)


FURTHER = {
    "retrieval.val.image_to_text.recall_at_1": METRIC,
    "zero_shot.designer.category.top1": {**METRIC, "n": 1653, "method": "1 of 9 by the names of things"},
    "zero_shot.designer.category.one_prompt.top1": METRIC,
    "zero_shot.pair.category.top1": {**METRIC, "method": "1 of 9 by the names of things"},
    "probe.digits.top1": {**METRIC, "value": 0.972, "method": "logistic regression"},
    "features.val.modality_gap": {**METRIC, "unit": "distance", "method": "unit rows"},
}


def printed(*what: object) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    for one in what:
        console.print(one)
    return console.file.getvalue()


def test_what_stands_beside_retrieval_has_a_table_and_its_methods_in_words():
    rows = [line.split() for line in printed(further_table(FURTHER)).splitlines()]
    assert rows[1] == ["measured", "split", "n", "value", "base", "chance"]
    assert rows[2:4] == [
        ["category", "pair", "289", "52.0%", "29.0%", "0.3%"], ["category", "designer", "1,653", "52.0%", "29.0%", "0.3%"],
    ]  # fmt: skip
    assert rows[4] == ["digits,", "probe", "test", "289", "97.2%", "29.0%", "0.3%"]
    assert rows[5][-5:] == ["val", "289", "0.52", "0.29", "0.00"]
    assert len(rows) == 6, "what stands there to be compared with is left to the report"
    assert methods(FURTHER).startswith("category: 1 of 9 by the names of things; digits, probe: logistic regression; ")


def test_the_ending_says_what_the_data_does_not_allow(tmp_path):
    evaluated, raw = tmp_path / "runs/clip/evaluate", tmp_path / "data/raw"
    evaluated.mkdir(parents=True)
    raw.mkdir(parents=True)
    (evaluated / "metrics.json").write_text(json.dumps(FURTHER))
    (evaluated / "without.json").write_text(json.dumps({"zero_shot.pair.subcategory": "no picture has a subcategory"}))
    (raw / "source.json").write_text(json.dumps({"source": {"without": {"designer": "nobody says who made what"}}}))
    console = Console(file=io.StringIO(), width=4000, color_system=None)
    show_end(tmp_path, "clip", None, console, "Done")
    assert (
        "This data allows the splits val and these metrics: retrieval, zero-shot by category, a probe on digits, statistics "
        "of the features. Not measured: designer (nobody says who made what); zero_shot.pair.subcategory (no picture has a "
        "subcategory)." in console.file.getvalue()
    )


def test_only_the_terminal_gets_a_screen(capsys, tmp_path: Path):
    with shown(["ingest"]):
        assert isinstance(AUDIENCE.get(), Lines)


def test_what_looks_like_markup_in_a_sentence_or_a_caption_is_printed_as_it_is(tmp_path):
    console = Console(file=io.StringIO(), width=400, color_system=None)
    Screen(["ingest"], console).told("a cat [/b] of [image] s3://bucket/[x]")
    assert "a cat [/b] of [image] s3://bucket/[x]" in console.file.getvalue()


def test_nohup_is_heeded(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # an earlier command of this process may have set it
        assert main(["status"]) == 1, "this is no workspace"
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
