import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.pictures import look
from components.data.synthetic.scenes import DESIGNERS, HELD_OUT, SCENES, Scene, ScenesSource, draw_scene


def test_a_sample_depends_on_seed_and_index_alone():
    few, many = (list(ScenesSource(pictures=n).samples(5, silent)) for n in (12, 30))
    assert few == many[:12]
    assert few != list(ScenesSource(pictures=12).samples(6, silent))


def test_the_grammar_says_what_is_drawn():
    scene = Scene(size="large", colour="red", shape="circle", texture="stripes")
    assert scene.caption == "a large red circle with stripes"
    assert len({scene.caption for scene in SCENES}) == 288


@pytest.mark.parametrize("designer", DESIGNERS)
def test_every_sentence_gives_another_picture(designer):
    pictures = {draw_scene(scene, designer, 0).tobytes() for scene in SCENES}
    assert len(pictures) == len(SCENES)


def test_what_the_caption_says_can_be_measured():
    def ink(**words: str) -> float:
        scene = Scene(**{"size": "large", "colour": "red", "shape": "circle", "texture": "plain", **words})
        pixels = np.asarray(draw_scene(scene, "flat", 0)).astype(int)
        return float((abs(pixels - 255).sum(-1) > 60).mean())

    assert ink(size="large") > 2 * ink(size="small")
    assert ink(shape="circle") > ink(shape="square") > ink(shape="star") > 0.05
    assert ink(texture="plain") > ink(texture="stripes") > 0.05
    assert ink(texture="plain") > ink(texture="dots") > 0.05


def test_pictures_are_sound():
    for sample in ScenesSource(pictures=60).samples(0, silent):
        seen = look(sample.media[0].data)
        assert (seen.width, seen.height) == (64, 64)
        assert seen.contrast > 0.03
        assert (sample.split in ("designer", "both")) == (sample.source == HELD_OUT)


@pytest.mark.parametrize("pictures", [0, 2, 865, "many", True, 9.0])
def test_a_number_that_the_grammar_cannot_fill_is_refused(pictures):
    with pytest.raises(ConfigError, match="from 3 to 864"):
        ScenesSource(pictures=pictures)
