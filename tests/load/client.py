"""
An HTTP client for load: many requests at the same time from one thread, in an open loop (sent when
their time has come, whether or not earlier ones were answered) or a closed one.
"""

import asyncio
import collections
import random
import time

Outcome = collections.namedtuple("Outcome", "status seconds body")
GONE = Outcome(None, 0.0, b"")  # the connection was closed without an answer


class Client:
    """Keeps connections for further requests, as browsers and proxies do."""

    def __init__(self, port):
        self.port = port
        self.idle = []

    async def _connection(self):
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def post(self, body, path="/detect", headers=()):
        begin = time.monotonic()
        try:
            reader, writer = await self._connection()
            writer.write(request_bytes(body, path, headers))
            status, reply, keep = await read_reply(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return GONE
        if keep:
            self.idle.append((reader, writer))
        else:
            writer.close()
        return Outcome(status, time.monotonic() - begin, reply)

    def close(self):
        for _, writer in self.idle:
            writer.close()
        self.idle = []


def request_bytes(body, path="/detect", headers=()):
    lines = [f"POST {path} HTTP/1.1", "Host: load", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def read_reply(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    size = int(lower[at : lower.index(b"\r", at)])
    return int(head[9:12]), await reader.readexactly(size), b"connection: close" not in lower


async def closed_loop(port, body, seconds, connections=16, path="/detect"):
    """As many requests as the server answers."""
    client, outcomes, end = Client(port), [], time.monotonic() + seconds

    async def run():
        while time.monotonic() < end:
            outcomes.append(await client.post(body, path))

    await asyncio.gather(*[run() for _ in range(connections)])
    client.close()
    return outcomes


async def open_loop(port, body, rate, seconds, path="/detect", tick=None):
    """`rate` requests a second, at random times; calls tick(seconds so far) now and then."""
    client, tasks, begin, sent = Client(port), [], time.monotonic(), 0
    generator = random.Random(1)
    due = 0.0
    while due < seconds:
        due += generator.expovariate(rate)
        wait = begin + due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(client.post(body, path)))
        sent += 1
        if tick is not None and sent % 64 == 0:
            tick(time.monotonic() - begin)
        if sent % 16 == 0:
            await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks)
    client.close()
    return outcomes


async def vanishing(port, body, count, connections, share, seed=1):
    """
    `count` requests, each with an id of its own; a share of the clients goes away at a random
    moment. Returns (ids answered, ids of clients that went away, faults).
    """
    generator = random.Random(seed)
    ids = iter(range(count))
    answered, gone, faults = [], [], []

    async def one(number):
        name = f"load-{seed}-{number}"
        data = request_bytes(body, f"/detect?id={name}", [f"X-Request-Id: {name}"])
        leaves = generator.random() < share
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if not leaves:
                writer.write(data)
                status, reply, _ = await read_reply(reader)
                if status not in (200, 503) or (b'"%s"' % name.encode()) not in reply:
                    faults.append((name, status, reply))
                answered.append(name)
                return
            gone.append(name)
            writer.write(data[: generator.randrange(1, len(data) + 1)] if generator.random() < 0.5 else data)
            await writer.drain()
            await asyncio.sleep(generator.random() * 0.02)
            if generator.random() < 0.5:
                writer.transport.abort()
        finally:
            writer.close()

    async def run():
        for number in ids:
            try:
                await one(number)
            except (OSError, asyncio.IncompleteReadError) as fault:
                faults.append((number, repr(fault)))

    await asyncio.gather(*[run() for _ in range(connections)])
    return answered, gone, faults


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")
