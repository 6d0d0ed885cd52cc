"""Prompts that were asked are not encoded again, until there were too many others."""

import asyncio

import numpy as np
import pytest

from components.serving.prompt_cache import PromptCache


class Encoder:
    """A prompt's row is its length; what was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def __call__(self, prompts: list[str]) -> np.ndarray:
        self.asked.append(prompts)
        return np.array([[len(prompt)] for prompt in prompts], np.float32)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


def ask(cache: PromptCache, encoder: Encoder, *prompts: str) -> tuple[list[float], int]:
    rows, new = asyncio.run(cache.rows(prompts, encoder))
    return rows[:, 0].tolist(), new


def test_a_set_asked_again_is_not_encoded_again(encoder):
    cache = PromptCache(4)
    assert ask(cache, encoder, "a", "bbb") == ([1, 3], 2)
    assert ask(cache, encoder, "bbb", "a") == ([3, 1], 0)
    assert encoder.asked == [["a", "bbb"]]


def test_only_what_is_new_is_encoded_and_each_prompt_once(encoder):
    cache = PromptCache(4)
    ask(cache, encoder, "a")
    assert ask(cache, encoder, "cc", "a", "cc", "ddd") == ([2, 1, 2, 3], 2)
    assert encoder.asked[1:] == [["cc", "ddd"]]


def test_what_is_kept_of_a_request_is_its_row_alone(encoder):
    cache = PromptCache(1)
    ask(cache, encoder, *("a" * at for at in range(1, 50)))
    (row,) = cache._rows.values()
    assert row.base is None, "the rows of all others would stay in memory with it"


def test_the_one_asked_longest_ago_goes_first(encoder):
    cache = PromptCache(2)
    ask(cache, encoder, "a", "bb")
    ask(cache, encoder, "a")
    ask(cache, encoder, "ccc")
    assert len(cache) == 2
    assert ask(cache, encoder, "a", "ccc")[1] == 0
    assert ask(cache, encoder, "bb")[1] == 1


def test_more_prompts_than_are_kept_are_still_answered(encoder):
    cache = PromptCache(1)
    assert ask(cache, encoder, "a", "bb", "ccc") == ([1, 2, 3], 3)
    assert len(cache) == 1


def test_nothing_is_kept_of_a_request_that_failed(encoder):
    async def broken(prompts: list[str]) -> np.ndarray:
        raise RuntimeError("the encoder is gone")

    cache = PromptCache(4)
    ask(cache, encoder, "a")
    with pytest.raises(RuntimeError, match="gone"):
        asyncio.run(cache.rows(["a", "bb"], broken))
    assert ask(cache, encoder, "a", "bb") == ([1, 2], 1)


def test_requests_that_overlap_get_their_own_rows(encoder):
    """The encoder waits for another model, and meanwhile others may be answered and fill the cache."""
    cache = PromptCache(1)

    async def slowly(prompts: list[str]) -> np.ndarray:
        await asyncio.sleep(0)
        return await encoder(prompts)

    async def both() -> list[tuple[np.ndarray, int]]:
        return await asyncio.gather(cache.rows(["a", "bb"], slowly), cache.rows(["bb", "ccc"], slowly))

    first, second = asyncio.run(both())
    assert (first[0][:, 0].tolist(), second[0][:, 0].tolist()) == ([1, 2], [2, 3])
