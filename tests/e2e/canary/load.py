"""Users who ask and read the whole stream: load.py PORT REQUESTS_PER_S TOKENS_FILE OUT_FILE

OUT_FILE gets a line for each answer: time, user, slot that answered, status, whether the stream ended as it must."""
import asyncio
import json
import random
import sys
import time
from pathlib import Path

port, rate = int(sys.argv[1]), float(sys.argv[2])
tokens = Path(sys.argv[3]).read_text().split()
out = open(sys.argv[4], "w", buffering=1)
BODY = json.dumps({"query": "what counts ships?"}).encode()


async def ask(user):
    """(slot, status, ended) of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"POST /api/v1/memory/query HTTP/1.1\r\nHost: memseal\r\nConnection: close\r\nAccept: text/event-stream\r\n"
                     b"Content-Type: application/json\r\nAuthorization: Bearer " + tokens[user].encode() +
                     b"\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
        head, _, stream = (await reader.read()).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        slot = next((line.split(": ")[1] for line in lines if line.startswith("x-memseal-slot")), "-")
        return slot, int(lines[0].split()[1]), b"query.completed" in stream and stream.endswith(b"0\r\n\r\n")
    finally:
        writer.close()


async def one():
    user, began = random.randrange(len(tokens)), time.time()
    try:
        slot, status, ended = await ask(user)
    except (OSError, IndexError, ValueError):
        slot, status, ended = "-", 0, False
    out.write(json.dumps([began, user, slot, status, ended]) + "\n")


async def main():
    running = set()
    due = time.monotonic()
    while True:
        due += random.expovariate(rate)
        await asyncio.sleep(max(0, due - time.monotonic()))
        if len(running) < 16:  # a slow machine gets fewer requests, not more and more at one time
            task = asyncio.ensure_future(one())
            running.add(task)
            task.add_done_callback(running.discard)


asyncio.run(main())
