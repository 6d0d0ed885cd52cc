"""The GPU benchmark goes its whole way on a CPU, with a toy; without a GPU it says so, and never shows a number."""

import json

import pytest
import torch

from components.contracts.errors import CapabilityError
from tests.benchmarks import gpu_page, gpu_sides, gpu_train
from tests.benchmarks.peers import step_data


def test_without_a_gpu_it_says_so_and_ends_with_3(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_train.main([]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        f"this measures a GPU, and torch {torch.__version__} sees none here, so nothing was measured. Run it where"
        in printed.err
    )


def test_a_toy_goes_the_whole_way_on_a_cpu(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as the script sets it, and taken back after this
    assert gpu_train.main(["--tiny", "--device", "cpu"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["card"].startswith("no GPU")
    (tiny,) = said["models"].values()
    assert tiny["batch"] == tiny["largest"]["ours"] == tiny["largest"]["open_clip"] == gpu_train.TINY_MOST
    ours, theirs = tiny["ours"], tiny["open_clip"]
    assert ours["losses"] == pytest.approx(theirs["losses"], rel=0.02), "both train the same, in numbers of 8 bits"
    assert ours["flops_per_step"] == pytest.approx(theirs["flops_per_step"], rel=0.1)
    assert min(ours["images_per_s"], theirs["images_per_s"], ours["mfu"], theirs["mfu"]) > 0
    assert 0 <= tiny["from_shards"]["data_wait"] < 1
    assert (tiny["from_shards"]["batch"], tiny["from_shards"]["pictures"]) == (8, 16)
    assert "| tiny | 8 |" in gpu_page.table(said)


@pytest.mark.parametrize(
    ("arguments", "why"), [(["--device", "cpu"], "is for --tiny"), (["--tiny", "--keep"], "--tiny measures nothing")]
)
def test_what_would_be_no_measurement_is_refused(arguments, why, capsys):
    with pytest.raises(SystemExit, match="2"):
        gpu_train.main(arguments)
    assert why in capsys.readouterr().err


def test_a_batch_is_doubled_until_there_is_no_room():
    tried: list[int] = []

    def fits(batch: int) -> bool:
        tried.append(batch)
        return batch < 1000

    assert gpu_train.doubled(fits, 256, None) == 512
    assert tried == [256, 512, 1024]
    assert gpu_train.doubled(fits, 4, 8) == 8, "and no further than is asked for"
    with pytest.raises(RuntimeError, match=r"no room for a batch of 1024\. Begin with less: --first 256"):
        gpu_train.doubled(fits, 1024, None)


def test_what_is_taken_leaves_a_tenth_of_the_room():
    assert [gpu_train.chosen(*one) for one in ((512, None), (8, None), (8, 8))] == [456, 8, 8]


def test_memory_that_runs_out_is_told_from_other_faults():
    def out() -> None:
        raise torch.OutOfMemoryError("no room")

    def as_training_says_it() -> None:
        try:
            out()
        except torch.OutOfMemoryError as err:
            raise CapabilityError("out of memory") from err

    def other() -> None:
        raise CapabilityError("this chip does not")

    assert [gpu_sides.attempted(run) for run in (out, as_training_says_it, lambda: 7)] == [None, None, 7]
    with pytest.raises(CapabilityError, match="this chip does not"):
        gpu_sides.attempted(other)


def test_both_sides_begin_with_the_same_weights():
    ours, theirs = gpu_sides.ours_of(gpu_train.TINY), gpu_sides.theirs_of(gpu_train.TINY)
    pixels, ids = gpu_sides.drawn(gpu_train.TINY, 3, "cpu")
    batch = gpu_sides.Again(pixels, ids)[0]
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (step_data.MEAN, step_data.STD))
    mine = ours.eval().encode_image(batch.images["main"]).pooled
    torch.testing.assert_close(mine, theirs.eval().encode_image((pixels - mean) / std), rtol=1e-4, atol=1e-5)
    assert (ids[:, -1] == ids.max()).all()


def test_the_page_shows_what_was_measured_and_nothing_else(tmp_path):
    page = gpu_page.PAGE.read_text(encoding="utf-8")
    assert gpu_page.with_table(page) == page
    assert "| ViT-B-32 | not measured |" in gpu_page.with_table(page, tmp_path / "none.json")
