"""Why bytes that cannot be shown to a model are no picture, as a reason code."""

import io

from PIL import Image, UnidentifiedImageError

from components.data.transforms.preprocess import MAX_PIXELS


def fault_of(data: bytes) -> str:
    """Return the code of REASONS for bytes that `look` refuses: zero_bytes, not_an_image, bomb, truncated or undecodable.

    Only for bytes that were refused: of a sound picture it says `undecodable`.
    """
    if not data:
        return "zero_bytes"
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                return "bomb"
            opened.load()
    except UnidentifiedImageError:
        return "not_an_image"
    except Image.DecompressionBombError:
        return "bomb"
    except Exception as err:  # Pillow's decoders raise nearly anything on hostile bytes
        if "truncated" in str(err).lower() or isinstance(err, EOFError) or _webp_ends_early(data):
            return "truncated"
    return "undecodable"


def _webp_ends_early(data: bytes) -> bool:
    """Return whether a WebP has fewer bytes than it says; Pillow's words for that are those for any fault."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data)
