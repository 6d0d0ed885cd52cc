"""For every check of the catalogue, rows with its defects planted among sound ones, and what has to be found."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.near_captions import BASES, near_equal, templated, unlike
from tests.rows import row


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Rows and the truth about them.

    Args:
        rows: as tests/rows.py makes them.
        defects: key -> reason.
    """

    rows: list[dict]
    defects: dict[str, str]


def pii_text() -> Plant:
    """One of each kind among captions with other numbers."""
    return Plant(
        rows=[
            row("mail", "a kite", "ask jo@example.org for it"),
            row("phone", "for sale, +44 20 7946 0958", split="pair"),
            row("card", "4111 1111 1111 1111", split="val"),
            row("date", "Paris, 06.12.2024 at 10:30"),
            row("size", "1920x1080, 2,073,600 pixels, 48.858370, 2.294481"),
        ],
        defects=dict.fromkeys(("mail", "phone", "card"), "pii_text"),
    )


def mojibake() -> Plant:
    """One caption of two, and letters that are meant."""
    return Plant(
        rows=[
            row("wrong", "a cat", "at the cafÃ©"), row("quotes", "â€œhiâ€\x9d, she said", split="pair"),
            row("right", "at the café"), row("upper", "NÃO"), row("other", "日本の猫", split="val"),
        ],
        defects=dict.fromkeys(("wrong", "quotes"), "mojibake"),
    )  # fmt: skip


def gps() -> Plant:
    """One file that says where, and one of which nobody knows."""
    return Plant(
        rows=[row("there", says_where=True, split="val"), row("nowhere"), row("unknown", says_where=None)],
        defects={"there": "gps"},
    )


def aspect() -> Plant:
    """A banner and a column, and strips that are just short enough."""
    return Plant(
        rows=[
            row("banner", width=900, height=100, split="val"), row("column", width=20, height=161), row("square"),
            row("strip", width=800, height=100), row("post", width=20, height=160, split="pair"),
        ],
        defects=dict.fromkeys(("banner", "column"), "aspect"),
    )  # fmt: skip


def frames_and_colours() -> Plant:
    """One of each, and files at which nobody could look."""
    return Plant(
        rows=[
            row("moving", animated=True), row("print", cmyk_converted=True, split="pair"), row("turned", exif_rotated=True),
            row("still"), row("unknown", animated=None, cmyk_converted=None, exif_rotated=None),
        ],
        defects={"moving": "animated", "print": "cmyk_converted", "turned": "exif_rotated"},
    )  # fmt: skip


def face() -> Plant:
    """One face, one picture without, and one at which nobody looked."""
    return Plant(rows=[row("person", face=True), row("house", face=False), row("unknown")], defects={"person": "face"})


def duplicate_pixels() -> Plant:
    """A train picture twice, a pool's picture that is trained on, two pools that name one picture otherwise, and one of val that is tested on."""
    return Plant(
        rows=[
            *(row(f"sound{i}", split=split) for i, split in enumerate(("train", "val", "pair", "designer"))),
            row("first", pixel_sha256="aa"),
            row("second", pixel_sha256="aa"),
            row("pool", "first", split="pair", pixel_sha256="aa"),
            row("one", split="pair", pixel_sha256="bb"),
            row("other", split="designer", pixel_sha256="bb"),
            row("same", "name", split="pair", pixel_sha256="cc"),
            row("again", "name", split="designer", pixel_sha256="cc"),
            row("chosen by", "word", split="val", pixel_sha256="dd"),
            row("tested on", "word", split="pair", pixel_sha256="dd"),
        ],
        defects={
            "first": "twin_in_train", "second": "twin_in_train", "pool": "duplicate_pixels", "one": "duplicate_pixels",
            "other": "duplicate_pixels", "chosen by": "duplicate_pixels",
        },
    )  # fmt: skip


def same_concept() -> Plant:
    """Three hearts in one pool, of which seed 0 keeps one; elsewhere a concept may come twice."""
    hearts = [row(f"heart{i}", split="concept", concept="heart") for i in range(3)]
    return Plant(
        rows=[
            *hearts,
            row("nothing", split="concept"),
            row("neither", split="concept"),
            *(row(f"sound{i}", split="train", concept="star") for i in range(2)),
            row("star", split="both", concept="heart"),
        ],
        defects={"heart0": "same_concept", "heart1": "same_concept"},
    )


def leaks() -> Plant:
    """A test picture a few bits from a training one, and a validation text with thirteen words of a training text."""
    said = "one two three four five six seven eight nine ten eleven twelve thirteen"
    return Plant(
        rows=[
            row("trained", perceptual=0b1111 << 40),
            row("like it", split="pair", perceptual=0b1001 << 40),
            row("not so like it", split="pair", perceptual=0b1111 << 20),
            row("other colour", split="pair", perceptual=0b1111 << 40, colour=(0.9, 0.5, 0.5)),
            row("said", f"{said} and more"),
            row("says it too", f"well, {said}", split="val"),
            row("says less", said.removesuffix(" thirteen"), split="val"),
            row("also trained", f"{said} and more"),
        ],
        defects={"like it": "leak_near", "says it too": "leak_text"},
    )


