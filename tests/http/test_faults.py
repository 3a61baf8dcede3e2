"""A device that fails or hangs."""

import threading
import time

import pytest
from conftest import png

PICTURE = png(8, 8)


def test_a_device_fault_turns_everything_503_and_ends_the_process_with_an_error(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=20000,fail_after=40")
    replies = []

    def post():
        for _ in range(40):
            try:
                replies.append(server.post(PICTURE))
            except OSError:  # the server has ended
                return

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.wait() == 1
    statuses = [reply.status for reply in replies]
    assert statuses[0] == 200 and 503 in statuses and set(statuses) == {200, 503}
    failed = [reply for reply in replies if reply.status == 503]
    assert {reply.code for reply in failed} == {"device_failed"}
    assert all(reply.headers["Retry-After"] for reply in failed)
    assert server.lines("device_failed") and server.lines("drained")


def test_a_device_that_hangs_is_noticed_and_its_requests_are_answered(serve):
    server = serve("--workers", 1, "--limits-batch-ms", 100, "--backend-settings", "delay_us=2500000")
    begin = time.monotonic()
    reply = server.post(PICTURE)
    assert (reply.status, reply.code) == (503, "device_failed")
    assert time.monotonic() - begin < 2
    assert server.wait() == 1
    assert "hangs" in server.log()


def test_a_device_that_fails_at_the_start_ends_the_process_at_once(serve):
    with pytest.raises(AssertionError, match="start_failed"):
        serve("--backend-settings", "fail_after=0")
