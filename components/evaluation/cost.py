"""What a model costs whoever asks it: its parameters and their bytes, the operations that one picture and one text take, and the time.

Source: torch's FlopCounterMode, which counts products of matrices and convolutions, a multiplication and an addition as two.
What is measured is the model that is exported, so what a method has for its training alone costs nothing here.
"""

import os
import statistics
import time
from collections.abc import Callable

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import CostedEncoder, Encoder, Evaluator, Findings, Pictures, Subject
from components.contracts.progress import silent

COUNTED = "one picture, and one text as long as the model reads"


class Cost(Evaluator):
    """Parameters, bytes and operations of both sides. The baseline is the same architecture, whose weights cost as much before training.

    Args:
        times: how often a picture and a text are encoded alone, to say how long one takes; 0 measures no time, which is another at every measurement.

    Raises ConfigError for fewer times than none.
    """

    def __init__(self, times: int = 0) -> None:
        if times < 0:
            raise ConfigError(f"times is {times}, but so often something is encoded. Give 20, or 0 to measure no time.")
        self.times = times

    def measure(self, subject: Subject) -> Findings:
        """Return `cost.<side>.<what>`: the sides are `image` and `text`, what is `parameters`, `bytes`, `flops` or, where `times` is given, `ms`."""
        encoder, before = subject.encoder, subject.untrained
        if not isinstance(encoder, CostedEncoder) or not isinstance(before, CostedEncoder):
            return Findings(without={"cost": "the model does not say how large it is"})
        untrained = before.cost()
        metrics = [
            Metric(
                name=f"cost.{side}.{what}", value=float(value), unit=what, better="down", n=1, chance=0.0,
                baseline=float(untrained[side][what]), method=COUNTED,
            )
            for side, counted in encoder.cost().items()
            for what, value in counted.items()
        ]  # fmt: skip
        pool = next((one for one in subject.pools.values() if len(one.keys)), None)
        if not self.times or pool is None:
            return Findings(metrics=tuple(metrics))
        how = f"median of {self.times}, one at a time, decoded and tokenized, on {os.cpu_count()} cores; of the weights, and not of what is served"
        metrics += [
            Metric(
                name=f"cost.{side}.ms", value=taken(call, self.times), unit="milliseconds", better="down", n=self.times, chance=0.0,
                baseline=taken(other, self.times), method=how,
            )
            for (side, call), other in zip(asked(subject.encoder, pool).items(), asked(subject.untrained, pool).values(), strict=True)
        ]  # fmt: skip
        return Findings(metrics=tuple(metrics))


def asked(encoder: Encoder, pool: Pictures) -> dict[str, Callable[[], object]]:
    """Return side -> what encodes one picture, or one text, of a pool."""
    picture, text = [pool.pictures[0]], [pool.captions[0][0]]
    return {"image": lambda: encoder.pictures(picture, silent, ""), "text": lambda: encoder.texts(text)}


def taken(call: Callable[[], object], times: int) -> float:
    """Return the median milliseconds by the clock of so many calls, after one that is not counted."""
    call()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - began))
    return statistics.median(spent)
