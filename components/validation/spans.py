"""The suite for data of video spans: each lies in its clip, has the frames that its times say, and its clip is in one split."""

from typing import Any

from components.validation.held import Expect


def spans_suite(expect: Expect) -> None:
    """Say what the rows of data/spans.py have to be."""
    from great_expectations import expectations

    from components.validation.expectations import ExpectColumnToBeOneWithin
    from components.validation.kind_expectations import ExpectFramesOfTheSpan, ExpectSpanToLieInClip

    gxe: Any = expectations  # it lists its classes in no way that mypy can read
    for column in ("clip", "t0_s", "t1_s", "fps", "first", "frames", "key_frame", "clip_frames"):
        expect(gxe.ExpectColumnValuesToNotBeNull, "incomplete", f"{column} is given", column=column)
    rule = "a clip has frames in a second"
    expect(gxe.ExpectColumnValuesToBeBetween, "bad_span", rule, column="fps", min_value=0, strict_min=True)
    rule = "a span begins where the clip does, or later"
    expect(gxe.ExpectColumnValuesToBeBetween, "span_beyond", rule, column="t0_s", min_value=0)
    rule = "a span ends after it begins"
    expect(gxe.ExpectColumnPairValuesAToBeGreaterThanB, "span_reversed", rule, column_A="t1_s", column_B="t0_s")
    rule = "a span ends where the clip does, or sooner"
    expect(ExpectSpanToLieInClip, "span_beyond", rule, column_list=["t1_s", "fps", "clip_frames"])
    rule = "a span has the frames that its times say, the picture among them"
    columns = ["t0_s", "t1_s", "fps", "clip_frames", "first", "frames", "key_frame"]
    expect(ExpectFramesOfTheSpan, "missing_frame", rule, column_list=columns)
    expect(ExpectColumnToBeOneWithin, "clip_split", "a clip is in one split", column_A="clip", column_B="split")
