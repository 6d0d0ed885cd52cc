"""Views move and colour a picture within [0, 1], by draw; with nothing to do they give it back.

Axes: N pictures, S pixels a side of what is kept.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.data.transforms.views import Views

SIDE = 16
STILL = {"degrees": 0.0, "shift": 0.0, "zoom": (1.0, 1.0), "colour": 0.0, "grey": 0.0, "background": 0.0}


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 3, alpha: int | None = None, side: int = SIDE) -> torch.Tensor:
    """Random RGBA; `alpha` for all of it, or as drawn."""
    rgba = torch.randint(0, 256, (count, 4, side, side), generator=draw(9), dtype=torch.uint8)
    if alpha is not None:
        rgba[:, 3] = alpha
    return rgba


def disc(side: int = SIDE) -> torch.Tensor:
    """One opaque dark disc off the centre, on nothing."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    inside = (x - side * 0.3) ** 2 + (y - side * 0.5) ** 2 < (side * 0.2) ** 2
    rgba = torch.zeros(1, 4, side, side, dtype=torch.uint8)
    rgba[0, 3, inside] = 255
    return rgba


def centre(view: torch.Tensor) -> tuple[float, float]:
    """Where the dark lies, (across, down), in shares of the side."""
    dark = 1 - view[0].mean(0)
    places = (torch.arange(view.shape[-1]) + 0.5) / view.shape[-1]
    return float((dark.sum(0) * places).sum() / dark.sum()), float((dark.sum(1) * places).sum() / dark.sum())


@given(
    seed=st.integers(0, 2**32),
    degrees=st.floats(0, 180),
    shift=st.floats(0, 1),
    zoom=st.tuples(st.floats(0.2, 1), st.floats(1, 4)),
    colour=st.floats(0, 1),
    share=st.floats(0, 1),
)
@settings(max_examples=60)
def test_views_stay_in_range_and_follow_from_the_draw(seed, degrees, shift, zoom, colour, share):
    views = Views(
        pixels=12,
        degrees=degrees,
        shift=shift,
        zoom=zoom,
        colour=colour,
        grey=share,
        background=share,
        erase=share,
        sketched=share / 2,
        outlined=share / 2,
    )
    given_pictures = pictures()
    first = views(given_pictures, draw(seed))
    assert first.shape == (3, 3, 12, 12)
    assert first.dtype == torch.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(views(given_pictures, draw(seed)), first)


def test_another_draw_is_another_view_and_each_picture_has_its_own():
    views, same = Views(pixels=SIDE), pictures(1).expand(4, -1, -1, -1)
    first = views(same, draw(0))
    assert not torch.equal(views(same, draw(1)), first)
    assert len({tuple(view.flatten().tolist()) for view in first}) == 4


def test_views_touch_neither_their_input_nor_the_global_draw():
    given_pictures, before = pictures(), torch.get_rng_state()
    kept = given_pictures.clone()
    Views(pixels=SIDE, erase=1.0, sketched=0.5, outlined=0.5)(given_pictures, draw())
    assert torch.equal(given_pictures, kept)
    assert torch.equal(torch.get_rng_state(), before)


def test_with_all_strengths_at_zero_the_picture_comes_back():
    rgba = pictures(alpha=255)
    view = Views(pixels=SIDE, **STILL)(rgba, draw())
    torch.testing.assert_close(view, rgba[:, :3] / 255, rtol=0, atol=1e-4)  # rounding of where each pixel is looked up


def test_a_still_view_at_another_size_is_the_picture_resampled():
    smooth = torch.linspace(0, 255, 32).expand(1, 4, 32, 32).to(torch.uint8).clone()
    smooth[:, 3] = 255
    view = Views(pixels=SIDE, **STILL)(smooth, draw())
    halved = smooth[:, :3].float().div(255).unflatten(-1, (SIDE, 2)).mean(-1)[..., ::2, :]
    torch.testing.assert_close(view, halved, rtol=0, atol=1e-3)


