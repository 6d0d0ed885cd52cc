"""From a package to one standard Triton model repository.

The same folder is meant for the server of the nvidia-pytriton wheel (with our Python backend named onnxruntime)
and for the NGC container (with its own onnxruntime backend, plus pillow, cykooz-resizer and tokenizers for the Python models), which is told by
--model-config-name which of an encoder's `configs` it takes: `gpu`, or `tensorrt`. Models without such a file, and servers that are not told, take
config.pbtxt.
Axes: D embedding width, L tokens, S pixels a side.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
import onnx
import pyarrow.parquet as pq

from components.contracts.errors import ConfigError, StaleArtifact
from components.data.transforms import preprocess
from components.serving import classification, prompt_cache, row_filter
from components.serving.graph import LARGE, read_graph, rows_a_thread, weights_of
from components.serving.labels import LABEL_FILES, Labels
from components.serving.package import REMEDY, Package
from components.serving.search.entry import COLUMNS

TEMPLATES = Path(__file__).parent / "triton_models"
ENCODERS = ("image_encoder", "text_encoder")
ENSEMBLES = ("embed_image", "embed_text")
BESIDE = {  # files that stand alone, and are laid beside the models that import them
    "image_preprocess": (Path(preprocess.__file__),),
    "tokenizer": (),
    "image_retrieval": (TEMPLATES / "inner_request.py", Path(row_filter.__file__)),
    "zero_shot_classifier": (
        TEMPLATES / "inner_request.py",
        Path(classification.__file__),
        Path(prompt_cache.__file__),
    ),
}
MODELS = (*ENCODERS, *ENSEMBLES, *BESIDE)
CLASSIFIER, SEARCH = "zero_shot_classifier", "image_retrieval"
INDEX_COLUMNS = ("key", "text", "source")
HERE = """instance_group [ { kind: KIND_AUTO count: 1 } ]
dynamic_batching { }
parameters { key: "intra_op_thread_count" value { string_value: "$threads" } }
parameters { key: "rows_a_thread" value { string_value: "$rows" } }"""
EACH = 0  # as intra_op_thread_count: a thread on each processor
PRECISION = "FP32"  # that TensorRT computes in
_ON_GPU = """instance_group [ { kind: KIND_GPU count: 1 } ]
dynamic_batching { preferred_batch_size: [ 8, 16, 32 ] max_queue_delay_microseconds: 500 }"""
PLACEMENTS = {  # where the encoders run, beside HERE: name of a configuration -> its lines
    "gpu": _ON_GPU,
    "tensorrt": f"""{_ON_GPU}
optimization {{
  execution_accelerators {{
    gpu_execution_accelerator [
      {{
        name: "tensorrt"
        parameters {{ key: "precision_mode" value: "{PRECISION}" }}
        parameters {{ key: "max_workspace_size_bytes" value: "1073741824" }}
      }}
    ]
  }}
}}""",
}
VERSION = "1"  # Triton's version folder; a package is told apart by the parameter package_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What the configurations have to say about the encoders: S, L and D."""

    size: int
    length: int
    width: int


def write_repository(package: Package, target: Path) -> Path:
    """Write the repository under a temporary name and rename it to `target`, which must not exist.

    Raises StaleArtifact when the parts of the package do not fit each other.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shapes, models = _shapes(package), models_of(package)
    for model in models:
        (partial / model / VERSION).mkdir(parents=True)
        template = Template((TEMPLATES / f"{model}.pbtxt").read_text(encoding="utf-8"))
        values = {"size": shapes.size, "length": shapes.length, "width": shapes.width, "digest": package.digest}
        here = _here(read_graph(package, model)) if model in ENCODERS else ""
        (partial / model / "config.pbtxt").write_text(template.substitute(values, placement=here), encoding="utf-8")
        for name, placement in PLACEMENTS.items() if model in ENCODERS else ():
            path = partial / model / "configs" / f"{name}.pbtxt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(template.substitute(values, placement=placement), encoding="utf-8")
    for model in ENCODERS:
        _write_encoder(package, model, partial / model / VERSION)
    for model in models:
        if model in BESIDE:
            shutil.copyfile(TEMPLATES / f"{model}.py", partial / model / VERSION / "model.py")
            for file in BESIDE[model]:
                shutil.copyfile(file, partial / model / VERSION / file.name)
    for model in ENSEMBLES:  # object stores and git drop empty folders, and Triton needs a version folder
        (partial / model / VERSION / "README").write_text("An ensemble has no file of its own.\n", encoding="utf-8")
    shutil.copyfile(package.path / "transforms.json", partial / "image_preprocess" / VERSION / "transforms.json")
    shutil.copyfile(package.path / "tokenizer.json", partial / "tokenizer" / VERSION / "tokenizer.json")
    if SEARCH in models:
        _write_index(package, shapes, partial / SEARCH / VERSION)
    if CLASSIFIER in models:
        _write_labels(package, shapes, partial / CLASSIFIER / VERSION)
    partial.rename(target)
    return target


def models_of(package: Package) -> tuple[str, ...]:
    """Return the models a package is served by: packages of before labels.json have no scale to classify with, a model alone no index."""
    has = {CLASSIFIER: package.classifies, SEARCH: package.searches}
    return tuple(model for model in MODELS if has.get(model, True))


def threads_of(graph: onnx.GraphProto) -> int:
    """Return how many threads a graph is given on a processor: one, or EACH, as many as the machine has processors, where it is large."""
    return EACH if weights_of(graph) > LARGE else 1


def number_in(config: str, name: str) -> int | None:
    """Return a parameter of an encoder's config.pbtxt, as HERE has it; None where there is none."""
    found = re.search(rf'key: "{name}" value {{ string_value: "(\d+)" }}', config)
    return int(found[1]) if found else None


