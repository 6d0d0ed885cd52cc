"""`diptych data check` as a newcomer meets it: anywhere, on anything, with a table, a last line and an honest exit code."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data.new_folder import new_folder
from flows.cli import main
from flows.data.check import Told, lines_of
from tests.components.serving.tiny_package import COLOURS, make_package
from tests.defects import drawn, plant, saved
from tests.hostile import HOSTILE
from tests.own_pictures import paint, write_coco, write_table
from tests.seaweed import asked_as_reader, client_of, s3_on_loopback
from tests.shards import members_of, write_shard
from tests.web_server import Web, serving

REPOSITORY = Path(__file__).parents[2]


def started(folder: Path, *arguments: str, code: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command as a process of its own, or code in its place."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "flows.cli"]), "data", "check", *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def faults(stderr: str) -> list[str]:
    """What is said there besides how far the check is, which a busy machine has time to say."""
    return [line for line in stderr.splitlines() if not line.startswith("check: ")]


@dataclass(frozen=True)
class Ran:
    """What came of a command: its exit code and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def check(monkeypatch, capsys):
    """Run the command in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(folder: Path, *arguments: str) -> Ran:
        monkeypatch.chdir(folder)
        code = main(["data", "check", *arguments])
        return Ran(code, *capsys.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_heap_is_told_by_reason_with_names_and_a_last_line_that_sums_it_up(tmp_path):
    truth = plant(tmp_path / "heap", clean=5)
    odd = saved(drawn(1), "WEBP", exif=b"Exif\0\0II*\0" + b"\xff" * 40)  # of which Pillow warns
    (tmp_path / "heap" / next(iter(truth))).write_bytes(odd)
    ran = started(tmp_path, "heap", "--out", "out")
    assert (ran.returncode, faults(ran.stderr)) == (0, [])
    lines = ran.stdout.splitlines()
    assert lines[-1].endswith(f"of {len(truth)} pairs are clean; report at {tmp_path / 'out/report.html'}")
    names = {kind: name for name, kind in truth.items()}
    for head, code, name in (
        ("broken:", "truncated", names["truncated"]),
        ("set aside:", "pii_text", names["email"]),
        ("kept, and told of:", "gps", names["gps"]),
    ):
        below = lines[lines.index(head) :]
        assert next(line for line in below if line.split()[0] == code).split()[2].rstrip(",") == name
    assert {path.name for path in tmp_path.iterdir()} == {"heap", "out"}


def test_json_is_one_object_that_adds_up(check, tmp_path):
    write_table(tmp_path / "own/captions.csv", paint(tmp_path / "own", 8) | {"gone.png": ("a ghost", "ghost")})
    ran = check(tmp_path, "own/captions.csv", "--out", "out", "--json")
    said = json.loads(ran.stdout)
    assert (said["rows_in"], said["clean"], said["quarantined"], said["reasons"]) == (9, 8, 1, {"no_picture": 1})
    assert said["rows_in"] == said["clean"] + said["quarantined"]
    assert said["seconds"] > 0
    assert all(Path(path).is_file() for path in said["paths"].values())


def test_no_training_and_no_orchestration_is_imported(tmp_path):
    """It starts at once, and where those are not installed: importing one would fail here."""
    paint(tmp_path / "own", 4)
    heavy = ("torch", "lightning", "great_expectations", "prefect", "mlflow", "dvc", "sklearn", "timm")
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy!r})); from flows.cli import main; sys.exit(main())"
    ran = started(tmp_path, "own", "--out", "out", code=code)
    assert (ran.returncode, faults(ran.stderr)) == (0, [])
    assert ran.stdout.splitlines()[-1].startswith("4 of 4 pictures are clean, and none has a caption; report at ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "--out", "out"), "there is no folder, table or shard at"),
        (("scene", "--out", "out"), "did you mean scenes?"),
        (("empty", "--out", "out"), "empty holds no picture (.jpg, .jpeg, .png"),
        (("texts", "--out", "out"), "it has 1 files of the kinds .txt"),
        (("own", "--out", "texts"), "texts is not empty, and nothing is written over"),
        (("own", "--out", "texts/a.txt"), "a.txt is a file"),
        (("own/0000.png", "--out", "out"), "is neither a folder nor a table"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence_and_exit_code_1(check, tmp_path, arguments, said):
    paint(tmp_path / "own", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("a")
    ran = check(tmp_path, *arguments)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("diptych: ")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "out").exists()


def test_pictures_that_harm_their_decoder_end_nothing_but_themselves(hostile, check, tmp_path):
    paint(tmp_path / "own", 6)
    for name, kind in (("0001.png", "crash"), ("0004.png", "exit")):
        (tmp_path / "own" / name).write_bytes(HOSTILE[kind])
    ran = check(tmp_path, "own", "--out", "out")
    assert (ran.returncode, faults(ran.stderr)) == (0, [])
    assert ran.stdout.splitlines()[-1].startswith("4 of 6 pictures are clean")
    assert "  undecodable               2  0001.png, 0004.png" in ran.stdout.splitlines()


def test_one_check_at_a_time_writes_a_folder(check, tmp_path):
    paint(tmp_path / "own", 2)
    with new_folder(tmp_path / "out"):
        ran = check(tmp_path, "own", "--out", "out")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"diptych: another process is making {tmp_path / 'out'}, and two would mix their files" in ran.stderr


def test_what_dvc_could_not_watch_is_no_reason_to_look_away(check, tmp_path):
    paint(tmp_path / "own", 3)
    os.mkfifo(tmp_path / "own/pipe.png")
    (tmp_path / "own/gone.png").symlink_to("nothing.png")
    ran = check(tmp_path, "own", "--out", "own/checked")
    assert ran.returncode == 0
    assert "links to nothing, pipes and the like: 2: gone.png, pipe.png" in ran.stdout.splitlines()


def test_shards_and_pictures_by_url_are_looked_at_where_hosts_of_this_network_are_allowed(check, tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    said = paint(tmp_path / "own", 4)
    shard = write_shard(tmp_path / "0.tar", members_of(tmp_path / "own", said))
    with serving(Web({"/cc/0.tar": shard.read_bytes(), "/0000.png": (tmp_path / "own/0000.png").read_bytes()})) as web:
        (tmp_path / "list.csv").write_text(
            f"image,caption\n{web.url('/0000.png')},a circle\n{web.url('/gone.png')},a ghost\n"
        )
        refused = check(tmp_path, web.url("/cc/0.tar"), "--out", "out")
        assert (refused.returncode, "--allow-host" in refused.stderr) == (1, True)
        ran = check(tmp_path, web.url("/cc/0.tar"), "--out", "out", "--allow-host", web.host)
        assert ran.stdout.splitlines()[-1].startswith("4 of 4 pairs are clean")
        ran = check(tmp_path, "list.csv", "--out", "listed", "--allow-host", web.host)
        assert ran.stdout.splitlines()[-1].startswith("1 of 2 pairs are clean")


def test_a_share_of_broken_ones_fails_on_demand_after_all_is_said(check, tmp_path):
    paint(tmp_path / "own", 3)
    (tmp_path / "own/0000.png").write_bytes(b"")
    ran = check(tmp_path, "own", "--out", "a", "--max-broken", "0.25")
    assert (ran.returncode, ran.stdout.splitlines()[-1].split(";")[0]) == (
        1,
        "2 of 3 pictures are clean, and none has a caption",
    )
    assert "diptych: 1 of 3 records are broken, and --max-broken allows 25.00%. Mend them" in ran.stderr
    assert (tmp_path / "a/report.html").is_file()
    assert check(tmp_path, "own", "--out", "b", "--max-broken", "0.34").returncode == 0
    assert "from 0 (none) to 1 (all)" in check(tmp_path, "own", "--out", "c", "--max-broken", "25").stderr


def test_a_params_yaml_is_asked_what_it_asks_of_a_run(check, tmp_path):
    """Its gates, its admission, the list beside it; and its source where nothing is named, from wherever it is called."""
    write_table(tmp_path / "work/data/own/captions.csv", paint(tmp_path / "work/data/own", 6))
    listed = hashlib.sha256((tmp_path / "work/data/own/0002.png").read_bytes()).hexdigest()
    (tmp_path / "work/data/takedown.txt").write_text(f"{listed}  # asked us to\n")
    bad = hashlib.sha256((tmp_path / "work/data/own/0004.png").read_bytes()).hexdigest()
    (tmp_path / "work/data/known-bad.txt").write_text(f"{bad}\n")
    (tmp_path / "work/data/own/0003.png").write_bytes(b"")
    params = tmp_path / "work/params.yaml"
    source = "source: {name: table, path: data/own}\n"
    params.write_text(f"{source}gates: {{max_broken: 0.2, policy: {{pii_text: keep}}}}\n")
    ran = check(tmp_path, "--params", "work/params.yaml", "--out", "a", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["reasons"]) == (
        0,
        {"zero_bytes": 1, "known_bad": 1, "takedown": 1},
    )
    params.write_text(f"{source}gates: {{max_broken: 0.1}}\n")
    ran = check(tmp_path, "work/data/own", "--params", "work/params.yaml", "--out", "b")
    assert "1 of 6 records are broken, and gates.max_broken allows 10.00%" in ran.stderr
    assert check(tmp_path, "--params", "work/params.yaml", "--out", "c", "--max-broken", "0.5").returncode == 0
    params.write_text(f"{source}admit: {{licences: [MIT], otherwise: close}}\n")
    ran = check(tmp_path, "--params", "work/params.yaml", "--out", "d", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["reasons"]) == (1, {"zero_bytes": 1, "licence_refused": 5})
    assert "5 records may not come in: licence_refused (5), and admit.otherwise is close" in ran.stderr
    assert (tmp_path / "d/report.html").is_file()


def test_what_the_recipes_of_a_workspace_need_is_asked_too(check, tmp_path):
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    clip = (tmp_path / "components/recipes/clip.yaml").read_text()
    needing = clip.replace("  splits: [train, val]\n", "  needs: {kinds: [regions], min_side: pixels}\n")
    (tmp_path / "components/recipes/boxes.yaml").write_text(needing)
    (tmp_path / "params.yaml").write_text("{recipes: {boxes: {}, clip: {}}, scale: debug}")
    whole = write_coco(tmp_path / "own/captions_own.json", paint(tmp_path / "own/own", 6))
    ran = check(tmp_path, "own", "--params", "params.yaml", "--out", "a")
    assert (ran.returncode, "0 of 6 have what boxes needs" in ran.stdout) == (1, True)
    assert "the recipe boxes needs regions, and this data has none" in ran.stderr
    images = [image | {"width": 40, "height": 40} for image in whole["images"]]
    boxes = [{"image_id": 10 + at, "bbox": [0, 0, 9, 9], "category_id": 1} for at in range(4)]
    said = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "own/instances_own.json").write_text(json.dumps(said))
    ran = check(tmp_path, "own", "--params", "params.yaml", "--out", "b")
    assert (ran.returncode, ran.stderr.partition("Error")[1]) == (0, "")
    assert "4 of 6 have what boxes needs; lacking: too_few_regions (2)\n" in ran.stdout
    assert (
        "<td>boxes</td><td class=n>4</td><td class=n>6</td><td>too_few_regions 2</td>"
        in (tmp_path / "b/report.html").read_text()
    )


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (None, "nothing was named, so there is nothing to check. Name a folder"),
        ("seed: 1", "params.yaml has no section source"),
        ("gates: {policy: {face: blur}}", "params.yaml, line 1"),
        ("gates: {max_broken: 0.1, policy: {fase: drop}}\nsource: {name: scenes}", "did you mean face?"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_work(check, tmp_path, said, error):
    if said is not None:
        (tmp_path / "params.yaml").write_text(said)
    ran = check(tmp_path, *([] if said is None else ["--params", "params.yaml"]), "--out", "out")
    assert (ran.returncode, ran.stdout, error in ran.stderr) == (1, "", True)
    assert not (tmp_path / "out").exists()


def test_of_many_names_three_are_shown():
    counts = {
        "rows_in": 9, "clean": 4, "reasons": {"truncated": 5}, "told": {}, "left_out": {}, "needs": {}, "captioned": True,
    }  # fmt: skip
    rows = [{"reason": "truncated", "member": f"{name}.jpg"} for name in "abcde"]
    assert list(lines_of(counts, rows, Path("out"))) == [
        "broken:",
        "  truncated                 5  a.jpg, b.jpg, c.jpg and 2 more",
        "4 of 9 pairs are clean; report at out/report.html",
    ]


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def test_progress_says_how_far_it_is_and_leaves_no_line_on_a_terminal():
    clock = iter(range(0, 100, 10))
    screen, file = Terminal(), io.StringIO()
    for stream in (screen, file):
        told = Told(stream, clock.__next__)
        for done in (1, 2, 4):
            told("read pictures", done, 4)
    assert "\r\x1b[2Kcheck: read pictures 2 of 4, 0:20 left" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[2K")
    assert file.getvalue() == "check: read pictures 1 of 4\ncheck: read pictures 2 of 4, 0:20 left\n"


def test_shards_that_lie_elsewhere_are_looked_at_as_those_here_are(check, tmp_path, monkeypatch):
    said = paint(tmp_path / "own", 6)
    shard = write_shard(tmp_path / "0.tar", [*members_of(tmp_path / "own", said), ("x.pickle", b".")])
    with s3_on_loopback() as address:
        client = client_of(address)
        client.create_bucket(Bucket="heap")
        client.put_object(Bucket="heap", Key="in/0.tar", Body=shard.read_bytes())
        for name, value in asked_as_reader(address).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
        ran = check(tmp_path, "s3://heap/in", "--out", "out", "--json")
        assert (ran.returncode, faults(ran.stderr)) == (0, [])
        counts = json.loads(ran.stdout)
        assert (counts["rows_in"], counts["reasons"]) == (7, {"pickle_member": 1})
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        ran = check(tmp_path, "s3://heap/none", "--out", "other")
        assert ran.returncode == 1
        assert "s3://heap/none has no object whose name ends in .tar, " in ran.stderr


def test_a_model_says_which_words_do_not_fit_and_the_bar_is_whoever_asks_sets_it(check, tmp_path):
    make_package(tmp_path / "work/model")
    said = paint(tmp_path / "own", 40)
    for name, (words, _) in said.items():
        colour = next((one for one in COLOURS if one in words), "a")
        (tmp_path / "own" / name).with_suffix(".txt").write_text(colour)
    ran = check(tmp_path, "own", "--model", "work/model", "--misfit", "0.01", "--out", "a", "--json")
    low = json.loads(ran.stdout)["told"]["misfit"]
    ran = check(tmp_path, "own", "--model", "work/model", "--misfit", "1000", "--out", "b", "--json")
    assert low > 0 == json.loads(ran.stdout)["told"].get("misfit", 0)
    (tmp_path / "work/params.yaml").write_text("gates: {max_broken: 1, scored_by: model, misfit: 0.01}\n")
    ran = check(tmp_path, "own", "--params", "work/params.yaml", "--out", "c", "--json")
    assert json.loads(ran.stdout)["told"]["misfit"] == low


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--misfit", "3"), "no model is named that scores pairs. Name one: --model PACKAGE"),
        (("--model", "own"), "'own' is no model"),
        (("--model", "own", "--misfit", "-1"), "Give a number above 0"),
        (("--model", "clip@1"), "in no workspace"),
    ],
)
def test_a_model_that_is_none_is_refused_before_the_work(check, tmp_path, arguments, says):
    paint(tmp_path / "own", 2)
    ran = check(tmp_path, "own", "--out", "out", *arguments)
    assert ran.returncode == 1
    assert says in ran.stderr
    assert not (tmp_path / "out").exists()
