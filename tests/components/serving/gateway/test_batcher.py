"""Who waits goes together; who is to blame fails alone."""

import asyncio

import numpy as np
import pytest

from components.serving.errors import RequestRefused, ServerFailed
from components.serving.gateway.batcher import Batcher


class Model:
    """Gives each sample its length; refuses what says so, and answers when it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []
        self.open = asyncio.Event()

    async def __call__(self, samples: list[bytes]) -> np.ndarray:
        self.calls.append(samples)
        await self.open.wait()
        if b"broken" in samples:
            raise RequestRefused(f"sample {samples.index(b'broken')} is broken")
        if b"down" in samples:
            raise ServerFailed("down")
        return np.array([[len(sample)] for sample in samples], np.float32)


async def started(batcher: Batcher, *asked: list[bytes]) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(batcher.rows(samples)) for samples in asked]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def test_a_lone_request_goes_at_once_and_those_behind_it_together():
    async def scene() -> None:
        model = Model()
        tasks = await started(Batcher(model, most=4, at_once=1), [b"a"], [b"bb", b"ccc"], [b"d"], [b"ee"], [b"f"])
        assert model.calls == [[b"a"]]
        model.open.set()
        rows = await asyncio.gather(*tasks)
        assert [row.ravel().tolist() for row in rows] == [[1], [2, 3], [1], [2], [1]]
        assert model.calls == [[b"a"], [b"bb", b"ccc", b"d", b"ee"], [b"f"]]

    asyncio.run(scene())


def test_more_samples_than_a_call_takes_keep_their_order():
    async def scene() -> None:
        model = Model()
        model.open.set()
        rows = await Batcher(model, most=3, at_once=2).rows([b"x" * at for at in range(10)])
        assert rows.ravel().tolist() == list(range(10))
        assert max(map(len, model.calls)) == 3

    asyncio.run(scene())


def test_a_broken_sample_fails_its_own_request_alone():
    async def scene() -> None:
        model = Model()
        tasks = await started(Batcher(model, most=8, at_once=1), [b"first"], [b"a", b"broken"], [b"bb"])
        model.open.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[2].ravel().tolist() == [2]
        assert str(found[1]) == "sample 1 is broken"  # counted within its own request

    asyncio.run(scene())


def test_the_place_of_a_broken_sample_is_told_though_it_lies_in_a_later_call():
    async def scene() -> None:
        model = Model()
        model.open.set()
        with pytest.raises(RequestRefused, match=r"sample 0 is broken \(counted from 2\)"):
            await Batcher(model, most=2).rows([b"a", b"b", b"broken"])

    asyncio.run(scene())


def test_what_is_left_of_a_request_with_a_broken_sample_is_not_sent():
    async def scene() -> None:
        model = Model()
        model.open.set()
        batcher = Batcher(model, most=1, at_once=1)
        with pytest.raises(RequestRefused, match="sample 0 is broken"):
            await batcher.rows([b"broken", *[b"a"] * 20])
        await batcher.rows([b"bb"])
        assert model.calls.count([b"a"]) < 5, "but for what was sent before anybody knew"
        assert not batcher._waiting

    asyncio.run(scene())


def test_a_server_that_fails_fails_all_of_the_call():
    async def scene() -> None:
        model = Model()
        tasks = await started(Batcher(model, most=8, at_once=1), [b"first"], [b"down"], [b"bb"])
        model.open.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[0].ravel().tolist() == [5]
        assert [type(one) for one in found[1:]] == [ServerFailed, ServerFailed]

    asyncio.run(scene())


def test_nothing_is_sent_for_whoever_has_gone():
    async def scene() -> None:
        model = Model()
        tasks = await started(Batcher(model, most=8, at_once=1), [b"first"], [b"gone"], [b"bb"])
        tasks[1].cancel()
        await asyncio.sleep(0)
        model.open.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert model.calls == [[b"first"], [b"bb"]]

    asyncio.run(scene())
