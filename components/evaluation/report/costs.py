"""What a model costs whoever asks it, and what its training took."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.evaluation.report.layout import said, table

SIDES = {"image": ("a picture", "image_encoder.onnx"), "text": ("a text", "text_encoder.onnx")}
NOT = "not measured"
MEANS = (
    "Operations are those of products of matrices and convolutions, a multiplication and an addition as two, for one picture, and for one text as long as "
    "the model reads. Bytes are of the exported files."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What is known of it.

    Args:
        sides: `image` and `text` -> `parameters` and `flops`, and `ms` where somebody measured it.
        timed: how the milliseconds were measured; empty where nobody did.
        files: name in the package -> bytes.
        training_flops: operations of the whole training; None where nobody counted.
        training: what else is known of it, in words.
    """

    sides: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    timed: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    training_flops: float | None = None
    training: str = ""


def costs(found: Costs) -> str:
    """Return what a picture and a text cost, how large the files are, and what training took."""
    rows = [
        [
            means,
            *(_number(found.sides.get(side, {}).get(what)) for what in ("parameters", "flops")),
            _bytes(found.files.get(file)),
            _milliseconds(found.sides.get(side, {}).get("ms")),
        ]
        for side, (means, file) in SIDES.items()
    ]
    head = ("to encode", "parameters", "operations", "bytes", "ms")
    other = ", ".join(
        f"{name} {_bytes(size)}"
        for name, size in found.files.items()
        if name not in {file for _, file in SIDES.values()}
    )
    took = (
        f"Training took {_number(found.training_flops)} operations"
        if found.training_flops
        else f"Operations of the training: {NOT}"
    )
    return (
        table("Cost of a picture and of a text", head, rows, numbers=(1, 2, 3, 4))
        + said(f"{MEANS}{f' Milliseconds: {found.timed}.' if found.timed else ''}")
        + said(
            f"{took}{f' ({found.training})' if found.training else ''}. Seconds and energy differ from run to run, so that they stand with the run: metrics.json of stage pretrain, and MLflow."
        )
        + (said(f"Beside the encoders: {other}.") if other else "")
    )


def _number(value: float | None) -> str:
    """Return 1,234 as it is and more with three digits and a unit."""
    if value is None:
        return NOT
    for bound, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= bound:
            return f"{value / bound:.3g} {unit}"
    return f"{value:,.0f}"


def _bytes(size: int | None) -> str:
    if size is None:
        return NOT
    return f"{size / 1e6:.3g} MB" if size >= 1e6 else f"{size / 1e3:.3g} kB"


def _milliseconds(value: float | None) -> str:
    return NOT if value is None else f"{value:.3g}"
