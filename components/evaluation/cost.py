"""What a model costs whoever asks it: its parameters, and the operations that one picture and one text take.

Source: torch's FlopCounterMode, which counts products of matrices and convolutions, a multiplication and an addition as two.
What is measured is the model that is exported, so what a method has for its training alone costs nothing here.
"""

from components.contracts.evaluate import Metric
from components.contracts.evaluator import CostedEncoder, Evaluator, Findings, Subject


class Cost(Evaluator):
    """Parameters and operations of both sides. The baseline is the same architecture, whose weights cost as much before training."""

    def measure(self, subject: Subject) -> Findings:
        """Return `cost.<side>.<what>`: the sides are `image` and `text`, what is `parameters` or `flops`."""
        encoder, before = subject.encoder, subject.untrained
        if not isinstance(encoder, CostedEncoder) or not isinstance(before, CostedEncoder):
            return Findings(without={"cost": "the model does not say how large it is"})
        untrained = before.cost()
        return Findings(
            metrics=tuple(
                Metric(
                    name=f"cost.{side}.{what}", value=float(value), unit=what, better="down", n=1, chance=0.0,
                    baseline=float(untrained[side][what]), method="one picture, and one text as long as the model reads",
                )
                for side, counted in encoder.cost().items()
                for what, value in counted.items()
            )
        )  # fmt: skip
