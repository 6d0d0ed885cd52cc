"""Frames, colours of print and turns are told of, from the bytes on, and the rows stay."""

import io

import pyarrow.parquet as pq
from PIL import ExifTags, Image


def stored(data: bytes, kind: str, mode: str = "RGB", **options: object) -> bytes:
    held = io.BytesIO()
    Image.open(io.BytesIO(data)).convert(mode).save(held, kind, **options)
    return held.getvalue()


def test_each_is_told_of_and_a_file_may_be_several(case, make, paint):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    more = [Image.open(io.BytesIO(paint(number))) for number in (11, 12)]
    case.ingest(
        [
            make(0),
            make(1, data=stored(paint(1), "GIF", save_all=True, append_images=more)),
            make(2, data=stored(paint(2), "JPEG", "CMYK")),
            make(3, data=stored(paint(3), "JPEG", exif=tags.tobytes())),
            make(4, data=stored(paint(4), "JPEG", "CMYK", exif=tags.tobytes())),
        ]
    )
    report = case.validate(max_broken=0)
    assert report["clean"] == 5
    told = [(row["key"], row["reason"]) for row in pq.read_table(case.validated / "told.parquet").to_pylist()]
    assert told == [
        ("k1", "animated"), ("k2", "cmyk_converted"), ("k3", "exif_rotated"), ("k4", "cmyk_converted"), ("k4", "exif_rotated"),
    ]  # fmt: skip
    assert set(case.validate(policy={"cmyk_converted": "drop"})["reasons"]) == {"cmyk_converted"}
