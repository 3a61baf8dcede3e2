"""What is done to a server; tests assert it for seconds, `make load` reports it for minutes."""

import asyncio
import collections

from client import closed_loop, open_loop, percentile, vanishing
from conftest import open_files, resident_bytes, until

# One lane of 5 ms a batch: what limits is the device, as in production, not this machine's cores.
SLOW = ("--workers", 1, "--backend-settings", "delay_us=5000", "--limits-connections-per-address", 1024, "--log-access=false")
DEADLINE_MS = 400


def measure_capacity(server, body, seconds):
    outcomes = asyncio.run(closed_loop(server.port, body, seconds, connections=8))
    return sum(outcome.status == 200 for outcome in outcomes) / seconds


def overload(server, body, seconds, measure_seconds):
    """Twice the capacity in an open loop. Capacity is what a closed loop reaches, before and after."""
    capacity = measure_capacity(server, body, measure_seconds)
    memory = []

    def tick(now):
        memory.append((now, resident_bytes(server)))

    path = f"/detect?timeout_ms={DEADLINE_MS}"
    outcomes = asyncio.run(open_loop(server.port, body, 2 * capacity, seconds, path, tick))
    after = measure_capacity(server, body, measure_seconds)
    good = [outcome.seconds for outcome in outcomes if outcome.status == 200]
    refused = [outcome.seconds for outcome in outcomes if outcome.status == 503]
    settled = [size for now, size in memory if now > seconds / 3]
    return {
        "capacity": capacity,
        "capacity_after": after,
        "offered": len(outcomes) / seconds,
        "goodput": sum(s <= DEADLINE_MS / 1000 for s in good) / seconds,
        "statuses": collections.Counter(outcome.status for outcome in outcomes),
        "p50": percentile(good, 0.5),
        "p99": percentile(good, 0.99),
        "refused_p50": percentile(refused, 0.5),
        "refused_p99": percentile(refused, 0.99),
        "memory_growth": max(settled) - settled[0],
        "memory": max(settled),
    }


def disconnects(server, body, count, connections=64):
    """Requests with ids, a third of whose clients go away; in two halves, to compare what is held."""
    asyncio.run(vanishing(server.port, body, 500, connections, 0.33, seed=1))
    until(lambda: server.metric("spotter_queue_depth", model="codes") == 0)
    files, memory = open_files(server), resident_bytes(server)
    answered, gone, faults = asyncio.run(vanishing(server.port, body, count, connections, 0.33, seed=2))
    until(lambda: server.metric("spotter_queue_depth", model="codes") == 0)
    until(lambda: open_files(server) <= files + 1)
    ids = collections.Counter(
        word[3:] for line in server.lines("request") for word in line.split() if word.startswith("id=load-2-")
    )
    return {
        "answered": len(answered),
        "gone": len(gone),
        "faults": faults,
        "lost": [name for name in answered if ids[name] == 0],
        "twice": [name for name, times in ids.items() if times > 1],
        "files_growth": open_files(server) - files,
        "memory_growth": resident_bytes(server) - memory,
    }
