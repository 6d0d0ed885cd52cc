"""docs/interop.md: its commands parse, and what it says is read is what the code reads."""

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from components.data.tokenizer_files import TOKENIZER_FILES
from components.models.interop.huggingface import _DEFAULTS
from components.models.interop.layout import CLIP_NET, SIGLIP_NET
from components.models.interop.open_clip_config import POOLS
from components.models.interop.ties import SHOWN
from components.models.interop.weights import PICKLED
from components.recipes.exported import TOLERANCE
from components.recipes.interop import import_model
from components.recipes.their_files import CONFIGS, WEIGHTS
from components.serving.export import TEXTS
from components.serving.variants import ALIKE, FASTER, LOST
from flows.cli import _parser
from flows.model_parsers import TO
from tests.benchmarks import interop, variants

GOLDEN = Path(__file__).parents[1] / "golden" / "transformers"
PAGE = (Path(__file__).parents[2] / "docs/interop.md").read_text()
COMMANDS = [line for line in PAGE.split("```")[1].splitlines() if "diptych" in line]


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_are_commands(line):
    words = shlex.split(line)
    assert words[0] == ".venv/bin/diptych"
    parsed = _parser().parse_args(words[1:])
    assert parsed.anywhere
    assert getattr(parsed, "library", "open_clip") in CONFIGS


def test_what_can_be_written_is_the_codes():
    rows = PAGE.split("| `--to` |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == TO
    assert TOLERANCE == 1e-5
    assert len(TEXTS) == 7


def test_the_variants_are_those_that_were_measured():
    assert "<!-- variants -->" in PAGE
    assert variants.with_numbers(PAGE) == PAGE, "python -m tests.benchmarks.variants --keep writes them"
    assert f"at least {FASTER['int8']:g} times as fast" in PAGE
    assert f"a cosine of at least {ALIKE:g}" in PAGE
    assert LOST == 0.005
    assert "half a point of recall@10" in PAGE


def test_the_families_and_pools_are_the_codes():
    named = re.findall(r"^\| `huggingface` \| `(\w+)`", PAGE, re.MULTILINE)
    assert named == list(_DEFAULTS)
    assert f"`pool_type` {', '.join(f'`{name}`' for name in POOLS)}" in PAGE
    assert f"timm's `{CLIP_NET}`" in PAGE
    assert f"timm's `{SIGLIP_NET}`" in PAGE


def test_the_files_are_the_codes():
    for name in (*CONFIGS.values(), *TOKENIZER_FILES, *WEIGHTS["open_clip"], "model.safetensors", "pytorch_model.bin"):
        assert f"`{name}`" in PAGE
    assert all(f"`{suffix}`" in PAGE for suffix in PICKLED)
    assert SHOWN == 10
    assert "the first ten of each" in PAGE


def test_its_python_runs(tmp_path, monkeypatch, capsys):
    import_model(GOLDEN / "clip_gelu", "huggingface", tmp_path / "models/clip")
    Image.new("RGB", (20, 30), "red").save(tmp_path / "my.png")
    monkeypatch.chdir(tmp_path)
    exec(PAGE.split("```python\n")[1].split("```")[0], {})
    similar = [float(number) for number in re.findall(r"-?\d+\.\d+", capsys.readouterr().out)]
    assert len(similar) == 2
    assert all(-1 <= number <= 1 for number in similar)


def test_models_of_real_sizes_are_as_near_as_was_measured():
    said = json.loads(interop.KEPT_AT.read_text())
    assert f"\n{interop.page(said)}\n" in PAGE
    assert (f"commit `{said['commit']}`" in PAGE, [one["model"] for one in said["models"]]) == (True, [*interop.MODELS])
    ways = [way for one in said["models"] for way in one["ways"].values()]
    measured = [way for way in ways if "none" not in way]
    assert (len(ways), len(measured)) == (9, 8), "of transformers' families none has a ResNet"
    assert all(max(way["furthest"].values()) <= TOLERANCE for way in measured)
