"""What a run takes beside its stages is what is left of it, and kept for the next."""

import json
import os

from flows.estimating.around import Around, Beside


def test_what_is_left_beside_the_stages_is_kept(tmp_path):
    outcomes = tmp_path / ".diptych/outcome"
    outcomes.mkdir(parents=True)
    (outcomes / "ingest.json").write_text(json.dumps({"cpu_seconds": 1000.0}))
    os.utime(outcomes / "ingest.json", (0, 0))
    assert Around.read(tmp_path) is None
    beside = Beside()
    beside.at_s -= 30.0
    beside.cpu_s -= 20.0
    (outcomes / "pretrain@clip.json").write_text(json.dumps({"cpu_seconds": 5.0}))
    (outcomes / "register@clip.json").write_text(json.dumps({"version": "clip@1"}))  # no stage
    (outcomes / "finetune@clip.json").write_text(json.dumps({"cpu_seconds": None}))
    beside.keep(tmp_path, [10.0, 2.0])
    kept = Around.read(tmp_path)
    assert kept is not None
    assert 18.0 <= kept.seconds < 30.0, "of 30 seconds 12 were of stages"
    assert 15.0 <= kept.cpu_s < 20.0, "the stage of a run before is not of this one"


def test_what_another_version_kept_is_none(tmp_path):
    (tmp_path / ".diptych").mkdir()
    (tmp_path / ".diptych/around.json").write_text('{"minutes": 3}')
    assert Around.read(tmp_path) is None
