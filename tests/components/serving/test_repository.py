"""The repository is a standard one, and holds the package's own files."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tritonclient
import tritonclient.http as httpclient
from google.protobuf import text_format
from PIL import Image
from sklearn.datasets import load_sample_images

from components.contracts.errors import ConfigError, StaleArtifact, TransientError
from components.data.transforms import preprocess
from components.serving import classification, prompt_cache, row_filter
from components.serving.command import Ports, free_ports, server_command
from components.serving.environment import BACKENDS, ServingEnvironment
from components.serving.graph import LARGE
from components.serving.labels import LABEL_FILES
from components.serving.package import Package
from components.serving.repository import ENCODERS, MODELS, threads_of, write_repository
from components.serving.triton_client import TritonClient
from tests.components.serving.conftest import REPOSITORY
from tests.components.serving.counting_package import NEAR_BY, make_counting_package
from tests.components.serving.tiny_package import LENGTH, SIZE, WIDTH, write_manifest
from tests.squares import png


@pytest.fixture
def repository(package: Path, tmp_path: Path) -> Path:
    return write_repository(Package.verify(package), tmp_path / "repository")


def test_every_model_has_config_version_and_digest(package: Path, repository: Path) -> None:
    digest = Package.verify(package).digest
    assert sorted(folder.name for folder in repository.iterdir()) == sorted(MODELS)
    for model in MODELS:
        config = (repository / model / "config.pbtxt").read_text()
        assert config.startswith(f'name: "{model}"\n')
        assert f'key: "package_digest" value {{ string_value: "{digest}" }}' in config
        assert "$" not in config
        assert list((repository / model / "1").iterdir()), "Triton needs a version folder that git and S3 keep"


def test_shapes_are_the_encoders_own(repository: Path) -> None:
    image, text = ((repository / f"{kind}_encoder" / "config.pbtxt").read_text() for kind in ("image", "text"))
    assert f"dims: [ 3, {SIZE}, {SIZE} ]" in image
    assert f"dims: [ {WIDTH} ]" in image
    assert f"dims: [ {LENGTH} ]" in text
    assert 'platform: "onnxruntime_onnx"' in image
    assert 'platform: "onnxruntime_onnx"' in text


def messages():
    """Triton's own types, as tritonclient carries them; its package asks for gRPC, which nothing of it needs."""
    folder = Path(tritonclient.__file__).parent / "grpc"
    spec = importlib.util.spec_from_file_location("model_config_pb2", folder / "model_config_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parsed(path: Path):
    return text_format.Parse(path.read_text(), messages().ModelConfig())


@pytest.mark.parametrize(("large", "table", "threads"), [(True, False, 0), (False, False, 1), (True, True, 1)])
def test_a_large_graph_is_given_all_processors_and_a_table_of_tokens_makes_none_large(large, table, threads) -> None:
    weight = onnx.TensorProto(name="weight", data_type=onnx.TensorProto.FLOAT, dims=[LARGE // 100 + large, 100])
    node = onnx.helper.make_node(
        "Gather" if table else "MatMul", ["weight", "ids"] if table else ["x", "weight"], ["y"]
    )
    assert threads_of(onnx.helper.make_graph([node], "encoder", [], [], [weight])) == threads


def test_the_quickstarts_small_encoders_have_a_thread_each(repository: Path) -> None:
    for model in ENCODERS:
        assert parsed(repository / model / "config.pbtxt").parameters["intra_op_thread_count"].string_value == "1"


@pytest.mark.parametrize(
    ("said", "most"), [("max 100000", None), ("100000 100000\n", 1), ("10000 100000", 1), ("1000000000 100000", None)]
)
def test_the_backend_counts_the_processors_that_its_container_may_use(
    tmp_path: Path, said: str, most: int | None
) -> None:
    (tmp_path / "cpu.max").write_text(said)
    code = (  # it runs where the server does, with what only a server has
        "import sys, types; sys.modules['triton_python_backend_utils'] = types.ModuleType('triton'); import model; from pathlib import Path;"
        f"nowhere = Path('/nowhere'); print(model.processors(Path({str(tmp_path)!r}), nowhere), model.processors(nowhere, nowhere))"
    )
    found = subprocess.check_output(
        [str(ServingEnvironment.find(REPOSITORY).python), "-c", code], cwd=BACKENDS / "onnxruntime", text=True
    )
    ours = len(os.sched_getaffinity(0))
    assert found == f"{most or ours} {ours}\n"


@pytest.mark.parametrize("model", ENCODERS)
@pytest.mark.parametrize("name", ["gpu", "tensorrt"])
def test_the_container_gets_the_same_model_on_a_gpu(repository: Path, model: str, name: str) -> None:
    here, there = parsed(repository / model / "config.pbtxt"), parsed(repository / model / "configs" / f"{name}.pbtxt")
    for what in ("name", "platform", "default_model_filename", "max_batch_size", "input", "output", "model_warmup"):
        assert getattr(there, what) == getattr(here, what), what
        assert getattr(there, what), what
    assert there.parameters["package_digest"] == here.parameters["package_digest"]
    group = there.instance_group[0]
    assert group.Kind.Name(group.kind) == "KIND_GPU"
    assert there.dynamic_batching.max_queue_delay_microseconds == 500
    assert "intra_op_thread_count" not in there.parameters
    assert "rows_a_thread" not in there.parameters  # which keeps a processor's memory from being waited for
    accelerators = [one.name for one in there.optimization.execution_accelerators.gpu_execution_accelerator]
    assert accelerators == {"gpu": [], "tensorrt": ["tensorrt"]}[name]


def test_every_configuration_is_one_that_triton_knows(repository: Path) -> None:
    files = sorted(repository.rglob("*.pbtxt"))
    assert len(files) == len(MODELS) + 2 * len(ENCODERS)
    assert all(parsed(file).name == file.relative_to(repository).parts[0] for file in files)


def test_a_server_takes_the_configuration_that_it_is_told(package: Path, tmp_path: Path) -> None:
    """By the wheel's server, which has no GPU: `gpu` is read and refused for want of one, and the same on the processor is served."""
    repository = write_repository(Package.verify(package), tmp_path / "repository")
    for model in ENCODERS:
        text = (repository / model / "configs" / "gpu.pbtxt").read_text().replace("KIND_GPU", "KIND_CPU")
        text += 'parameters { key: "intra_op_thread_count" value { string_value: "0" } }'
        (repository / model / "configs" / "processor.pbtxt").write_text(text)
    with served(repository, tmp_path, "gpu") as (process, _):
        assert process.wait(120) != 0
    assert "has kind KIND_GPU but no GPUs are available" in (tmp_path / "gpu.log").read_text()
    with served(repository, tmp_path, "processor") as (process, ports):
        wait_until_it_answers(process, ports, tmp_path / "processor.log")


@contextmanager
def served(repository: Path, scratch: Path, name: str) -> Iterator[tuple[subprocess.Popen, Ports]]:
    """Run the wheel's server, told a configuration's name; there is none called `config`, so that it takes config.pbtxt."""
    environment = ServingEnvironment.find(REPOSITORY)
    backends = scratch / f"{name}.backends"
    environment.stage_backends(backends)
    ports = free_ports()
    shm = f"dp-test-{os.getpid()}-{name}"
    command = server_command(environment, repository, backends, ports, "key", shm)
    command.append(f"--model-config-name={name}")
    with (scratch / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment.variables())
        try:
            yield process, ports
        finally:
            process.terminate()
            process.wait(60)
            for left in Path("/dev/shm").glob(f"{shm}*"):
                left.unlink()


def wait_until_it_answers(process: subprocess.Popen, ports: Ports, log: Path) -> None:
    deadline = time.monotonic() + 120
    with TritonClient(f"127.0.0.1:{ports.http}") as client:
        while True:
            try:
                assert client.embed_text(["red"]).shape == (1, WIDTH)
                return
            except TransientError:  # it does not listen yet
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < deadline
                time.sleep(0.1)


@pytest.mark.parametrize(
    ("rows", "on_one", "on_two"),
    [(1, [1], [1]), (4, [2] * 4, [4] * 4), (7, [3, 3, 3, 2, 2, 2, 2], [4, 4, 4, 4, 3, 3, 3]), (30, [3] * 30, [6] * 30)],
)
def test_no_more_rows_are_run_at_once_than_stay_near_by(counting, rows, on_one, on_two) -> None:
    """By the server, asked for the encoders themselves, of which one has two threads: their vectors say of how many rows they were."""
    assert counting("image_encoder", "pixel_values", np.zeros([rows, 3, SIZE, SIZE], np.float32)) == on_one
    assert counting("text_encoder", "input_ids", np.zeros([rows, LENGTH], np.int64)) == on_two


@pytest.fixture(scope="module")
def counting(tmp_path_factory) -> Iterator[Callable[[str, str, np.ndarray], list[float]]]:
    """What served encoders answer that count the rows that they are run on."""
    scratch = tmp_path_factory.mktemp("counting")
    package = make_counting_package(scratch / "package")
    repository = write_repository(Package.verify(package), scratch / "repository")
    for model in ENCODERS:
        assert parsed(repository / model / "config.pbtxt").parameters["rows_a_thread"].string_value == str(NEAR_BY)
    threads = 'key: "intra_op_thread_count" value { string_value: "%d" }'
    for model, count in (("image_encoder", 1), ("text_encoder", 2)):
        config = repository / model / "config.pbtxt"
        assert threads % 0 in config.read_text(), "as many as there are processors"
        config.write_text(config.read_text().replace(threads % 0, threads % count))
    with served(repository, scratch, "config") as (process, ports):
        wait_until_it_answers(process, ports, scratch / "config.log")

        def asked(model: str, taken: str, rows: np.ndarray) -> list[float]:
            given = httpclient.InferInput(taken, rows.shape, "INT64" if rows.dtype == np.int64 else "FP32")
            given.set_data_from_numpy(rows)
            with httpclient.InferenceServerClient(f"127.0.0.1:{ports.http}") as client:
                return client.infer(model, [given]).as_numpy(f"{model.partition('_')[0]}_embeds")[:, 0].tolist()

        yield asked


def test_preprocessing_is_the_file_that_training_uses(package: Path, repository: Path) -> None:
    served = repository / "image_preprocess" / "1"
    assert (served / "preprocess.py").read_bytes() == Path(preprocess.__file__).read_bytes()
    assert (served / "transforms.json").read_bytes() == (package / "transforms.json").read_bytes()


def test_a_photograph_has_the_pixels_when_served_that_it_had_when_it_was_learned(repository: Path) -> None:
    """By the file that is served, loaded from there, on a JPEG that is decoded at a reduced size."""
    served = repository / "image_preprocess" / "1"
    spec = importlib.util.spec_from_file_location("served_preprocess", served / "preprocess.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their own
    spec.loader.exec_module(module)
    photograph = Image.fromarray(load_sample_images().images[0])
    data = png(photograph, "JPEG", quality=90)
    learned = preprocess.Preprocess(size=SIZE)
    assert preprocess.upright(data, SIZE).width < photograph.width
    assert np.array_equal(module.Preprocess.from_json((served / "transforms.json").read_text())(data), learned(data))


def test_index_keeps_its_order(package: Path, repository: Path) -> None:
    columns = json.loads((repository / "image_retrieval" / "1" / "index.json").read_text())
    kept = pq.read_table(package / "index.parquet").to_pydict()
    assert columns == {name: [value or "" for value in values] for name, values in kept.items()}
    assert {"split", "category"} <= set(columns), "what a search can be narrowed by"


def test_the_filter_of_the_index_is_code_that_stands_alone(repository: Path) -> None:
    code = (repository / "image_retrieval" / "1" / "row_filter.py").read_text()
    assert code == Path(row_filter.__file__).read_text()
    assert "components" not in code


def test_classifier_has_the_packages_labels_and_code_that_stands_alone(package: Path, repository: Path) -> None:
    served = repository / "zero_shot_classifier" / "1"
    for name in LABEL_FILES:
        assert (served / name).read_bytes() == (package / name).read_bytes()
    for module in (classification, prompt_cache):
        code = (served / Path(module.__file__).name).read_text()
        assert code == Path(module.__file__).read_text()
        assert "components" not in code


def test_package_of_before_labels_is_served_without_the_classifier(package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(package, tmp_path / "copy"))
    for name in LABEL_FILES:
        (copy / name).unlink()
    write_manifest(copy)
    repository = write_repository(Package.verify(copy), tmp_path / "repository")
    assert {folder.name for folder in repository.iterdir()} == set(MODELS) - {"zero_shot_classifier"}


def test_weights_beside_the_graph_come_along(package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(package, tmp_path / "copy"))
    (copy / "image_encoder.onnx.data").write_bytes(b"weights")
    write_manifest(copy)
    repository = write_repository(Package.verify(copy), tmp_path / "repository")
    assert (repository / "image_encoder" / "1" / "image_encoder.onnx.data").read_bytes() == b"weights"


def rename_input(copy: Path) -> None:
    model = onnx.load(str(copy / "text_encoder.onnx"))
    model.graph.input[0].name = model.graph.node[0].input[1] = "tokens"
    onnx.save(model, str(copy / "text_encoder.onnx"))


def change_size(copy: Path) -> None:
    (copy / "transforms.json").write_text(preprocess.Preprocess(size=64).to_json())


def shorten_index(copy: Path) -> None:
    np.save(copy / "index.npy", np.load(copy / "index.npy")[:-1])


def drop_column(copy: Path) -> None:
    pq.write_table(pq.read_table(copy / "index.parquet").drop_columns(["source"]), copy / "index.parquet")


def empty_index(copy: Path) -> None:
    np.save(copy / "index.npy", np.load(copy / "index.npy")[:0])
    pq.write_table(
        pa.table({name: pa.array([], pa.string()) for name in ("key", "text", "source")}), copy / "index.parquet"
    )


def shorten_labels(copy: Path) -> None:
    np.save(copy / "labels.npy", np.load(copy / "labels.npy")[:-1])


def narrow_labels(copy: Path) -> None:
    np.save(copy / "labels.npy", np.eye(4, WIDTH - 1, dtype=np.float32))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (rename_input, "input_ids"),
        (change_size, "do not fit"),
        (shorten_index, "index of"),
        (drop_column, "source"),
        (empty_index, "at least one row"),
        (shorten_labels, "labels of .* do not fit"),
        (narrow_labels, "15 numbers wide, its encoders give 16"),
    ],
)
def test_parts_that_do_not_fit_are_refused(package: Path, tmp_path: Path, damage, said: str) -> None:
    copy = Path(shutil.copytree(package, tmp_path / "copy"))
    damage(copy)
    write_manifest(copy)
    with pytest.raises(StaleArtifact, match=said):
        write_repository(Package.verify(copy), tmp_path / "repository")
    assert not (tmp_path / "repository").exists(), "half a repository must not look like one"


def test_fixed_batch_is_refused(package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(package, tmp_path / "copy"))
    model = onnx.load(str(copy / "text_encoder.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, str(copy / "text_encoder.onnx"))
    write_manifest(copy)
    with pytest.raises(ConfigError, match="dynamic first axis"):
        write_repository(Package.verify(copy), tmp_path / "repository")
