"""A package as an MLflow pyfunc model, from code, so that nothing is pickled: a column `text` or `image` (base64) to a column of vectors."""

import base64
import os
from pathlib import Path

import mlflow
import pandas as pd

from components.serving.encoders import PackageEncoders
from components.serving.package import Package


class Embedder(mlflow.pyfunc.PythonModel):
    """The package that PACKAGE names."""

    def load_context(self, context: object) -> None:
        """Open the package."""
        self.encoders = PackageEncoders(Package.verify(Path(os.environ["PACKAGE"])), threads=1)

    def predict(self, context: object, model_input: pd.DataFrame, params: object = None) -> list[list[float]]:
        """Return a vector a row."""
        if "text" in model_input:
            return self.encoders.embed_text(list(model_input["text"])).tolist()
        return self.encoders.embed_image([base64.b64decode(one) for one in model_input["image"]]).tolist()


mlflow.models.set_model(Embedder())
