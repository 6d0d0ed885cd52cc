"""Captions that are nearly the same, as somebody writes them who wants one thing said of many pictures, and some that only look so."""

import random

FILLER = ("photo", "hd", "new", "official", "image", "best", "free", "stock", "nice")
BASES = (
    "basketball game in the gym",
    "a man holding an umbrella in the rain",
    "red sports car parked near the beach at sunset",
    "golden retriever puppy playing with a ball",
    "basketball",
    "a photo of a stop sign",
    "woman in a blue dress standing by the window of an old house in paris",
    "東京の夜景と赤い塔の写真",
    "кошка сидит на окне",
)
THINGS = str.split(
    "cat dog bird car house tree horse ship plane frog deer truck apple chair lamp bottle clock bridge river mountain guitar piano shoe "
    "hat shirt knife spoon fork bowl cup table couch bed door window wall roof fence garden flower leaf grass cloud star moon"
)
COLOURS = str.split("red blue green yellow black white pink grey orange purple")
PLACES = str.split("kitchen garden street park forest beach office field harbour museum")


def near_equal(caption: str, count: int, edits: int, seed: int = 0) -> list[str]:
    """Return captions that are each `edits` away from one: a word dropped, added, moved or misspelled, a number, capitals."""
    draw = random.Random(seed)
    return [_edited(caption, edits, draw) for _ in range(count)]


def _edited(caption: str, edits: int, draw: random.Random) -> str:
    for _ in range(edits):
        words = caption.split()
        at, how = draw.randrange(len(words)), draw.randrange(6)
        if how == 0 and len(words) > 3:
            words.pop(at)
        elif how == 1:
            words.insert(at, draw.choice(FILLER))
        elif how == 2:
            words.append(words.pop(at))
        elif how == 3:
            letter = draw.randrange(len(words[at]))
            words[at] = words[at][:letter] + words[at][letter + 1 :] or words[at]
        elif how == 4:
            words.append(f"#{draw.randrange(1000)}")
        else:
            words[at] = words[at].upper()
        caption = " ".join(words)
    return caption


def templated() -> dict[str, list[str]]:
    """Return captions of one pattern each, that say something of their own of every picture."""
    return {
        "photo": [f"a photo of a {thing}" for thing in THINGS],
        "long": [f"a very nice studio photograph of a single {thing} on a plain white background" for thing in THINGS],
        "three": [f"a {colour} {thing} in the {place}" for colour in COLOURS for thing in THINGS[:9] for place in PLACES[:4]],
        "colour": [f"a large {colour} square in the middle of the picture" for colour in COLOURS] * 4,
        "shop": [f"buy {thing} online, free shipping, best price" for thing in THINGS],
        "tone": [f"{thing}: {tone} skin tone" for thing in THINGS[:9] for tone in ("light", "medium", "dark")],
        "family": [f"family: {one}, {two}" for one in ("man", "woman", "boy", "girl") for two in ("man", "woman", "boy", "girl", "baby")],
    }  # fmt: skip


def spelled_alike() -> list[str]:
    """Return captions of a template with two values, one of which is most of them and holds most letters of the other."""
    return ["a male tennis player"] * 28 + ["a female tennis player"] * 12


def unlike(count: int, seed: int = 0) -> list[str]:
    """Return captions that have nothing in common."""
    draw = random.Random(seed)
    syllables = [one + two for one in "bdfgklmnprstvz" for two in "aeiou"]
    words = ["".join(draw.choices(syllables, k=draw.randrange(1, 4))) for _ in range(3000)]
    return [" ".join(draw.choices(words, k=draw.randrange(3, 12))) for _ in range(count)]
