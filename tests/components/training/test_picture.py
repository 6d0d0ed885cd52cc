"""A picture of curves has a line for each column, and the numbers one can read off."""

import xml.etree.ElementTree as ElementTree

from components.training.picture import picture, points_of

CURVES = "step,train.<loss>,val.r1,guard.spike\n1,4.0,,\n2,3.0,0.1,1.0\n3,2.0,,\n4,1.0,0.3,\n"
SVG = "{http://www.w3.org/2000/svg}"


def test_columns_with_two_numbers_are_drawn():
    assert points_of(CURVES) == {"train.<loss>": [(1, 4), (2, 3), (3, 2), (4, 1)], "val.r1": [(2, 0.1), (4, 0.3)]}


def test_it_is_svg_with_a_line_a_column():
    root = ElementTree.fromstring(picture(CURVES))
    lines = [line.attrib["points"].split(" ") for line in root.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [4, 2]
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights == sorted(heights), "a loss that falls goes down on the page"
    said = [text.text for text in root.iter(f"{SVG}text")]
    assert said[0] == "train.<loss>: 1"
    assert said[1] == "step 1 to 4, 1 to 4"


def test_no_numbers_make_an_empty_picture():
    assert ElementTree.fromstring(picture("step\n")).findall(f"{SVG}polyline") == []
    flat = picture("step,loss\n1,2.0\n2,2.0\n")
    assert "nan" not in flat
