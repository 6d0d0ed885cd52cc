"""Files that an index has open are let go of, also where that is asked for while they are being opened."""

import asyncio
import sqlite3
import threading

from components.serving.gateway import opened
from components.serving.gateway.opened import Opened
from components.serving.package import Package
from components.serving.search.own import open_own
from tests.components.serving.search.test_own import make


def test_whoever_waits_for_an_index_that_is_replaced_meanwhile_is_answered_and_then_it_is_closed(
    package, tmp_path, monkeypatch
):
    monkeypatch.setattr(opened, "LINGER_S", 0.5)
    known, may_open = Package.verify(package), threading.Event()
    make(tmp_path, known)

    def how():
        may_open.wait(timeout=20)
        return open_own(tmp_path, "own", known.space)

    def is_closed(searcher):
        try:
            searcher.search(None, "blue", 1)
        except sqlite3.ProgrammingError:
            return True
        return False

    async def scene():
        index = Opened(how)
        waiting = asyncio.create_task(index.get())
        await asyncio.sleep(0)
        index.close()
        may_open.set()
        searcher = await waiting
        assert searcher.search(None, "blue", 1)[0].entry.key == "k-blue"
        async with asyncio.timeout(20):
            while not is_closed(searcher):
                await asyncio.sleep(0.01)

    asyncio.run(scene())