def _here(graph: onnx.GraphProto) -> str:
    return Template(HERE).substitute(threads=threads_of(graph), rows=rows_a_thread(graph))


def _shapes(package: Package) -> Shapes:
    pixels, images = _graph(package, "image_encoder", "pixel_values", "image_embeds", onnx.TensorProto.FLOAT)
    ids, texts = _graph(package, "text_encoder", "input_ids", "text_embeds", onnx.TensorProto.INT64)
    size = preprocess.Preprocess.from_json((package.path / "transforms.json").read_text(encoding="utf-8")).size
    fits = (
        len(pixels) == 4 and pixels[1:] == [3, size, size] and len(ids) == 2 and len(images) == len(texts) == 2
    ) and images[1] == texts[1] > 0 < ids[1]
    if not fits:
        raise StaleArtifact(
            f"The parts of {package.path} do not fit: transforms.json makes 3 x {size} x {size} pixels, image_encoder "
            f"takes {pixels} and gives {images}, text_encoder takes {ids} and gives {texts} (0: any). {REMEDY}"
        )
    if pixels[0] or ids[0]:
        raise ConfigError(
            f"The encoders of {package.path} take {pixels[0] or 'any'} pictures and {ids[0] or 'any'} texts at once, "
            "but a server batches as many as come. Export them with a dynamic first axis."
        )
    return Shapes(size=size, length=ids[1], width=images[1])


def _graph(package: Package, model: str, source: str, result: str, kind: int) -> tuple[list[int], list[int]]:
    """Return the shapes of input and output, 0 where any size goes."""
    graph = read_graph(package, model)
    tensors = {tensor.name: tensor.type.tensor_type for tensor in (*graph.input, *graph.output)}
    if source not in tensors or result not in tensors or tensors[source].elem_type != kind:
        wanted = onnx.TensorProto.DataType.Name(kind)
        raise StaleArtifact(
            f"{model}.onnx of {package.path} has {sorted(tensors)}; serving needs the input {source} ({wanted}) "
            f"and the output {result}. {REMEDY}"
        )
    return _dims(tensors[source]), _dims(tensors[result])


def _dims(tensor: onnx.TypeProto.Tensor) -> list[int]:
    return [axis.dim_value for axis in tensor.shape.dim]


def _write_encoder(package: Package, model: str, folder: Path) -> None:
    shutil.copyfile(package.path / f"{model}.onnx", folder / "model.onnx")
    for name in package.files:
        if name.startswith(f"{model}.onnx."):  # weights kept outside the graph, which names them by file name
            shutil.copyfile(package.path / name, folder / name)


def _write_index(package: Package, shapes: Shapes, folder: Path) -> None:
    """Copy the embeddings [N D] and write their columns as JSON, since the server's environment has no pyarrow."""
    table = pq.read_table(package.path / "index.parquet")
    embeds = np.load(package.path / "index.npy", mmap_mode="r")
    missing = [column for column in INDEX_COLUMNS if column not in table.column_names]
    if missing or embeds.dtype != np.float32 or embeds.shape != (table.num_rows, shapes.width) or not len(embeds):
        raise StaleArtifact(
            f"The index of {package.path} is not whole: index.npy is {embeds.dtype} {embeds.shape}, index.parquet has "
            f"{table.num_rows} rows with {table.column_names}; needed are float32 (rows, {shapes.width}), at least "
            f"one row, and the columns {', '.join(INDEX_COLUMNS)}. {REMEDY}"
        )
    shutil.copyfile(package.path / "index.npy", folder / "index.npy")
    kept = (*INDEX_COLUMNS, *(name for name in COLUMNS if name in table.column_names and name not in INDEX_COLUMNS))
    columns = {column: [str(value or "") for value in table.column(column).to_pylist()] for column in kept}
    (folder / "index.json").write_text(json.dumps(columns, ensure_ascii=False), encoding="utf-8")


def _write_labels(package: Package, shapes: Shapes, folder: Path) -> None:
    width = Labels.read(package.path).vectors.shape[1]
    if width != shapes.width:
        raise StaleArtifact(
            f"The labels of {package.path} are {width} numbers wide, its encoders give {shapes.width}. {REMEDY}"
        )
    for name in LABEL_FILES:
        shutil.copyfile(package.path / name, folder / name)
