"""
Every allocation fails once: on start-up the program ends with a sentence or does without, on a
request the answer is 503 out_of_memory or the connection is closed; the next request is answered
and nothing leaks. FAULT_ALL=1 tries every allocation of the start, else one in eleven.
"""

import base64
import http.client
import json
import os
import re
import time

import pytest
from conftest import ROOT, Server, png, serve_once

PICTURE = png(40, 30)
CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "image"
STRIDE = 1 if os.environ.get("FAULT_ALL") else 11


def test_every_allocation_of_the_start(control):
    status, log = serve_once(control)
    assert status == 0, log
    count, left = control.allocs, control.live
    assert count > 500
    for n in range(0, count, STRIDE):
        control.set("fail_alloc", n)
        control.set("live", 0)
        status, log = serve_once(control)
        assert status in (0, 1, 2), (n, status, log)  # below 0: a signal ended it
        assert status == 0 or re.search(r"out of memory|start_failed|could not|cannot", log), (n, log)
        assert control.live <= left, (n, control.live, left, log)


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + PICTURE
    + b'\r\n--b\r\nContent-Disposition: form-data; name="iou"\r\n\r\n0.5\r\n--b--\r\n'
)  # fmt: skip
LIST = json.dumps({"images": [base64.b64encode(PICTURE).decode()] * 3, "classes": ["qr", 1]})
REQUESTS = {
    "png": (PICTURE, "/detect", {}, 200),
    "jpeg": ((CORPUS / "baseline.jpg").read_bytes(), "/detect?classes=qr", {}, 200),
    "webp": ((CORPUS / "lossy.webp").read_bytes(), "/detect", {}, 200),
    "form": (FORM, "/detect", {"Content-Type": "multipart/form-data; boundary=b"}, 200),
    "json": (LIST, "/detect", {"Content-Type": "application/json"}, 200),
    "annotated": (PICTURE, "/detect?format=annotated", {}, 200),
    "annotated-jpeg": (PICTURE, "/detect?format=annotated", {"Accept": "image/jpeg"}, 200),
    "no-picture": (b"x", "/detect", {}, 415),
    "models": (None, "/models", {}, 200),
    "metrics": (None, "/metrics", {}, 200),
    "page": (None, "/", {}, 200),
}


def send(server, request):
    """The status and the error's code; (None, None) when the connection was closed."""
    body, path, headers, _ = request
    try:
        reply = server.request("GET" if body is None else "POST", path, body, headers)
    except (http.client.HTTPException, OSError):
        return None, None
    return reply.status, reply.code if reply.status >= 400 else None


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    from conftest import SHIM, Control

    if not SHIM:
        pytest.skip("FAULT_SHIM is not set: run by ctest")
    folder = tmp_path_factory.mktemp("faulty")
    control = Control(folder / "control")
    # One thread of each kind: the n-th allocation is about the same in every run. A reply that the
    # HTTP library loses, for want of memory for its poll, is cut off at the deadline.
    threads = ("--workers", 1, "--decode-workers", 1, "--listen-threads", 1, "--limits-request-ms", 1000)
    server = Server(folder, *threads, variables=control.variables)
    for _ in range(3):
        for request in REQUESTS.values():
            assert send(server, request)[0] == request[3]
    yield server, control
    server.stop()


@pytest.mark.parametrize("name", REQUESTS)
def test_every_allocation_of_a_request(faulty, name):
    server, control = faulty
    request = REQUESTS[name]
    settled = settle(control)
    n = short = 0
    while True:
        before = control.faults
        control.set("fail_alloc", n)
        answer = send(server, request)
        control.set("fail_alloc", -1)
        allowed = [(None, None), (503, "out_of_memory"), (request[3], None if request[3] < 400 else "unsupported_image_type")]
        assert answer in allowed, (n, answer, server.log()[-500:])
        assert send(server, REQUESTS["png"])[0] == 200, n
        if control.faults == before:
            break
        short += answer[0] == 503
        n += 1
    assert n > 20 and short > 0
    assert settle(control) <= settled + 2  # blocks


def settle(control):
    """Blocks in use when nothing has changed for a while."""
    before, now = None, control.live
    while now != before:
        time.sleep(0.1)
        before, now = now, control.live
    return now


def test_every_thread_of_the_start(control):
    status, log = serve_once(control)
    assert status == 0, log
    left, count = control.live, control.threads
    assert count >= 6
    for n in range(count):
        control.set("fail_thread", n)
        control.set("live", 0)
        status, log = serve_once(control)
        assert status == 1 and re.search(r"start_failed.*thread", log), (n, status, log)
        assert control.live <= left, (n, log)
