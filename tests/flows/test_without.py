"""`diptych up --without triton`: what was served before is not started, by `up` or whoever asks it again."""

import pytest

from components.contracts.errors import ConfigError
from components.serving.endpoint import read_endpoint, served_folder
from components.serving.record import gateway_log
from flows.stack.up import up
from tests.flows.handed_over import hand_over
from tests.flows.rolled import make_place
from tests.flows.supervised import supervised


def test_neither_gateway_nor_triton_of_what_was_served_is_started(tmp_path):
    root = make_place(tmp_path)
    hand_over(root, "clip@3")
    before = sorted(served_folder(root).iterdir())
    with supervised(root, without=["triton"]):
        assert up(root, without=["triton"], say=lambda said: None).without == ("triton",)
        assert up(root, say=lambda said: None).without == ("triton",), "who only looks changes nothing"
        with pytest.raises(
            ConfigError, match=r"without triton\. To have them otherwise: diptych down, then this again"
        ):
            up(root, without=["hooks"], say=lambda said: None)
    assert read_endpoint(root).label == "clip@3"
    assert not gateway_log(root).exists(), "the gateway's keeper, who starts Triton, was never started"
    assert sorted(served_folder(root).iterdir()) == before
