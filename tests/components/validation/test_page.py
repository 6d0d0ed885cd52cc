"""The page is for people who have only the file: whole, offline, and harmless whatever a sample is called."""

import re
from html.parser import HTMLParser

import pytest

from components.contracts.errors import GateClosed

EVIL = "<script>alert(1)</script>\" onload='x' &amp;"


class Reader(HTMLParser):
    """Collects tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(case, make):
    case.ingest(
        [make(0), make(1, text=EVIL * 60), make(2, data=b"no picture"), make(3, split="pair", text="fine & good")]
    )
    case.validate()
    return (case.validated / "report.html").read_text()


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


def test_nothing_is_loaded_from_anywhere(page):
    reader = read(page)
    for tag, attributes in reader.seen:
        assert tag not in ("script", "link", "iframe", "object")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert re.match(r"data:image/png;base64,|#", attributes.get(name, "#"))
    assert "http" not in page.replace("http-equiv", "")
    assert "url(" not in page


def test_what_a_sample_is_called_is_only_text(page):
    assert "<script>" not in page
    assert EVIL in read(page).text


def test_it_says_what_came_in_and_what_became_of_it(page):
    text = re.sub(r"\s+", " ", read(page).text)
    assert "The gate is open. 2 of 4 samples are broken (50.00%); gates.max_broken allows 100.00%." in text
    assert "4 in = 1 clean (train, val) + 1 in evaluation pools + 2 quarantined." in text
    for said in ("undecodable", "caption_too_long", "a text is longer than a caption can be", "its bytes have"):
        assert said in text


def test_quarantined_pictures_are_shown_and_undecodable_ones_said_to_be_missing(page):
    tags = [tag for tag, _ in read(page).seen]
    assert tags.count("img") == 1
    assert 'class="none"' in page


def test_a_closed_gate_is_the_first_thing_it_says(case, make):
    case.ingest([make(0), make(1, data=b"no picture")])
    with pytest.raises(GateClosed):
        case.validate(max_broken=0.1)
    text = read(case.failed_report.read_text()).text
    assert "The gate is closed." in text
    assert "Nothing after validation runs." in text