def test_what_is_transparent_shows_white_or_a_colour_of_its_own():
    nothing = pictures(64, alpha=0)
    assert (Views(pixels=SIDE, **STILL)(nothing, draw()) == 1).all()
    coloured = Views(pixels=SIDE, **{**STILL, "background": 1.0})(nothing, draw())
    flat = coloured.flatten(2)
    assert torch.equal(flat.amin(-1), flat.amax(-1))  # one colour all over
    assert len({tuple(colour) for colour in flat[..., 0].tolist()}) == 64
    half = Views(pixels=SIDE, **{**STILL, "background": 0.5})(nothing, draw())
    white = (half == 1).flatten(1).all(1).sum()
    assert 16 < white < 48  # of 64, by a fair coin: beyond four deviations otherwise


def test_a_half_transparent_pixel_is_mixed_with_what_is_under_it():
    grey = torch.zeros(1, 4, SIDE, SIDE, dtype=torch.uint8)
    grey[:, 3] = 51  # a fifth of black
    torch.testing.assert_close(Views(pixels=SIDE, **STILL)(grey, draw()), torch.full((1, 3, SIDE, SIDE), 0.8))


def test_colour_hidden_under_transparency_does_not_bleed_in():
    rgba = disc(64)
    rgba[:, 0][rgba[:, 3] == 0] = 255  # red where nobody sees it
    plain = Views(pixels=20, **STILL)
    torch.testing.assert_close(plain(rgba, draw()), plain(disc(64), draw()))


@pytest.mark.parametrize(("strength", "moved"), [({"shift": 0.2}, 0.05), ({"degrees": 90.0}, 0.05)])
def test_shift_and_turn_move_what_is_seen(strength, moved):
    views, still = (
        Views(pixels=64, **{**STILL, **strength}),
        centre(disc(64)[:, 3:].expand(-1, 3, -1, -1).eq(0).float()),
    )
    far = [max(abs(a - b) for a, b in zip(centre(views(disc(64), draw(s))), still, strict=True)) for s in range(20)]
    assert max(far) > moved
    assert max(far) <= 0.21 if "shift" in strength else min(far) < max(far)


def test_zoom_is_the_size_against_the_original():
    dark = {}
    for zoom in (0.5, 1.0, 1.2):
        views = Views(pixels=64, **{**STILL, "zoom": (zoom, zoom)})
        dark[zoom] = float((1 - views(disc(64), draw())).sum())
    assert dark[0.5] / dark[1.0] == pytest.approx(0.25, rel=0.03)
    assert dark[1.2] / dark[1.0] == pytest.approx(1.44, rel=0.03)


def test_grey_takes_the_colour_of_all_or_none():
    rgba = pictures(alpha=255)
    grey = Views(pixels=SIDE, **{**STILL, "grey": 1.0})(rgba, draw())
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 1], grey[:, 2])
    torch.testing.assert_close(grey[:, 0], rgba[:, :3].float().mean(1) / 255, rtol=0, atol=1e-4)


def test_colour_moves_channels_alike_all_over_the_picture():
    flat = torch.full((5, 4, SIDE, SIDE), 128, dtype=torch.uint8)
    flat[:, 3] = 255
    view = Views(pixels=SIDE, **{**STILL, "colour": 0.2})(flat, draw()).flatten(2)
    torch.testing.assert_close(view.amin(-1), view.amax(-1), rtol=0, atol=1e-5)
    shifts = view[..., 0] - 128 / 255
    assert shifts.abs().max() <= 0.2 * 128 / 255 + 0.1 + 1e-5
    assert shifts.unique().numel() == 15


def test_erasing_cuts_one_rectangle_of_at_most_two_fifths_of_each_side():
    rgba = pictures(40, alpha=255)
    kept = Views(pixels=SIDE, **STILL)(rgba, draw())
    cut = Views(pixels=SIDE, **STILL, erase=1.0)(rgba, draw())
    gone = (cut != kept).any(1)
    assert (cut.transpose(0, 1)[:, gone] == 0.5).all()
    for hole in gone:
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert rows <= 0.4 * SIDE + 1
        assert columns <= 0.4 * SIDE + 1
        assert hole.sum() == rows * columns
    assert gone.flatten(1).any(1).sum() > 30


