"""A small WIT: pictures of one's own, of which pages in several languages say something, as a table and files called by digest."""

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from components.data.sources.wit_pictures import digest_of
from components.data.sources.wit_rows import WitRow, header_line, line_of

PAGE = WitRow(
    language="en", page_url="https://en.wikipedia.org/wiki/Red", image_url="https://upload.wikimedia.org/0.png", page_title="Red",
    section_title=None, hierarchical_section_title="Red", caption_reference_description="a red circle", caption_attribution_description="English: a circle",
    caption_alt_text_description=None, mime_type="image/png", original_height=40, original_width=40, is_main_image=True,
    attribution_passes_lang_id=True, page_changed_recently=False, context_page_description="Red is a colour.", context_section_description=None,
)  # fmt: skip


def url_of(number: int) -> str:
    """Return where a picture would be."""
    return f"https://upload.wikimedia.org/{number:04d}.png"


def pages_of(said: Iterable[str]) -> list[WitRow]:
    """Return two pages of each picture, in English and in German."""
    rows = []
    for number, caption in enumerate(said):
        english = replace(
            PAGE, image_url=url_of(number), caption_reference_description=caption,
            caption_attribution_description=f"file {number:04d}: {caption}", caption_alt_text_description=f"{caption}, drawn",
        )  # fmt: skip
        german = replace(
            english, language="de", caption_reference_description=f"Bild {number}", caption_alt_text_description=None
        )
        rows += [english, german]
    return rows


def write_pages(path: Path, rows: Iterable[WitRow | bytes]) -> Path:
    """Write a table, packed where it is called so; bytes are written as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = header_line() + b"".join(row if isinstance(row, bytes) else line_of(row) for row in rows)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_wit(folder: Path, pictures: Mapping[bytes, str]) -> list[WitRow]:
    """Write a folder with pictures and a table of two pages of each, and return its rows."""
    rows = pages_of(pictures.values())
    write_pages(folder / "wit.tsv.gz", rows)
    for number, data in enumerate(pictures):
        (folder / f"{digest_of(url_of(number))}.png").write_bytes(data)
    return rows
