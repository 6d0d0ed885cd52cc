"""Side shards are written once: the same bytes every time, whole or not at all, gone on with where they were stopped."""

import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.data.side.shard import SideShard
from components.data.side.write import SIDE, write_side
from components.data.transforms.views import Views
from tests.colours import Colours
from tests.squares import COLOURS

NAMES = [f"train/{number:06d}.safetensors" for number in range(4)]


class Stopped(Exception):
    """What a progress raises when a signal has come."""


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_samples_make_the_same_bytes_in_whatever_order_they_lie(written, asked):
    (first, digest), (second, again) = written(), written("again")
    assert digest == again
    assert files_of(first) == files_of(second)
    assert sorted(files_of(first)) == [SIDE, *NAMES]
    assert asked.about() == replace(asked, pool=reversed_pool(asked.pool)).about()


def reversed_pool(pool):
    turned = {
        name: tuple(getattr(pool, name))[::-1]
        for name in ("keys", "pictures", "captions", "concepts", "sources", "groups")
    }
    return replace(pool, **turned)


def test_it_says_what_the_teacher_says_of_each_view_and_caption(written, asked, squares):
    folder, _ = written()
    shard = SideShard.read(folder / NAMES[0])
    assert shard.keys == squares.keys[:14]
    assert shard.image[0].shape == (14, 3, 3)
    assert shard.extra[3] == ("a red thing", "something red")
    assert shard.text_first.tolist() == [0, 1, 2, 3, *range(6, 17)]
    wanted = Colours().text([text for place in range(14) for text in asked.captions(place)])
    assert np.array_equal(shard.text[0].numpy(), wanted.astype(np.float16))
    names = list(COLOURS)
    cosines = shard.image[0].float() @ torch.from_numpy(Colours().text(names)).T
    of_colour = [names.index(squares.groups[place]["category"]) for place in range(14)]
    assert cosines.shape == (14, 3, 5)
    assert cosines[:, :, of_colour[0]].mean() > 0.8


def test_each_teacher_sees_the_same_view_in_its_own_pixels(written):
    coarse, fine = Colours(16, "coarse"), Colours(32, "fine")
    folder, _ = written(teachers=[coarse, fine], views=Views(pixels=16, background=0.0, colour=0.0, grey=0.0))
    shard = SideShard.read(folder / NAMES[0])
    assert [rows.shape[1:] for rows in (coarse.seen[0], fine.seen[0])] == [(3, 16, 16), (3, 32, 32)]
    halved = torch.nn.functional.avg_pool2d(torch.from_numpy(fine.seen[0]), 2)
    assert (halved - torch.from_numpy(coarse.seen[0])).abs().mean() < 0.02
    assert (shard.image[0].float() - shard.image[1].float()).abs().max() < 0.05


def test_a_run_that_was_stopped_is_gone_on_with_and_ends_in_the_same_bytes(asked, written, tmp_path):
    whole, digest = written("whole")
    folder, said = tmp_path / "stopped", []

    def stop(doing, done, total, **seen):
        if done > 30:
            raise Stopped

    with pytest.raises(Stopped):
        write_side(folder, asked, stop, said.append)
    assert sorted(files_of(folder)) == NAMES[:2]
    (folder / NAMES[1]).write_bytes(b"cut short")
    again = replace(asked, teachers=[teacher := Colours()])
    assert write_side(folder, again, silent, said.append) == digest
    assert files_of(folder) == files_of(whole)
    assert sum(map(len, teacher.seen)) == 3 * (50 - 14)  # of each picture three views; the first shard was there
    assert said[-1].endswith("; 1 are there")


def test_what_is_whole_is_not_asked_again(asked, written):
    folder, digest = written()
    teacher = Colours()
    assert write_side(folder, replace(asked, teachers=[teacher]), silent, lambda said: None) == digest
    assert teacher.seen == []


