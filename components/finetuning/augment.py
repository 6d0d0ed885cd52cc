"""How much a training picture is changed while a model is tuned: a small set is seen many times, and a picture that is never the same is not learnt by heart.

Source: Shorten and Khoshgoftaar 2019, doi:10.1186/s40537-019-0197-0, sections on geometry and colour. Differs: none turns a picture into its mirror image
where captions speak of left and right, or takes its colours away.
"""

import re
from collections.abc import Sequence
from typing import Literal, get_args

from components.contracts.errors import ConfigError
from components.data.transforms.views import Views

Augment = Literal["off", "light", "strong"]
_SIDES = {
    "English": r"(?:left|right)(?:most|wards?|hand(?:ed)?)?",
    "German and Dutch": r"(?:links|rechts|linker|rechter)\w*|(?:link|recht)e[mns]?",
    "French": r"gauches?|droite?s?",
    "Spanish": r"izquierd[ao]s?|derech[ao]s?",
    "Italian": r"sinistr[aeio]|destr[aeio]",
    "Portuguese": r"esquerd[ao]s?|direit[ao]s?",
    "Russian": r"слева|справа|(?:на|в)?(?:лево|право)|(?:лев|прав)(?:ее|[аоуы]\w{1,2})",
}
SIDED = re.compile(
    rf"(?<![^\W\d_])(?:{'|'.join(_SIDES.values())})(?![^\W\d_])|[左右]|ひだり|みぎ|왼|오른|좌측|우측", re.IGNORECASE
)
"""A word of one side: as a whole one in languages that have a space between words, anywhere in Chinese, Japanese and Korean. A false hit costs the mirroring, and no more."""


def views_of(augment: Augment, pixels: int, captions: Sequence[Sequence[str]]) -> Views:
    """Return what a picture goes through.

    Args:
        augment: `off` shows it as it is, `light` moves, turns and recolours it a little, `strong` also crops it and, where no caption
            says left or right, turns it into its mirror image half of the time.
        pixels: a side of what comes out.
        captions: of all pictures that are learnt from.

    Raises ConfigError for another word.
    """
    if augment == "off":
        return Views(pixels=pixels, degrees=0.0, shift=0.0, zoom=(1.0, 1.0), colour=0.0, grey=0.0, background=0.0)
    if augment == "light":
        return Views(pixels=pixels, degrees=5.0, shift=0.05, zoom=(0.9, 1.1), colour=0.1, grey=0.0, background=0.0)
    if augment == "strong":
        sided = any(SIDED.search(text) for texts in captions for text in texts)
        return Views(
            pixels=pixels, degrees=10.0, shift=0.05, zoom=(0.9, 1.1), colour=0.2, grey=0.0, background=0.0, crop=(0.5, 1.0),
            flip=0.0 if sided else 0.5,
        )  # fmt: skip
    raise ConfigError(f"augment is {augment!r}, but can be {', '.join(get_args(Augment))}. light is usual.")
