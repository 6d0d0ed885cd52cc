"""Whoever comes while as many are under way as are taken at once: what he hears, and when."""

import asyncio

from components.serving.gateway import border
from components.serving.gateway.border import Border
from components.serving.gateway.samples import Samples
from components.serving.gateway.settings import Settings

BODY = b'{"input": "red"}'


def requests(root, scene):
    """Play a scene with a gateway that takes one request at once: `ask()` begins one and returns its task, whose result is a status; `over` lets the first end."""

    async def play():
        over = asyncio.Event()

        async def app(scope, receive, send):
            await over.wait()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b""})

        its = Border(app, Settings(root=root, in_flight=1), Samples(root, 0))

        async def asked():
            said = []

            async def receive():
                return {"type": "http.request", "body": BODY, "more_body": False}

            async def send(message):
                said.append(message)

            headers = [(b"host", b"localhost")]
            await its({"type": "http", "method": "POST", "path": "/v1/embeddings", "headers": headers}, receive, send)
            return said[0]["status"]

        async def ask():
            task = asyncio.create_task(asked())
            for _ in range(20):  # turns of the loop, in which it comes as far as it can
                await asyncio.sleep(0)
            return task

        return await asyncio.wait_for(scene(its, ask, over), 60)

    return asyncio.run(play())


def test_who_is_turned_away_waits_to_hear_it_and_holds_no_body(tmp_path, monkeypatch):
    monkeypatch.setattr(border, "AWAY_S", 2.0)

    async def scene(its, ask, over):
        first, second = await ask(), await ask()
        assert (its._now, its._waiting, its._held) == (1, 1, len(BODY))
        assert not second.done()
        over.set()
        assert await first == 200
        assert not second.done(), "it is no queue"
        assert await second == 503
        return its._now, its._waiting, its._held

    assert requests(tmp_path, scene) == (0, 0, 0)


def test_of_those_who_wait_to_hear_it_there_are_so_many_and_others_hear_it_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(border, "AWAY_S", 600.0)
    monkeypatch.setattr(border, "MOST_WAITING", 1)

    async def scene(its, ask, over):
        first, second, third = await ask(), await ask(), await ask()
        assert (third.done(), third.result(), second.done()) == (True, 503, False)
        second.cancel()
        await asyncio.wait([second])
        assert (its._waiting, its._held) == (0, len(BODY))
        over.set()
        return await first

    assert requests(tmp_path, scene) == 200
