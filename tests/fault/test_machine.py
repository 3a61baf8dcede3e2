"""What a machine does to a server: no room for logs, clients that vanish, pictures that are damaged."""

import base64
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

import pytest
from conftest import PROGRAM, SAMPLE, Server, png, status_of, until

PICTURE = png(64, 48)
HEAD = b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def test_a_full_disk_for_the_log_stops_nothing():
    """Every write of the log fails with ENOSPC."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    words = [PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", "--backend", "null"]
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(words, stderr=full, stdout=full, stdin=subprocess.DEVNULL)
    try:
        client = Server.__new__(Server)
        client.port = port

        def ready():
            try:
                return client.get("/readyz").status == 200
            except OSError:
                return False

        until(ready)
        for _ in range(20):
            assert client.post(PICTURE).status == 200
            assert client.post(b"x").status == 415
        process.send_signal(signal.SIGHUP)
        until(ready)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_log_whose_reader_is_gone_stops_nothing():
    """A pipe whose other end is closed: SIGPIPE, EPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--backend", "null"]
    process = subprocess.Popen(words, stderr=writing, stdin=subprocess.DEVNULL)
    os.close(writing)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def open_files(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def reset(s):
    """Closes as a machine does that crashed: with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


STAGES = {
    "connected": b"",
    "in-the-request-line": b"POST /det",
    "in-the-headers": HEAD[:40],
    "before-the-body": HEAD % len(PICTURE),
    "in-the-body": HEAD % len(PICTURE) + PICTURE[:30],
    "waiting-for-the-answer": HEAD % len(PICTURE) + PICTURE,
    "with-another-request-behind": (HEAD % len(PICTURE) + PICTURE) * 3,
}


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closes", "resets"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_that_vanishes_leaves_nothing_behind(serve, stage, leave):
    server = serve("--workers", 1, "--backend-settings", "delay_us=30000", "--limits-queue-ms", 60000)
    assert server.post(PICTURE).status == 200
    before = open_files(server)
    for i in range(24):
        s = server.connect()
        s.sendall(STAGES[stage])
        time.sleep(0.002 * (i % 8))
        leave(s)
    begin = time.monotonic()
    assert server.post(PICTURE).status == 200
    assert time.monotonic() - begin < 5
    until(lambda: server.metric("spotter_queue_depth", model="codes") == 0)
    until(lambda: open_files(server) <= before + 1)


def test_clients_that_vanish_free_their_places_before_the_network_runs(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=200000", "--limits-queue-ms", 60000)
    gone = []
    for _ in range(20):  # 4 s of work
        s = server.connect()
        s.sendall(HEAD % len(PICTURE) + PICTURE)
        gone.append(s)
    until(lambda: server.metric("spotter_queue_depth", model="codes") >= 15)
    for s in gone:
        s.close()
    begin = time.monotonic()
    assert server.post(PICTURE).status == 200
    assert time.monotonic() - begin < 2
    assert server.metric("spotter_cancelled_total") >= 15


def test_a_client_that_reads_nothing_holds_no_lane(serve):
    server = serve("--workers", 1)
    stuck = []
    for _ in range(8):
        s = server.connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = PICTURE
        s.sendall((b"POST /detect?format=annotated HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body) * 40)
        stuck.append(s)
    for _ in range(20):
        begin = time.monotonic()
        assert server.post(PICTURE).status == 200
        assert server.get("/readyz").status == 200
        assert time.monotonic() - begin < 3
    for s in stuck:
        s.close()


# Pictures that share a request and its batches -----------------------------------------------------


def detections(result):
    """What must not depend on company, byte by byte."""
    return json.dumps([result["image"], result["detections"], result["count"]])


@pytest.fixture(scope="module")
def cpu(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("cpu"), "--workers", 2, "--limits-queue-ms", 600000, backend="cpu")
    yield server
    server.stop()


def post_all(server, pictures):
    body = json.dumps({"images": [base64.b64encode(picture).decode() for picture in pictures], "confidence": 0.05})
    reply = server.post(body, Content_Type="application/json")
    assert reply.status == 200, reply.body
    return reply.json["results"]


def corpus():
    folder = pathlib.Path(__file__).parents[1] / "fuzz" / "corpus" / "image"
    return [SAMPLE.read_bytes(), png(333, 77, (9, 200, 30)), (folder / "ycck.jpg").read_bytes(), png(640, 480)]


def test_a_damaged_picture_changes_nothing_for_the_others(cpu):
    good = corpus()
    alone = [detections(post_all(cpu, [picture])[0]) for picture in good]
    assert json.loads(alone[0])[2] > 0  # there is something to compare
    damaged = [SAMPLE.read_bytes()[:30000], png(64, 64)[:-30], b"no picture", b"\xff\xd8\xff" + b"\0" * 500]
    for at in range(len(good) + 1):
        for bad in damaged:
            results = post_all(cpu, good[:at] + [bad] + good[at:])
            assert results[at]["error"]["code"] in ("invalid_image", "unsupported_image_type")
            others = results[:at] + results[at + 1 :]
            assert [detections(result) for result in others] == alone


def test_every_place_in_a_request_gives_the_same_detections(cpu):
    good = corpus()
    alone = [detections(post_all(cpu, [picture])[0]) for picture in good]
    for turn in range(len(good)):
        order = good[turn:] + good[:turn]
        assert [detections(result) for result in post_all(cpu, order)] == alone[turn:] + alone[:turn]
    results = post_all(cpu, [good[0]] * 16)
    assert [detections(result) for result in results] == [alone[0]] * 16


def test_requests_at_the_same_time_give_the_same_detections(cpu):
    import threading

    expected = [detections(post_all(cpu, [picture])[0]) for picture in corpus()]
    same = []

    def run(turn):
        for i in range(6):
            at = (turn + i) % len(expected)
            same.append(detections(post_all(cpu, [corpus()[at]])[0]) == expected[at])

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 48