def near_duplicates() -> Plant:
    """Two pairs, one of train and one of the pools; one whose half is on the other side; one with the very same pixels."""
    return Plant(
        rows=[
            row("a", perceptual=0), row("a again", perceptual=0b11),
            row("b", split="val", perceptual=0b11 << 30), row("b again", split="pair", perceptual=0b1111 << 30),
            row("c", perceptual=0xFFFF << 8), row("c in a pool", split="pair", perceptual=0xFFFF << 8),
            row("d", perceptual=0xFFFF << 44, pixel_sha256="d"), row("d itself", perceptual=0xFFFF << 44, pixel_sha256="d"),
        ],
        defects=dict.fromkeys(("a", "a again", "b", "b again"), "near_duplicate"),
    )  # fmt: skip


def takedown() -> Plant:
    """One by its file, one by its pixels, one by its looks, on the list that tests/rows.py hands to every check."""
    return Plant(
        rows=[
            row("by file", split="pair") | {"sha256": "a file that is listed"},
            row("by pixels", split="val", pixel_sha256="pixels that are listed"),
            row("by looks", perceptual=(0xABCD << 48) + 3, colour=(0.1, 0.9, 0.1)),
            row("not so alike", perceptual=0xABCD << 48 ^ 0x1F), row("sound"),
        ],
        defects=dict.fromkeys(("by file", "by pixels", "by looks"), "takedown"),
    )  # fmt: skip


def known_bad() -> Plant:
    """One by its file, one by its pixels, one by its looks, on the list that tests/rows.py hands to every check."""
    return Plant(
        rows=[
            row("bad by file", split="pair") | {"sha256": "a file known to be bad"},
            row("bad by pixels", split="val", pixel_sha256="pixels known to be bad"),
            row("bad by looks", perceptual=(0xFEED << 44) + 5, colour=(0.9, 0.1, 0.1)),
            row("only listed to go", pixel_sha256="pixels that are listed"), row("sound"),
        ],
        defects=dict.fromkeys(("bad by file", "bad by pixels", "bad by looks"), "known_bad"),
    )  # fmt: skip


def poison() -> Plant:
    """Twenty pictures with one patch, twenty of which the same is said, and forty of which nearly the same; among many that each
    have a caption of their own, some of one template."""
    patched = [
        row(f"patched {i}", f"name {'ab'[i % 2]} {chr(97 + i)}", corners=(None, None, None, 7)) for i in range(20)
    ]
    said = [row(f"said {i}", ("Basketball game", "BASKETBALL: game 2", "basketball, game!")[i % 3]) for i in range(20)]
    nearly = [row(f"nearly {i}", text) for i, text in enumerate(near_equal(BASES[2], 40, edits=1))]
    sound = [row(f"sound {i}", text, corners=(i, None, None, None)) for i, text in enumerate(unlike(150))]
    pattern = [row(f"pattern {i}", text) for i, text in enumerate(templated()["long"])]
    elsewhere = [row(f"pool {i}", "basketball", split="pair", corners=(None, None, None, 7)) for i in range(5)]
    return Plant(
        rows=[*sound, *patched, *said, *nearly, *pattern, *elsewhere],
        defects={one["key"]: "poison_patch" for one in patched}
        | {one["key"]: "poison_captions" for one in (*said, *nearly)},
    )


def misfit() -> Plant:
    """Three whose words fit far less than those of thirty others do, among them one that fits better, and some that nobody scored."""
    usual = [row(f"usual {i}", score=0.3 + 0.002 * (i % 15), split=("train", "val")[i % 2]) for i in range(30)]
    odd = [row(f"odd {i}", score=0.1 + 0.01 * i, split=("train", "pair", "val")[i]) for i in range(3)]
    others = [
        row("better", score=0.9),
        row("a little less", score=0.29),
        row("not scored"),
        row("nor this", split="pair"),
    ]
    return Plant(rows=[*usual, *odd, *others], defects={one["key"]: "misfit" for one in odd})


PLANTED: dict[str, Callable[[], Plant]] = {
    "known_bad": known_bad, "takedown": takedown, "poison": poison, "misfit": misfit,
    "aspect": aspect, "frames_and_colours": frames_and_colours, "face": face, "pii_text": pii_text, "mojibake": mojibake, "gps": gps,
    "duplicate_pixels": duplicate_pixels, "same_concept": same_concept, "leaks": leaks, "near_duplicates": near_duplicates,
}  # fmt: skip