def test_a_sketch_has_no_colour_and_an_outlined_one_keeps_its_own():
    red = torch.zeros(1, 4, SIDE, SIDE, dtype=torch.uint8)
    red[:, 0, :, SIDE // 2 :], red[:, 3] = 255, 255
    sketch = Views(pixels=SIDE, **STILL, sketched=1.0)(red, draw())
    assert torch.equal(sketch[:, 0], sketch[:, 1])
    assert torch.equal(sketch[:, 0], sketch[:, 2])
    outlined = Views(pixels=SIDE, **STILL, outlined=1.0)(red, draw())
    assert outlined[0, 0, 0, -1] == pytest.approx(1, abs=1e-4)
    assert outlined[0, 1].max() == 0


@pytest.mark.parametrize("shares", [(0.6, 0.5), (-0.1, 0.5), (0.5, -0.1)])
def test_more_lines_than_pictures_are_refused(shares):
    with pytest.raises(ConfigError, match="shares of the same pictures"):
        Views(pixels=SIDE, sketched=shares[0], outlined=shares[1])


def test_shares_of_lines_are_of_the_pictures():
    drawn = Views(pixels=SIDE, sketched=0.3, outlined=0.2).drawn(900, draw(1))
    assert drawn.sketched.sum() == pytest.approx(270, abs=60)  # four deviations
    assert drawn.outlined.sum() == pytest.approx(180, abs=50)
    assert not (drawn.sketched & drawn.outlined).any()


def test_pictures_without_transparency_are_shown_as_opaque_ones():
    views, rgb = Views(16, erase=0.5, sketched=0.3, outlined=0.3), torch.randint(0, 256, (8, 3, 20, 20)).byte()
    rgba = torch.cat([rgb, torch.full((8, 1, 20, 20), 255, dtype=torch.uint8)], 1)
    shown = [views(pictures, torch.Generator().manual_seed(4)) for pictures in (rgb, rgba)]
    assert torch.equal(*shown)


def test_a_crop_shows_a_window_of_its_area_within_the_picture():
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8)
    rgba = torch.full((60, 4, 64, 64), 255, dtype=torch.uint8)
    rgba[:, 0], rgba[:, 1] = ramp, ramp[:, None]
    seen = Views(pixels=32, **STILL, crop=(0.25, 0.25))(rgba, draw())
    for channel, axis in ((0, -1), (1, -2)):
        along = seen[:, channel].mean(-2 if axis == -1 else -1)
        torch.testing.assert_close(along[:, -1] - along[:, 0], torch.full((60,), 0.5 * 31 / 32), rtol=0, atol=0.02)
        begins = along[:, 0]
        assert 0 <= begins.min() < 0.1 < 0.4 < begins.max() <= 0.52  # anywhere from one edge to the other
    assert (seen[:, 2] == 1).all()  # nothing from outside


def test_a_flip_is_torchs_and_of_its_share():
    rgba = pictures(alpha=255)
    torch.testing.assert_close(
        Views(pixels=SIDE, **STILL, flip=1.0)(rgba, draw()), (rgba[:, :3] / 255).flip(-1), rtol=0, atol=1e-4
    )
    flipped = Views(pixels=SIDE, flip=0.3).drawn(900, draw(1)).flipped
    assert 200 < int(flipped.sum()) < 340


def test_what_makes_a_view_strong_draws_after_all_else_and_only_where_it_is_asked_for():
    rgba, plain = pictures(alpha=255), Views(pixels=SIDE)
    one, other = draw(), draw()
    before, strong = plain.drawn(3, one), Views(pixels=SIDE, crop=(0.3, 0.9), blur=0.5, solarise=0.5).drawn(3, other)
    assert torch.equal(before.under, strong.under)
    assert torch.equal(before.angle, strong.angle)
    assert before.blur is before.flipped is before.solarised is strong.flipped is None
    assert not torch.equal(one.get_state(), other.get_state())
    part = strong.part(slice(1, 3))
    assert torch.equal(part.blur, strong.blur[1:])
    shown = Views(pixels=SIDE, crop=(0.3, 0.9), blur=0.5, solarise=0.5)
    torch.testing.assert_close(shown.show(rgba[1:], part), shown.show(rgba, strong)[1:])


@pytest.mark.parametrize("crop", [(0.0, 1.0), (0.9, 0.5), (0.5, 1.2)])
def test_a_crop_that_is_no_part_of_a_picture_is_refused(crop):
    with pytest.raises(ConfigError, match="least and the most of a picture's area"):
        Views(pixels=SIDE, crop=crop)
