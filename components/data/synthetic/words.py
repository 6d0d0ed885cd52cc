"""The words that scenes are made of, one list for whoever draws, writes, reads or judges them."""

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "diamond")
COLOURS = {  # red, green, blue
    "red": (214, 39, 40),
    "orange": (255, 140, 20),
    "yellow": (250, 220, 40),
    "green": (44, 160, 44),
    "blue": (40, 90, 200),
    "purple": (140, 70, 180),
    "brown": (130, 80, 50),
    "black": (25, 25, 25),
}
SIZES = {"small": 0.54, "medium": 0.76, "large": 0.98}  # radius, of half the side of a cell
TEXTURES = ("plain", "striped", "dotted", "checked")
RELATIONS = ("left of", "right of", "above", "below", "larger than", "smaller than")
PLACES = (  # in reading order, thirds of the picture
    "top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right",
)  # fmt: skip
DESIGNERS = ("flat", "ink", "chalk")
HELD_OUT = "chalk"  # the designer that nobody trains on

OPPOSITE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "larger than": "smaller than",
    "smaller than": "larger than",
}
