"""spans.parquet: the stretch of video that each picture is the key frame of, for data that has such; a row a span."""

import math
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from components.contracts.sample import Sample
from components.data.beside import Kind

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),  # of the sample
        pa.field("clip", pa.string()),
        pa.field("t0_s", pa.float64()),  # seconds from the clip's start
        pa.field("t1_s", pa.float64()),
        pa.field("fps", pa.float64()),  # frames a second, of the clip
        pa.field("first", pa.int32()),  # frame of the span, from 0
        pa.field("frames", pa.int32()),  # in the span
        pa.field("key_frame", pa.int32()),  # the sample's picture, from 0
        pa.field("clip_frames", pa.int32()),  # in the whole clip
    ]
)

SLACK = 1  # frames by which a span may end after its clip: durations are rounded
EDGE = 1e-6  # of a frame: 0.3 s at 10 a second is frame 3, not a hair before it


def frames_between(t0_s: float, t1_s: float, fps: float, clip_frames: int) -> range:
    """Return the frames, from 0, that are seen from t0_s until t1_s; frame n from n / fps until the next."""
    return range(math.floor(t0_s * fps + EDGE), min(math.ceil(t1_s * fps - EDGE), clip_frames))


def _rows(sample: Sample) -> list[dict[str, Any]]:
    return [] if sample.span is None else [{"key": sample.key, **asdict(sample.span)}]


SPANS = Kind(name="spans", schema=SCHEMA, rows=_rows, whole="clip", counted=("clips", "spans"))
