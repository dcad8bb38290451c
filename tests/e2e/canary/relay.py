"""A relay in front of a release, which fails as a file says: relay.py LISTEN_PORT TARGET_PORT FAULT_FILE

The file holds one word: none; cut (one response in four ends in its middle); errors (one request in four is answered with 503);
gone (no connection lives); rls (one statement more that row-level security refused, on a page of metrics); slow (each answer
waits 0.4 s)."""
import asyncio
import random
import sys
from pathlib import Path

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
COUNTER = b"\nmemory_rls_policy_errors_total 0"
listen, target, fault_file = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])


def fault():
    return fault_file.read_text().strip()


async def answers(reader, writer):
    """From the release to the proxy."""
    while data := await reader.read(1 << 20):
        now = fault()
        if now == "gone":
            return
        if now == "slow":
            await asyncio.sleep(0.4)
        if now == "cut" and data.startswith(b"HTTP/1.1 200") and random.random() < 0.25:
            writer.write(data[:-5])
            await writer.drain()
            return
        if now == "rls":
            data = data.replace(COUNTER, COUNTER[:-1] + b"1")
        writer.write(data)
        await writer.drain()


async def requests(reader, writer, back):
    while data := await reader.read(1 << 20):
        now = fault()
        if now == "gone":
            return
        if now == "errors" and data.startswith(b"POST") and random.random() < 0.25:
            back.write(REFUSAL)
            await back.drain()
            return
        writer.write(data)
        await writer.drain()


async def connection(reader, writer):
    try:
        there, back = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        writer.close()
        return
    tasks = [asyncio.ensure_future(answers(there, writer)), asyncio.ensure_future(requests(reader, back, writer))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    writer.close()
    back.close()


async def main():
    async with await asyncio.start_server(connection, "127.0.0.1", listen) as server:
        await server.serve_forever()


asyncio.run(main())
