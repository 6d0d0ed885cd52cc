"""docs/faults.md: its drills and tests are there, its numbers are those that were measured."""

import json
import re
from pathlib import Path

from components.stages.place import address
from flows.page_apps import KEEP_RUNS, RUNS_KEPT_DAYS
from flows.pipeline import WAITS_S, run_stage
from tests import drills
from tests.drills import clock, expired_key, full_disk, nights, s3_away, s3_pipeline, server_disk, soak
from tests.drills.__main__ import DRILLS, OTHERS
from tests.flows.test_kill import STAGES

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/faults.md").read_text()


def test_each_drill_and_each_test_that_is_named_is_there():
    named = set(re.findall(r"DRILL=([a-z_0-9]+)", PAGE))
    wanted = {
        "stack",
        "s3_away",
        "mlflow_away",
        "expired_key",
        "nights",
        "full_disk",
        "clock",
        "soak",
        "s3_pipeline",
        "server_disk",
    }
    assert wanted <= named <= {*OTHERS, *DRILLS}
    for drill in named & {*OTHERS}:
        assert (REPOSITORY / f"tests/drills/{drill}.py").exists(), drill
    paths = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    assert len(paths) >= 5
    for path in paths:
        assert (REPOSITORY / path).exists(), path


def test_the_drills_say_which_there_are():
    rows = re.findall(r"^\| ([a-z_0-9, ]+) \|", str(drills.__doc__), re.M)[1:]
    assert sorted(name for row in rows for name in row.split(", ")) == sorted([*OTHERS, *DRILLS])
    for name in OTHERS:
        assert (REPOSITORY / f"tests/drills/{name}.py").exists(), name


def test_the_numbers_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/s3-away.json").read_text())
    assert said["passed"] is True
    assert f"<!-- s3 -->\n{s3_away.page(said)}\n<!-- /s3 -->" in PAGE


def test_what_a_night_adds_is_what_was_counted_and_nothing_else_grew():
    said = json.loads(nights.KEPT_AT.read_text())
    assert (said["passed"], said["detail"]["grows"], said["detail"]["left_of_old_rows"]) == (True, {}, {})
    assert said["detail"]["nights"] == 24
    assert f"<!-- nights -->\n{nights.page(said)}\n<!-- /nights -->" in PAGE


def test_a_soak_of_200_faults_lost_nothing_and_answered_nothing_wrong():
    said = json.loads(soak.KEPT_AT.read_text())
    assert soak.verdict(said, 200)
    assert (said["passed"], said["runs"], len(said["disturbed_s"]), said["registered"]) == (True, 24, 24, 24)
    assert f"<!-- soak -->\n{soak.page(said)}\n<!-- /soak -->" in PAGE


def test_a_pipeline_ends_by_itself_whatever_s3_does_for_a_minute_and_says_so_where_its_key_has_expired():
    said = json.loads(s3_pipeline.KEPT_AT.read_text())
    assert (said["passed"], said["lost"], [*said["detail"]], said["fault_s"]) == (True, 0, [*s3_pipeline.FAULTS], 60.0)
    assert all(of["requests_met"] > 0 for of in said["detail"].values())
    assert s3_pipeline.SAID["expired"] in said["detail"]["expired"]["said"]
    assert f"<!-- s3-pipeline -->\n{s3_pipeline.page(said)}\n<!-- /s3-pipeline -->" in PAGE


def test_a_full_disk_of_the_servers_ends_no_run_and_no_server_for_good():
    said = json.loads(server_disk.KEPT_AT.read_text())
    assert (said["passed"], said["lost"], [*said["detail"]]) == (True, 0, ["registering", "training"])
    assert all(of["ended_by_itself"] and of["ballast_mb"] > 1_000 for of in said["detail"].values())
    assert said["detail"]["training"]["not_well_then"], "else nobody had to be started again"
    assert f"<!-- server-disk -->\n{server_disk.page(said)}\n<!-- /server-disk -->" in PAGE


def test_the_clock_jumps_over_a_night_and_back_and_runs_are_as_undisturbed():
    said = json.loads(clock.KEPT_AT.read_text())
    assert (said["passed"], clock.what_was_lost(said["detail"])) == (True, [])
    assert said["detail"]["jump_h"] > 0
    assert f"<!-- clock -->\n{clock.page(said)}\n<!-- /clock -->" in PAGE


def test_a_key_that_expires_in_a_training_costs_no_stage_and_no_point_of_a_curve():
    said = json.loads(expired_key.KEPT_AT.read_text())
    assert (said["passed"], said["lost"], said["detail"]["done_again"]) == (True, 0, [])
    assert expired_key.SAYS in said["detail"]["said"]
    assert f"<!-- expired-key -->\n{expired_key.page(said)}\n<!-- /expired-key -->" in PAGE


def test_what_follows_by_arithmetic_follows():
    """The minute is over when a stage is tried for the last time, though all of its tries before had failed at once."""
    said = json.loads((REPOSITORY / "docs/benchmarks/s3-away.json").read_text())
    first, second = run_stage.retry_delay_seconds
    assert first + second > 60
    assert (
        f"gave up after {said['detail']['away']['shards']['seconds']:.0f} s, and its pipeline tries it again after {first} s"
        in PAGE
    )
    assert f"after {second} s; the third try begins {first + second} s after\nthe first has failed" in PAGE


def test_a_stage_whose_disk_is_full_says_so_and_leaves_nothing_half_written():
    said = json.loads(full_disk.KEPT_AT.read_text())
    assert (said["passed"], said["lost"], [*said["detail"]]) == (True, [], [address(*one) for one in STAGES])
    assert all(full_disk.NO_ROOM in one and "DISK/work/job" in one for one in said["detail"].values())
    assert f"<!-- full-disk -->\n{full_disk.page(said)}\n<!-- /full-disk -->" in PAGE


def test_the_limits_are_those_of_the_code():
    assert f"waits, {WAITS_S / 3600:.0f} h at most" in PAGE
    assert f"for {RUNS_KEPT_DAYS} days (`{KEEP_RUNS}`" in PAGE
