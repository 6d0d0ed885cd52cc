"""`diptych adapt` in a workspace to its end, at `debug`: real DVC, Prefect, MLflow and Triton, from a model and pictures to a version that a person has to take, and that is served with a page."""

import json
import urllib.request

import pytest
import yaml

from components.data.transforms.preprocess import Preprocess
from components.recipes.trained import save_trained
from components.serving.record import read_gateway
from components.serving.triton import read_endpoint
from tests.own_pictures import paint, write_table
from tests.squares import described_at_debug
from tests.workspace import diptych, make_workspace

SHORT = ("--batch", "12", "--way", "last-layers", "--most-steps", "8")


@pytest.mark.timeout(900)
def test_a_model_and_pictures_end_in_a_version_that_is_judged_served_and_has_a_page(tmp_path, clip, vocabulary):
    (tmp_path / "start").mkdir()
    save_trained(tmp_path / "start", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    write_table(tmp_path / "mine.csv", said := paint(tmp_path / "mine", 60))
    (tmp_path / "mine.csv").rename(tmp_path / "mine/captions.csv")
    root = make_workspace(tmp_path / "job")
    try:
        judged = diptych(root, "adapt", "../mine", "--from", "../start", *SHORT)
        assert judged.returncode == 1, judged.stdout[-4000:] + judged.stderr[-4000:]
        assert "its start was not shown to be better than chance, so nobody knows what it lost" in judged.stderr
        taken = diptych(root, "promote", "adapted@1", "--because", "its start is new, and has nothing to lose")
        assert taken.returncode == 0, taken.stdout[-4000:] + taken.stderr[-4000:]
        done = diptych(root, "adapt", "../mine", "--from", "../start", *SHORT)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        assert "finetune@adapted: ran" in judged.stdout
        assert "finetune@adapted: ran" not in done.stdout, "what was done is not done again"
        params = yaml.safe_load((root / "params.yaml").read_text())
        assert params["gates"]["policy"] == {"leak_near": "drop"}
        assert params["recipes"]["adapted"]["race"]["ways"] == ["last layers"]
        package = json.loads((root / "runs/adapted/package/manifest.json").read_text())
        assert done.stdout.splitlines()[-1] == package["advice"], "it ends in what came of it"
        assert "adapted@1 is the champion" in done.stdout
        endpoint, gateway = read_endpoint(root), read_gateway(root)
        assert (endpoint.label, endpoint.package_digest) == ("adapted@1", package["digest"])
        assert gateway is not None
        assert gateway.url in done.stdout
        with urllib.request.urlopen(gateway.url, timeout=20) as answer:
            assert "<input" in answer.read().decode(), "the page that words are typed into"
        asked = diptych(root, "ask", "a red circle", "--json")
        assert asked.returncode == 0, asked.stderr
        assert {hit["text"] for hit in json.loads(asked.stdout)} <= {caption for caption, _ in said.values()}
    finally:
        diptych(root, "down")
