"""A sample as it comes from a source: what is seen, what is said, and where it is from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SPLITS = ("train", "val", "pair", "designer", "concept", "both")
TEST_SPLITS = ("pair", "designer", "concept", "both")
SHORT = "short"  # kind of a text: a name, or a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One picture: its encoded bytes, and the name of the shard member that holds them.

    Args:
        member: file name inside the shard, such as `noto-1f600.png`.
        data: encoded bytes, PNG, JPEG or WebP.
    """

    member: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One thing said of a picture.

    Args:
        text: the words, as the source has them.
        kind: SHORT; `alt` for the alt text of a page, `long` for several sentences, and what a source calls its own.
        lang: ISO 639-1 code.
    """

    text: str
    kind: str = SHORT
    lang: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a picture stands in a document.

    Args:
        document: unique over the whole source.
        place: of the picture, from 0, rising in the order of the page.
        text_place: of its text among the document's, None where it has none.
    """

    document: str
    place: int
    text_place: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of the picture, and what it shows.

    Args:
        box: left, top, right, bottom, from 0 to 1 of the decoded picture.
        label: what kind of thing it shows; None where the data does not say.
        text: what is said of it alone, such as a referring expression; None where nothing is.
        of_px: width and height of the picture that the box was measured on; None where the data does not say.
        mask: which pixels of a picture of `of_px` belong to it, see data/masks.py; None where the data does not say.
    """

    box: tuple[float, float, float, float]
    label: str | None = None
    text: str | None = None
    of_px: tuple[int, int] | None = None
    mask: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a video clip, of which the sample's picture is the key frame.

    Args:
        clip: unique over the whole source.
        t0_s: when it begins, seconds from the clip's start.
        t1_s: when it ends.
        fps: frames of the clip in a second.
        first: the first frame of it, from 0.
        frames: how many frames lie in it.
        key_frame: the one that is the picture, from 0.
        clip_frames: how many the whole clip has.
    """

    clip: str
    t0_s: float
    t1_s: float
    fps: float
    first: int
    frames: int
    key_frame: int
    clip_frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture with its words.

    Args:
        key: unique over the whole source; names the shard members.
        split: one of SPLITS.
        source: who made the picture, such as the designer of an emoji set.
        licence: SPDX identifier of the picture's licence.
        media: what is seen, in order; one picture for now.
        texts: what is said, at least one.
        labels: names of the groups it belongs to: `concept`, and where known `category` and `subcategory`.
        flags: what the data says of `consent` and `health`, in its words, for admission alone; no key where it is silent.
        page: where it stands in a document; None for a picture of no document.
        regions: parts of the picture of which something is known, in the order of the data.
        span: the stretch of video that the picture stands for; None for a picture of no video.
        name: as its owner knows it, such as a path below a folder; empty where the key is that.
        series: what it belongs to with other pictures, all of one split, such as a product, a session or a person; empty where the data does not say.
    """

    key: str
    split: str
    source: str
    licence: str
    media: tuple[Media, ...]
    texts: tuple[Text, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    page: Page | None = None
    regions: tuple[Region, ...] = ()
    span: Span | None = None
    name: str = ""
    series: str = ""
