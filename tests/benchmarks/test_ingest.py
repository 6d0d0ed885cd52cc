"""The benchmark of ingest times runs that end in the same snapshot, and the last of them from shards that were kept."""

import json
import sys

from tests.benchmarks import ingest


def test_all_runs_end_in_one_digest_and_the_last_goes_on_from_kept_shards(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ingest", "--pictures", "160", "--processes", "0", "1"])
    ingest.main()
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["same_digest"]
    assert list(said["runs"]) == ["0 processes", "1 processes", "keeping shards", "from kept shards"]
    assert [run["shards_kept"] > 0 for run in said["runs"].values()] == [False, False, False, True]
    assert all(run["cpu_s"] > 0 for run in said["runs"].values())
