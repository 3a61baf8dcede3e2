"""The list of bad inputs: each has the answer it should have, and a good request after it still works."""

import json
import re

import pytest
from bad_inputs import CASES
from conftest import png, status_of

# What no answer may show: folders, sources, functions, addresses.
INTERNAL = re.compile(r"(^|[\s'\"])/\w|\.[ch]\b|\bspot_|\b0x[0-9a-f]{6,}|libjpeg|spng|libwebp|jansson|microhttpd|errno", re.I)


def send(server, request):
    """The status and the body of the answer."""
    if isinstance(request, bytes):
        raw = server.raw(request)
        return status_of(raw), raw.partition(b"\r\n\r\n")[2]
    headers = {"Content_Type": request["type"]} if "type" in request else {}
    reply = server.post(request["body"], request.get("path", "/detect"), **headers)
    return reply.status, reply.body


@pytest.mark.parametrize("request_, status, code", [pytest.param(*case, id=name) for name, *case in CASES])
def test_bad_input(server, request_, status, code):
    """The fixture sends a good request afterwards."""
    got, body = send(server, request_)
    assert got in (status if isinstance(status, tuple) else (status,)), body
    if code is None:
        return
    answer = json.loads(body)
    assert answer["error"]["code"] == code
    message = answer["error"]["message"]
    assert len(message) > 10 and not INTERNAL.search(message), message
    assert answer["id"]


def test_there_are_at_least_150_and_none_twice():
    names = [name for name, *_ in CASES]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


def test_all_of_them_at_once_leave_the_server_as_it_was(server):
    """From several threads, each with good requests between: no answer is mixed up with another."""
    import threading

    faults = []

    def run(first):
        for i, (name, request, status, _) in enumerate(CASES[first::4]):
            got, _ = send(server, request)
            if got not in (status if isinstance(status, tuple) else (status,)):
                faults.append((name, got))
            width = 1 + i % 60
            reply = server.post(png(width, 3))
            if reply.status != 200 or reply.json["image"]["width"] != width:
                faults.append((name, reply.status, reply.body))

    threads = [threading.Thread(target=run, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
