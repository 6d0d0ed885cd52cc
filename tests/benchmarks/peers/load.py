"""Ask a server over HTTP, so many at once: load.py URL COUNT AT_ONCE, the body on standard input; prints JSON.

A process of its own, so that what asking costs is not counted as answering.
"""

import asyncio
import json
import sys
import time

import aiohttp


async def main(url: str, count: int, at_once: int, body: bytes) -> None:
    """Ask, and print errors, seconds in all, and milliseconds of each."""
    left, took, errors = iter(range(count)), [], 0
    headers = {"content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:

        async def ask() -> None:
            nonlocal errors
            for _ in left:
                began = time.perf_counter()
                async with session.post(url, data=body, headers=headers) as answer:
                    said = await answer.read()
                    errors += answer.status != 200 or not said
                took.append(1000 * (time.perf_counter() - began))

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(at_once)))
        seconds = time.perf_counter() - began
    took.sort()
    at = [took[int(share * (len(took) - 1))] for share in (0.5, 0.99)]
    print(json.dumps({"errors": errors, "seconds": seconds, "p50_ms": at[0], "p99_ms": at[1]}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer.read()))
