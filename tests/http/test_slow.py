"""Clients that are slow, silent or gone."""

import socket
import time

import pytest
from conftest import png, receive_all, status_of, until

PICTURE = png(8, 8)
HEAD = b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"


@pytest.fixture
def hasty(serve):
    return serve("--limits-header-timeout-ms", 400, "--limits-body-timeout-ms", 1000)


def closed_after(s, begin):
    """All that comes until the server closes, and how long after begin that was."""
    data = receive_all(s)
    return data, time.monotonic() - begin


def test_a_silent_connection_is_closed(hasty):
    begin = time.monotonic()
    with hasty.connect() as s:
        data, seconds = closed_after(s, begin)
    assert data == b"" and 0.3 < seconds < 5


def test_headers_that_drip_are_cut_off(hasty):
    begin = time.monotonic()
    with hasty.connect() as s:
        s.settimeout(0.1)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for byte in b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 1000:
                s.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - begin < 5


def test_408_a_body_that_stops(hasty):
    begin = time.monotonic()
    with hasty.connect() as s:
        s.sendall(HEAD + b"\r\n" + b"x" * 100)
        data, seconds = closed_after(s, begin)
    assert status_of(data) == 408 and b'"upload_too_slow"' in data and 0.8 < seconds < 6
    assert b"it may take 1000 ms, at no less than" in data
    until(lambda: hasty.metric("spotter_requests_total", code="408") == 1)
    assert hasty.metric("spotter_rejected_total", reason="slow_upload") == 1


def test_408_a_body_that_drips(serve):
    server = serve("--limits-upload-bytes-per-s", 1000)
    begin = time.monotonic()
    with server.connect() as s:
        s.sendall(HEAD + b"\r\n")
        s.settimeout(0.05)
        data = b""
        while not data and time.monotonic() - begin < 20:
            s.sendall(b"x" * 10)
            try:
                data = s.recv(10000)
            except TimeoutError:
                pass
    assert status_of(data) == 408
    assert 1.9 < time.monotonic() - begin < 10


def test_an_upload_at_the_allowed_rate_is_not_cut_off(serve):
    server = serve("--limits-upload-bytes-per-s", 1000, "--limits-body-timeout-ms", 60000)
    with server.connect() as s:
        s.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12000\r\n\r\n")
        for _ in range(12):
            s.sendall(b"x" * 1000)
            time.sleep(0.25)
        assert status_of(receive_all(s)) == 415


def test_504_the_deadline_of_the_client_passes_during_the_upload(hasty):
    begin = time.monotonic()
    with hasty.connect() as s:
        s.sendall(HEAD.replace(b"/detect", b"/detect?timeout_ms=200") + b"\r\n" + b"x" * 100)
        data, seconds = closed_after(s, begin)
    assert status_of(data) == 504 and b'"deadline_exceeded"' in data and 0.15 < seconds < 0.9


def test_slow_uploads_do_not_hold_up_others(serve):
    server = serve()
    slow = [server.connect() for _ in range(40)]
    for s in slow:
        s.sendall(HEAD + b"\r\n" + b"x" * 1000)
    for _ in range(20):
        begin = time.monotonic()
        assert server.post(PICTURE).status == 200
        assert time.monotonic() - begin < 2
    for s in slow:
        s.close()


def test_a_reader_that_reads_nothing_does_not_hold_up_others(serve):
    server = serve()
    lazy = []
    for _ in range(30):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect(("127.0.0.1", server.port))
        s.sendall(b"GET /models HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        lazy.append(s)
    for _ in range(20):
        assert server.post(PICTURE).status == 200
    for s in lazy:
        s.close()


def test_a_client_that_goes_away_gives_its_place_up(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=700000", "--limits-queue-ms", 60000)
    first = server.connect()
    gone = [server.connect() for _ in range(5)]
    for s in [first, *gone]:
        s.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
        time.sleep(0.02)
    until(lambda: server.metric("spotter_queue_depth", model="codes") == 5)
    for s in gone:
        s.close()
    begin = time.monotonic()
    until(lambda: server.metric("spotter_queue_depth", model="codes") == 0)
    assert server.metric("spotter_cancelled_total") == 5
    assert server.post(PICTURE).status == 200  # after the first one only
    assert time.monotonic() - begin < 2.5
    assert server.metric("spotter_requests_total", model="codes", code="499") == 5
    assert status_of(first.recv(1000)) == 200
    assert server.metric("spotter_batch_size_count", model="codes") == 2
    first.close()


def test_connections_of_one_address_are_limited(serve):
    server = serve("--limits-connections-per-address", 8)
    idle = [server.connect() for _ in range(8)]
    time.sleep(0.2)
    for body in (None, PICTURE):
        reply = server.request("POST" if body else "GET", "/detect" if body else "/healthz", body)
        assert (reply.status, reply.code) == (429, "too_many_connections")
        assert reply.json["error"]["message"].endswith(": 8 are allowed")
        assert reply.headers["Retry-After"] == "1" and reply.headers["Connection"] == "close"
    more = [server.connect() for _ in range(8)]
    time.sleep(0.1)
    with server.connect() as s:  # far too many
        assert receive_all(s) == b""
    begin = time.monotonic()
    assert [receive_all(s) for s in more] == [b""] * 8  # asked nothing in its short time
    assert time.monotonic() - begin < 4
    for s in idle:
        s.close()
    until(lambda: _answers(server))


def _answers(server):
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def test_a_thousand_connections_are_served(serve):
    server = serve("--limits-connections-per-address", 1024)
    connections = [server.connect() for _ in range(900)]
    request = b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE
    for s in connections:
        s.sendall(request)
    statuses = [status_of(s.recv(4000)) for s in connections]
    assert set(statuses) <= {200, 503} and statuses.count(200) > 100
    for s in connections:
        s.close()
