"""Shapes are checked while tests run, and coloured squares with captions stand for real pictures."""

import gc
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

REPOSITORY = Path(__file__).parents[1]


def modules_with_shapes() -> list[str]:
    """Every module of ours that names axes in a signature."""
    files = [path for path in REPOSITORY.glob("components/**/*.py") if "from jaxtyping import" in path.read_text()]
    return [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in files]


# Before any of them is imported. A method's `Self` means nothing to beartype, so only these, not all components; and an
# int is a float, as everywhere in Python's typing.
install_import_hook(modules_with_shapes(), "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


settings.register_profile("shared-cores", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("shared-cores")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without a look for garbage: what imports make stays, and looking through it takes two fifths of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that may take longest first, by their `timeout`, then the flows: workers then end at one time."""

    def place(item: pytest.Item) -> tuple[float, bool]:
        longest = item.get_closest_marker("timeout")
        return -longest.args[0] if longest else 0.0, "flows" not in item.path.parts

    items.sort(key=place)


@pytest.fixture(scope="session")
def squares():
    """Fifty pictures of 25 concepts, as bytes with captions."""
    from tests.squares import square_pool

    return square_pool()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A workspace in which own pictures went through the whole of dvc.yaml; all workers share it, so copy its parent."""
    from tests.own_run import own_run

    base = tmp_path_factory.getbasetemp()
    return own_run(base if worker_id == "master" else base.parent)


@pytest.fixture(scope="session")
def vocabulary(squares):
    """The byte-pair encoding of their captions."""
    from components.data.tokenizers import Vocabulary

    return Vocabulary.train([text for texts in squares.captions for text in texts], size=300, context=12)


@pytest.fixture
def clip(vocabulary):
    """The recipe `clip` at `debug`, its weights the same at every call."""
    from tests.squares import clip_at_debug

    return clip_at_debug(vocabulary)


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition, and say what was seen last when it does not come."""

    def wait(condition: Callable[[], object], seen: Callable[[], object] = str, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"did not happen in {timeout_s} s; seen last: {seen()}"
            time.sleep(0.02)

    return wait


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """Give the processes that were started since the test began and that run still; earlier tests may have left others."""
    before = set(psutil.Process().children())
    return lambda: [one for one in psutil.Process().children() if one not in before]


@pytest.fixture
def signals():
    """A stage's handlers, and those of before when the test has ended."""
    import signal

    from components.stages.signals import Signals

    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)}
    yield Signals().install()
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def hostile(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of Python that are started meanwhile know the pictures of tests/hostile.py, and are harmed by them."""
    from tests.hostile import write_decoder

    folder = tmp_path_factory.mktemp("hostile")
    write_decoder(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
