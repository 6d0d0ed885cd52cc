"""A place in the file is told of, from the bytes on."""

import io

import pyarrow.parquet as pq
from PIL import ExifTags, Image


def test_a_photograph_that_says_where_it_was_taken_is_told_of_and_dropped_on_demand(case, make, paint):
    tags, held = Image.Exif(), io.BytesIO()
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    Image.open(io.BytesIO(paint(1))).save(held, "JPEG", exif=tags.tobytes())
    case.ingest([make(0), make(1, data=held.getvalue())])
    assert case.validate()["told"]["gps"]["rows"] == 1
    assert pq.read_table(case.validated / "told.parquet")["key"].to_pylist() == ["k1"]
    assert b"52" not in pq.read_table(case.validated / "told.parquet")["detail"].to_pylist()[0].encode()
    assert case.validate(policy={"gps": "drop"})["reasons"]["gps"]["rows"] == 1
