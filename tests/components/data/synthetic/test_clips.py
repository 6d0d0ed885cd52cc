from collections import Counter

import numpy as np
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.sample import Sample
from components.data.sources.video_spans import VideoSpans
from components.data.sources.which import describe_path
from components.data.synthetic.brush import place
from components.data.synthetic.clips import EVENTS, ClipOptions, clip, write_clips

OPTIONS = ClipOptions()


def placed(one, frame):
    """Return where the thing is in a frame: x, y and side of its box; None where it is gone."""
    scene = one.scenes[frame]
    if not scene.things:
        return None
    left, top, right, bottom = place(scene, scene.things[0]).box
    return np.array([(left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)])


def test_a_clip_depends_on_seed_and_index_alone():
    assert clip(3, 5, OPTIONS) == clip(3, 5, OPTIONS) != clip(3, 6, OPTIONS)


def test_events_follow_each_other_and_happen_as_they_are_told():
    seen = Counter()
    for index in range(150):
        one = clip(0, index, OPTIONS)
        assert [event.first for event in one.events] == [8 * at for at in range(len(one.events))]
        assert len(one.scenes) == 8 * len(one.events)
        assert len({event.what for event in one.events}) == len(one.events)
        for event in one.events:
            seen[event.what] += 1
            assert event.text.endswith(EVENTS[event.what])
            before, after = placed(one, event.first), placed(one, event.first + 7)
            if event.what == "blink":
                there = [placed(one, event.first + at) is not None for at in range(8)]
                assert there == [True, True, False, False] * 2
                continue
            moved, turned = (
                after - before,
                one.scenes[event.first].things[0].turn != one.scenes[event.first + 7].things[0].turn,
            )
            ways = {"left": moved[0] < -0.1, "right": moved[0] > 0.1, "up": moved[1] < -0.1, "down": moved[1] > 0.1}
            told = {**ways, "turn": turned, "grow": after[2] > 1.3 * before[2], "shrink": after[2] < 0.8 * before[2]}
            if event.what == "turn":
                assert told["turn"]
                assert not any(ways.values())
            else:
                assert {what for what, happened in told.items() if happened} == {event.what}
    assert set(seen) == set(EVENTS)


def test_things_stay_in_the_picture():
    for index in range(150):
        one = clip(1, index, OPTIONS)
        where = [placed(one, frame) for frame in range(len(one.scenes)) if one.scenes[frame].things]
        assert all(0 < x < 1 and 0 < y < 1 for x, y, _ in where)


def test_the_source_of_spans_reads_what_is_written(tmp_path):
    spans = write_clips(tmp_path / "clips", 8, 0, OPTIONS)
    found = list(VideoSpans(str(tmp_path / "clips"), overlap="refused").samples(0, silent))
    assert all(isinstance(one, Sample) for one in found)
    assert len(found) == spans == sum(len(clip(0, index, OPTIONS).events) for index in range(8))
    assert describe_path(tmp_path / "clips", watched=False)["name"] == "video_spans"
    first = found[0]
    assert first.texts[0].text == clip(0, 0, OPTIONS).events[0].text
    assert (first.span.fps, first.span.frames, first.licence) == (4.0, 8, "CC0-1.0")


def test_a_full_folder_and_options_that_mean_nothing_are_refused(tmp_path):
    (tmp_path / "there.txt").write_text("")
    with pytest.raises(DataError, match="not empty"):
        write_clips(tmp_path, 1, 0, OPTIONS)
    for wrong in ({"events": (0, 2)}, {"events": (2, 9)}, {"size_px": 8}, {"frames": 2}, {"fps": 0}):
        with pytest.raises(ConfigError, match="from 1 to 4 events"):
            ClipOptions(**wrong)
