"""How far a picture is changed, and that none is mirrored where captions speak of its sides."""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.finetuning.augment import views_of

PLAIN, SIDED = [("a red circle",), ("the leftovers",)], [("a red circle",), ("a dog", "a cat on the Left")]


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randint(0, 256, (16, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def shown(augment: str, pictures: torch.Tensor, captions: list[tuple[str, ...]]) -> torch.Tensor:
    return views_of(augment, 24, captions)(pictures, torch.Generator().manual_seed(1))


def test_off_shows_a_picture_as_it_is(pictures):
    torch.testing.assert_close(shown("off", pictures, PLAIN), pictures / 255, atol=1e-5, rtol=0)


def test_each_step_changes_more():
    """Of a smooth picture, which moves little where it is moved little."""
    slope = (255 * torch.linspace(0, 1, 24)).to(torch.uint8).expand(64, 3, 24, 24).contiguous()
    off, light, strong = (shown(name, slope, SIDED) for name in ("off", "light", "strong"))
    assert 0 < float((light - off).abs().mean()) < float((strong - off).abs().mean())


@pytest.mark.parametrize(("captions", "flip"), [(PLAIN, 0.5), (SIDED, 0.0), ([("左の犬",)], 0.0)])
def test_no_picture_is_mirrored_where_captions_say_left_or_right(captions, flip):
    assert views_of("strong", 24, captions).flip == flip
    assert views_of("light", 24, captions).flip == 0


@pytest.mark.parametrize(
    "caption",
    [
        "the leftmost door", "a right-handed glove", "left_lung", "auf der linken Seite", "die rechte Hand", "ein Hund rechts", "a sinistra", "la mano destra", "à esquerda",
        "o braço direito", "de linkerkant", "zijn rechterhand", "à gauche", "le bras droit", "los ojos izquierdos", "слева от дома", "правая рука", "поворот налево",
        "みぎの猫", "오른쪽 개", "왼손",
    ],
)  # fmt: skip
def test_sides_are_read_in_the_languages_that_the_docs_name(caption):
    assert views_of("strong", 24, [("a red circle",), (caption,)]).flip == 0


@pytest.mark.parametrize(
    "caption", ["a bright upright lamp", "ein Rechteck", "лев на траве, правда", "a destroyed link"]
)
def test_a_word_that_only_has_a_side_in_it_leaves_the_mirror(caption):
    assert views_of("strong", 24, [(caption,)]).flip == 0.5


def test_no_colour_is_taken_away():
    assert {views_of(name, 24, PLAIN).grey for name in ("off", "light", "strong")} == {0.0}


def test_another_word_is_refused():
    with pytest.raises(ConfigError, match="can be off, light, strong"):
        views_of("wild", 24, PLAIN)
