"""What training reads is what was written of these very samples under these very views; anything else is refused."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.text_pick import TextPick
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.share import Share
from components.data.side.read import Side
from components.data.side.write import SIDE
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from tests.colours import Colours
from tests.components.data.side.conftest import VIEWS
from tests.components.data.side.test_write import NAMES


@pytest.fixture
def side(written):
    return Side.open(*written())


def made(side, squares, vocabulary, share=None, seed=3, order=None):
    """Batches of the squares, as training makes them."""
    pairs = decode_pairs(side.told(squares), Preprocess(size=round(16 * 4 / 3)), silent)
    rows = side.rows(pairs.keys)
    return StepBatches(
        pairs, vocabulary, VIEWS, order or DistinctBatches(pairs.concepts, 8, seed), seed=seed, share=share, side=rows
    )


def test_a_picture_is_trained_on_in_the_very_view_that_its_teacher_saw(written, squares, vocabulary):
    """Whatever batch it comes in, to the bit: the teacher takes as many pixels as training does."""
    teacher = Colours(16)
    side = Side.open(*written(teachers=[teacher]))
    saw = {}  # key and number of the view -> pixels; shards have 14, 14, 14 and 8 samples
    for call, pixels in enumerate(teacher.seen):
        shard, number = divmod(call, 3)
        for at, one in enumerate(pixels):
            saw[side.shards[shard].keys[at], number] = torch.from_numpy(one)
    assert len(saw) == 150
    batches, met = made(side, squares, vocabulary), set()
    for step in range(12):
        batch = batches[step]
        for row, key in enumerate(batch.keys):
            shown = batch.images["main"].pixels[row]
            number = next(number for number in range(3) if torch.equal(shown, saw[key, number]))
            said = Colours().image(saw[key, number][None].numpy())[0]
            torch.testing.assert_close(batch.said["image0"][row] / 10, torch.from_numpy(said), atol=1e-3, rtol=0)
            met.add(number)
    assert met == {0, 1, 2}


def test_a_caption_comes_with_what_the_teacher_read_of_it(side, squares, vocabulary):
    texts = {
        tuple(one.ids[one.mask].tolist()): text
        for text in sum(side.told(squares).captions, ())
        for one in [vocabulary([text])]
    }
    batches, added = made(side, squares, vocabulary), 0
    for step in range(40):
        batch = batches[step]
        for row in range(8):
            ids, mask = batch.texts["caption"].ids[row], batch.texts["caption"].mask[row]
            said = texts[tuple(ids[mask].tolist())]
            wanted = torch.from_numpy(Colours().text([said])[0])
            torch.testing.assert_close(batch.said["text0"][row], wanted, atol=1e-3, rtol=0)
            added += "thing" in said
    assert added > 2  # what was added is drawn as its own captions are


def test_samples_are_joined_by_key_and_never_by_position(side, squares):
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1)).tolist()
    keys = [squares.keys[place] for place in order]
    where = torch.arange(50), torch.ones(50, dtype=torch.int64), torch.zeros(50, dtype=torch.int64)
    straight, mixed = side.rows(squares.keys).said(*where), side.rows(keys).said(*where)
    for name in ("image0", "text0"):
        assert torch.equal(mixed[name], straight[name][order])


def test_a_step_is_a_function_of_seed_and_step_and_cut_in_parts_to_the_bit(side, squares, vocabulary):
    whole, again = made(side, squares, vocabulary)[7], made(side, squares, vocabulary)[7]
    parts = [made(side, squares, vocabulary, Share(rank=rank, world=2))[7] for rank in range(2)]
    for one in (again, None):
        pixels = one.images["main"].pixels if one else torch.cat([part.images["main"].pixels for part in parts])
        assert torch.equal(pixels, whole.images["main"].pixels)
        for name in ("image0", "text0"):
            assert torch.equal(
                one.said[name] if one else torch.cat([part.said[name] for part in parts]), whole.said[name]
            )


def test_several_teachers_each_say_their_own(written, squares, vocabulary):
    side = Side.open(*written(teachers=[Colours(16), Colours(24, "fine", scale=50.0)]))
    said = made(side, squares, vocabulary)[0].said
    assert sorted(said) == ["image0", "image1", "text0", "text1"]
    assert said["image0"].norm(dim=1).mean() == pytest.approx(10, rel=1e-3)
    assert said["image1"].norm(dim=1).mean() == pytest.approx(50, rel=1e-3)


def test_other_samples_are_refused(side, squares):
    fewer = replace(
        squares,
        **{
            name: getattr(squares, name)[:-1]
            for name in ("keys", "pictures", "captions", "concepts", "sources", "groups")
        },
    )
    other = replace(squares, captions=(("a red circle",), *squares.captions[1:]))
    repainted = replace(squares, pictures=(squares.pictures[1], *squares.pictures[1:]))
    side.check(squares, VIEWS, trim=False)
    for pool in (fewer, other, repainted):
        with pytest.raises(ConfigError, match=r"was written of other samples .*diptych data reinforce"):
            side.check(pool, VIEWS, trim=False)


def test_other_views_are_refused_with_what_differs(side, squares):
    with pytest.raises(ConfigError, match=r"saw other views: degrees was 10.0 and is 20.0, erase was 0.3 and is 0.0\."):
        side.check(squares, Views(pixels=16, degrees=20.0, sketched=0.2, outlined=0.2), trim=False)
    with pytest.raises(ConfigError, match="trim was False and is True"):
        side.check(squares, VIEWS, trim=True)
    with pytest.raises(ConfigError, match=r"saw other views: blur was None and is 0\.5"):
        side.check(squares, Views(pixels=16, erase=0.3, sketched=0.2, outlined=0.2, blur=0.5), trim=False)
    blurred = replace(side, about=replace(side.about, views={**side.about.views, "blur": 0.5}))
    with pytest.raises(ConfigError, match=r"blur was 0\.5 and is None"):
        blurred.check(squares, VIEWS, trim=False)


def test_another_digest_than_the_recipes_is_refused(written):
    folder, digest = written()
    assert Side.open(folder, digest[:12]).digest == digest
    with pytest.raises(ConfigError, match=f"has the side shards {digest[:12]}, but the recipe asks for 000000000000"):
        Side.open(folder, "0" * 12)


def test_another_teacher_is_another_digest(written):
    (_, first), (_, second) = written(), written("other", teachers=[Colours(name="other")])
    assert first != second


def test_what_is_not_whole_is_refused(written):
    folder, _ = written()
    (folder / SIDE).rename(folder / "elsewhere.json")
    with pytest.raises(DataError, match=r"holds no side.json, so its side shards are not whole"):
        Side.open(folder)


def test_a_shard_that_is_missing_changed_or_another_is_named(written):
    folder, _ = written()
    path = folder / NAMES[2]
    data = path.read_bytes()
    for spoiled in (data[:-1] + bytes([data[-1] ^ 1]), data[:100], (folder / NAMES[0]).read_bytes(), None):
        path.write_bytes(spoiled) if spoiled else path.unlink()
        with pytest.raises(DataError, match=r"000002.safetensors (was changed|is in the manifest but cannot be read)"):
            Side.open(folder)


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"data": 3}'])
def test_an_index_that_is_none_is_refused(written, said):
    folder, _ = written()
    (folder / SIDE).write_text(said)
    with pytest.raises(DataError, match=r"side.json cannot be read"):
        Side.open(folder)


def test_an_index_that_was_edited_is_refused(written):
    folder, _ = written()
    said = json.loads((folder / SIDE).read_text())
    said["seed"] = 99
    (folder / SIDE).write_text(json.dumps(said))
    with pytest.raises(DataError, match="was edited"):
        Side.open(folder)


def test_a_file_that_is_no_side_shard_is_refused(tmp_path):
    save_file({"image": torch.zeros(2)}, tmp_path / "other.safetensors")
    from components.data.side.shard import SideShard

    with pytest.raises(DataError, match="cannot be read as a side shard"):
        SideShard.read(tmp_path / "other.safetensors")


def test_a_sample_of_which_nothing_was_written_is_named(side):
    with pytest.raises(DataError, match="has nothing of sample 'square-99'"):
        side.rows(["square-01", "square-99"])


def test_captions_that_are_taken_apart_are_refused(side, squares, vocabulary):
    pairs = decode_pairs(side.told(squares), Preprocess(size=21), silent)
    order = DistinctBatches(pairs.concepts, 8, 0)
    with pytest.raises(ConfigError, match="long_captions is split"):
        StepBatches(pairs, vocabulary, VIEWS, order, seed=0, long="split", side=side.rows(pairs.keys))


def test_captions_that_are_chosen_are_refused(side, squares, vocabulary):
    pairs = decode_pairs(side.told(squares), Preprocess(size=21), silent)
    order, texts = DistinctBatches(pairs.concepts, 8, 0), {"caption": TextPick(sentences=True)}
    with pytest.raises(ConfigError, match=r"training\.texts chooses among captions for caption"):
        StepBatches(pairs, vocabulary, VIEWS, order, seed=0, side=side.rows(pairs.keys), texts=texts)


def test_what_is_shown_late_is_the_same_and_brings_the_same_to_the_bit(side, squares, vocabulary):
    soon, late = made(side, squares, vocabulary), made(side, squares, vocabulary).made_for(Share(), late=True)
    moved = late[4].to("cpu").seen()
    assert torch.equal(moved.images["main"].pixels, soon[4].images["main"].pixels)
    assert sorted(moved.said) == ["image0", "text0"]
    assert all(torch.equal(moved.said[name], soon[4].said[name]) for name in moved.said)
