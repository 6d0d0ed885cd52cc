"""Weights on disk: safetensors, whole or in parts, and pickles of which only tensors are read."""

import contextlib
import json
import pickle
import random

import pytest
import torch
from safetensors.torch import save_file

from components.contracts.errors import DataError
from components.models.interop.weights import find_weights, read_weights

WEIGHTS = {"a": torch.rand(2, 3), "b": torch.rand(4)}


def same(found: dict[str, torch.Tensor]) -> bool:
    return set(found) == set(WEIGHTS) and all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


def test_safetensors_are_read_whole_and_in_parts(tmp_path):
    save_file(WEIGHTS, tmp_path / "whole.safetensors")
    assert same(read_weights(tmp_path / "whole.safetensors"))
    for name, value in WEIGHTS.items():
        save_file({name: value}, tmp_path / f"{name}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: f"{name}.safetensors" for name in WEIGHTS}}))
    assert same(read_weights(index))
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(DataError, match=r"names b\.safetensors, which do not lie beside it"):
        read_weights(index)


@pytest.mark.parametrize("whole", [WEIGHTS, {"state_dict": WEIGHTS, "epoch": 3, "optimizer": {"state": {}}}])
def test_a_plain_pickle_of_tensors_is_read_alone_or_in_a_checkpoint(whole, tmp_path):
    torch.save(whole, tmp_path / "epoch_3.pt")
    assert same(read_weights(tmp_path / "epoch_3.pt"))


class Planted:
    """What a hostile checkpoint does when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_pickle_is_not_run(tmp_path):
    torch.save({"state_dict": WEIGHTS, "extra": Planted(tmp_path / "ran")}, tmp_path / "hostile.pt")
    (tmp_path / "bare.bin").write_bytes(pickle.dumps(Planted(tmp_path / "ran")))
    for name in ("hostile.pt", "bare.bin"):
        with pytest.raises(DataError, match=r"is no plain pickle of tensors.*save its state_dict"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_torchscript_is_refused_with_a_remedy(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    with pytest.raises(DataError, match="nor is TorchScript, as OpenAI published"):
        read_weights(tmp_path / "ViT-B-32.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_is_cut_off_or_damaged_anywhere_is_refused_with_a_remedy(zipped, tmp_path):
    path, draw = tmp_path / "pytorch_model.bin", random.Random(0)
    torch.save({"state_dict": WEIGHTS, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in (0, 1, 2, *draw.sample(range(len(whole) // 2), 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(
            DataError, match=r"is no plain pickle of tensors \(.+\)\. It may be cut off; fetch it again"
        ):
            read_weights(path)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in draw.sample(range(len(whole)), 8):
            damaged[place] = draw.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):  # or it was a number alone that changed
            read_weights(path)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("{", "is no index of weights"), ("[]", "is no index of weights"), ("{}", "is no index of weights"), ("[" * 100_000, "is no index of weights"),
        ('{"weight_map": null}', "is no index of weights"), ('{"weight_map": {"a": {}}}', "is no index of weights"),
        ('{"weight_map": {"a": "a.safetensors", "b": 3}}', "is no index of weights"), ('{"weight_map": {"a": 3}}', "names 3 where"),
        ('{"weight_map": {}}', "names no file where"), ('{"weight_map": {"a": ""}}', "names '' where"),
        ('{"weight_map": {"a": "model.safetensors.index.json"}}', "names 'model.safetensors.index.json' where"),
    ],
)  # fmt: skip
def test_an_index_that_is_none_is_refused(said, refused, tmp_path):
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(said)
    with pytest.raises(DataError, match=rf"model\.safetensors\.index\.json {refused}"):
        read_weights(tmp_path / "model.safetensors.index.json")


@pytest.mark.parametrize("part", ["../elsewhere.safetensors", "{}/elsewhere.safetensors", "./elsewhere.safetensors"])
def test_an_index_names_no_file_elsewhere(part, tmp_path):
    save_file(WEIGHTS, tmp_path / "elsewhere.safetensors")
    (tmp_path / "model").mkdir()
    save_file(WEIGHTS, tmp_path / "model/elsewhere.safetensors")
    index = tmp_path / "model/model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": part.format(tmp_path), "b": "elsewhere.safetensors"}}))
    with pytest.raises(DataError, match=r"names '.*/elsewhere\.safetensors' where weights lie.*by their names alone"):
        read_weights(index)


@pytest.mark.parametrize(
    "held", [[1, 2], {"a": 3}, {"state_dict": 4}, {1: torch.ones(2)}, {"a": torch.ones(2).to_sparse()}]
)
def test_a_pickle_without_weights_is_refused(held, tmp_path):
    torch.save(held, tmp_path / "odd.pth")
    with pytest.raises(DataError, match="holds no weights by name"):
        read_weights(tmp_path / "odd.pth")


@pytest.mark.parametrize(("name", "content", "said"), [
    ("cut.safetensors", b"\x10\0\0\0\0\0\0\0{", "cannot be read as safetensors"),
    ("weights.npz", b"", "is no file of weights that is read"),
])  # fmt: skip
def test_a_file_that_is_none_is_refused(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_weights(tmp_path / name)


def test_the_first_file_of_a_folder_is_taken(tmp_path):
    with pytest.raises(DataError, match=r"a folder that has one\.safetensors or two\.bin"):
        find_weights(tmp_path, ("one.safetensors", "two.bin"))
    (tmp_path / "two.bin").touch()
    assert find_weights(tmp_path, ("one.safetensors", "two.bin")) == tmp_path / "two.bin"
    assert find_weights(tmp_path / "two.bin", ()) == tmp_path / "two.bin"
