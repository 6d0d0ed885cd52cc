"""An encoder in smaller numbers: offered only where it answers alike and finds as before, and int8 where it is faster on this machine, too.

float16 is for GPUs, on which it is not run here: how fast it is on this processor is told, and decides nothing.

Sources: ONNX Runtime's dynamic quantisation (weights int8 by channel, activations as they come; no data is needed to calibrate it) and its float16
conversion, inputs and outputs float32 as before. Differs: nothing; that what it makes is measured before anybody gets it is ours.
Axes: N texts or pictures, G pictures of the index, D shared width.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
from jaxtyping import Bool, Float

from components.serving.graph import rows_a_thread

Kind = Literal["int8", "fp16"]
NAMES = {"int8": "int8", "fp16": "float16"}
FASTER: dict[Kind, float] = {"int8": 1.5, "fp16": 0.0}  # times as many rows a second on this processor, at least
LOST = 0.005  # of recall at K, at most
K = 10
ALIKE = 0.95  # cosine between an answer and that of before, at least, of every row
ROUNDS = 9  # in which both are timed, one after the other, so that what else the machine does hits both
BATCH = 16  # rows that are timed; no more at once than a thread of the server runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was measured of one encoder.

    Args:
        side: image or text.
        kind: of numbers.
        times: rows a second, over those of float32, the median of ROUNDS on one thread.
        cosine: the least between a row and that of float32.
        before: recall at K of texts among pictures with float32.
        after: the same with this.
        queries: texts that were asked.
    """

    side: Literal["image", "text"]
    kind: Kind
    times: float
    cosine: float
    before: float
    after: float
    queries: int

    @property
    def is_offered(self) -> bool:
        """Return whether it is as fast as is asked for, alike, and finds as before."""
        return self.times >= FASTER[self.kind] and self.cosine >= ALIKE and self.before - self.after <= LOST

    def __str__(self) -> str:
        verdict = "taken" if self.is_offered else "not offered"
        asked = (
            f"at least {FASTER[self.kind]:g} is asked for" if FASTER[self.kind] else "on this processor; it is for GPUs"
        )
        return (
            f"{self.side} encoder in {NAMES[self.kind]}: {verdict}; {self.times:.2f} times as fast ({asked}), cosine to float32 "
            f"{self.cosine:.3f} or more ({ALIKE:g}), recall@{K} {self.after:.1%} of {self.queries:,} texts, before {self.before:.1%} (at most {LOST:.1%} less)"
        )


def write_variant(kind: Kind, graph: Path, out: Path) -> None:
    """Write a graph in smaller numbers; names, shapes and types of what goes in and out stay."""
    if kind == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process

        quant_pre_process(graph, out, skip_symbolic_shape=True)
        quantize_dynamic(out, out, weight_type=QuantType.QInt8, per_channel=True)
    else:
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(graph), keep_io_types=True), out)


def tried(
    side: Literal["image", "text"], kind: Kind, graph: Path, variant: Path, rows: np.ndarray, others: Float[np.ndarray, "_ D"],
    right: Bool[np.ndarray, "Q G"],
) -> Tried:  # fmt: skip
    """Return what was measured.

    Args:
        graph: in float32.
        variant: the same in smaller numbers.
        rows: what it is shown: tokens [N L], or pixels [N 3 S S].
        others: unit rows of the other side, which stay.
        right: which pictures are right for which text; one at least of each.
    """
    old, new = _session(graph), _session(variant)
    at_once = _at_once(graph)
    before, after = _run(old, rows, at_once), _run(new, rows, at_once)
    asked = ((before, others), (after, others)) if side == "text" else ((others, before), (others, after))
    first, then = (recall(texts @ pictures.T, right) for texts, pictures in asked)
    return Tried(
        side=side, kind=kind, times=_times(old, new, rows[:BATCH], at_once), cosine=float(_cosines(before, after).min()), before=first, after=then,
        queries=len(right),
    )  # fmt: skip


def recall(scores: Float[np.ndarray, "Q G"], right: Bool[np.ndarray, "Q G"]) -> float:
    """Return the share of texts of which a right picture is among the first K; a tie counts as lost."""
    best = np.where(right, scores, -np.inf).max(1)
    before = ((scores >= best[:, None]) & ~right).sum(1)
    return float((before < K).mean())


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def _at_once(graph: Path) -> int:
    return min(BATCH, rows_a_thread(onnx.load(str(graph), load_external_data=False).graph) or BATCH)


def _run(session: ort.InferenceSession, rows: np.ndarray, at_once: int) -> np.ndarray:
    name = session.get_inputs()[0].name
    return np.concatenate(
        [session.run(None, {name: rows[at : at + at_once]})[0] for at in range(0, len(rows), at_once)]
    )


def _times(old: ort.InferenceSession, new: ort.InferenceSession, rows: np.ndarray, at_once: int) -> float:
    ratios = []
    for _ in range(ROUNDS):
        seconds = []
        for session in (old, new):
            begin = time.perf_counter()
            _run(session, rows, at_once)
            seconds.append(time.perf_counter() - begin)
        ratios.append(seconds[0] / seconds[1])
    return float(np.median(ratios))


def _cosines(one: Float[np.ndarray, "N D"], other: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N"]:
    return (one * other).sum(1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))
