"""Ask a server over HTTP, so many at once: load.py URL COUNT AT_ONCE [SECONDS [patient]], the body on standard input; prints JSON.

With SECONDS it goes on for so long, COUNT requests at most. An answer of 429 or 503 is counted as turned away, and not as an error;
who is patient waits then for as long as `retry-after` says, anybody else asks again at once.

A process of its own, so that what asking costs is not counted as answering.
"""

import asyncio
import json
import sys
import time

import aiohttp


async def main(
    url: str, count: int, at_once: int, body: bytes, lasts_s: float = float("inf"), patient: bool = False
) -> None:
    """Ask, and print errors, those that were turned away, seconds in all, and milliseconds of the others."""
    left, took, errors, away = iter(range(count)), [], 0, 0
    until = time.perf_counter() + lasts_s
    headers = {"content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:

        async def ask() -> None:
            nonlocal errors, away
            for _ in left:
                if time.perf_counter() > until:
                    return
                began = time.perf_counter()
                async with session.post(url, data=body, headers=headers) as answer:
                    said = await answer.read()
                    if answer.status in (429, 503):
                        away += 1
                        wait_s = float(answer.headers.get("retry-after", 0)) if patient else 0.0
                        await asyncio.sleep(min(wait_s, max(until - time.perf_counter(), 0)))
                        continue
                    errors += answer.status != 200 or not said
                took.append(1000 * (time.perf_counter() - began))

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(at_once)))
        seconds = time.perf_counter() - began
    took.sort()
    at = [took[int(share * (len(took) - 1))] for share in (0.5, 0.99)]
    said = {"answered": len(took) - errors, "errors": errors, "away": away, "seconds": seconds}
    print(json.dumps({**said, "p50_ms": at[0], "p99_ms": at[1]}))


LASTS_S = float(sys.argv[4]) if len(sys.argv) > 4 else float("inf")
asyncio.run(
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer.read(), LASTS_S, "patient" in sys.argv[5:])
)