def test_shards_that_were_begun_under_other_numbers_are_written_anew(asked, written, tmp_path):
    folder, digest = written()
    (folder / SIDE).unlink()
    other = replace(asked, seed=6)
    assert (
        write_side(folder, other, silent, lambda said: None)
        == write_side(tmp_path / "b", other, silent, lambda said: None)
        != digest
    )
    assert files_of(folder) == files_of(tmp_path / "b")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 6}, "other seed"), ({"count": 2}, "other count"), ({"trim": True}, "other trim"), ({"extra": {}}, "other captions"),
        ({"teachers": [Colours(name="others")]}, "other teachers"), ({"views": Views(pixels=16)}, "other views"),
    ],
)  # fmt: skip
def test_nothing_is_written_over_whole_shards_of_another_kind(asked, written, changed, said):
    folder, _ = written()
    before = files_of(folder)
    with pytest.raises(DataError, match=f"has side shards of {said}, .*--out"):
        write_side(folder, replace(asked, **changed), silent)
    assert files_of(folder) == before


def test_views_of_another_number_of_pixels_are_the_same_views(asked):
    assert replace(asked, views=Views(pixels=99, erase=0.3, sketched=0.2, outlined=0.2)).about() == asked.about()


def test_the_room_is_told_before_and_is_what_the_numbers_take(asked, tmp_path):
    said = []
    write_side(tmp_path / "side", asked, lambda *some: said.append("begun"), said.append)
    size_bytes = (50 * 3 + 53) * 3 * 2
    assert said[0] == f"4 side shards of 50 samples, 3 views each, by 1 teachers take {size_bytes / 1e6:,.1f} MB"
    assert said[1] == "begun"
    shards = [SideShard.read(tmp_path / "side" / name) for name in NAMES]
    assert sum(rows.numel() * 2 for shard in shards for rows in (*shard.image, *shard.text)) == size_bytes


def test_a_disk_without_room_is_told_before_anything_is_written(asked, tmp_path):
    class Wide(Colours):
        width = 10**12

    with pytest.raises(OSError, match="no room for") as caught:
        write_side(tmp_path / "side", replace(asked, teachers=[Wide()]), silent, lambda said: None)
    assert caught.value.errno == errno.ENOSPC
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize("changed", [{"count": 0}, {"teachers": []}])
def test_nothing_to_ask_is_refused(asked, tmp_path, changed):
    with pytest.raises(ConfigError, match="nothing to learn from"):
        write_side(tmp_path / "side", replace(asked, **changed), silent)


def test_captions_of_samples_that_are_not_there_are_refused_by_key(asked, tmp_path):
    with pytest.raises(DataError, match="2 samples that are not trained on, such as 'circle-1'"):
        write_side(tmp_path / "side", replace(asked, extra={"circle-1": ("a",), "circle-2": ("b",)}), silent)


def test_a_picture_that_cannot_be_decoded_is_named(asked, tmp_path):
    pictures = (*asked.pool.pictures[:20], b"no picture", *asked.pool.pictures[21:])
    with pytest.raises(DataError, match="sample 'square-20' cannot be shown"):
        write_side(tmp_path / "side", replace(asked, pool=replace(asked.pool, pictures=pictures)), silent)


def test_a_teacher_that_gives_no_numbers_is_refused(asked, tmp_path):
    class Broken(Colours):
        def image(self, pixels):
            return super().image(pixels) * np.float32("nan")

    with pytest.raises(DataError, match="embeddings that are no numbers"):
        write_side(tmp_path / "side", replace(asked, teachers=[Broken()]), silent)


def test_a_damaged_index_is_no_reason_to_write_over(asked, written):
    folder, _ = written()
    (folder / SIDE).write_text(json.dumps({"version": 1}))
    with pytest.raises(DataError, match=r"side.json cannot be read .*Delete"):
        write_side(folder, asked, silent)
    shutil.rmtree(folder)
