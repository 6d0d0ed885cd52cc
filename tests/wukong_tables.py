"""A small Wukong: pictures of one's own with a Chinese text each, as tables and folders of pictures called by row."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

HEADER = b"url,caption\n"
COLOURS = "红绿蓝黑黄白"


def url_of(number: int) -> str:
    """Return where a picture would be."""
    return f"https://img.example.cn/{number:05d}.jpg?a=1,2"  # with a comma, as some have


def line_of(url: str, caption: str) -> bytes:
    """Return a row as a table has it."""
    file = io.StringIO()
    csv.writer(file).writerow([url, caption])  # whose lines end in CR and LF, so that a cell with either is in quotes
    return (file.getvalue().removesuffix("\r\n") + "\n").encode()


def caption_of(number: int) -> str:
    """Return what is said of a picture: of no other the same."""
    return f"{COLOURS[number % 6]}色图形,第{number}号"


def write_table(folder: Path, table: int, lines: Iterable[bytes]) -> Path:
    """Write a table."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"wukong_100m_{table}.csv"
    path.write_bytes(HEADER + b"".join(lines))
    return path


def write_wukong(folder: Path, pictures: Iterable[bytes], of_table: int = 40) -> Mapping[str, str]:
    """Write tables of so many rows, and their pictures; return key -> text."""
    said = {}
    for number, data in enumerate(pictures):
        table, row = divmod(number, of_table)
        (folder / f"{table:03d}").mkdir(parents=True, exist_ok=True)
        (folder / f"{table:03d}/{row:05d}.png").write_bytes(data)
        said[f"{table:03d}-{row:05d}"] = caption_of(number)
    for start in range(0, len(said), of_table):
        numbers = range(start, min(start + of_table, len(said)))
        write_table(folder, start // of_table, (line_of(url_of(one), caption_of(one)) for one in numbers))
    return said
