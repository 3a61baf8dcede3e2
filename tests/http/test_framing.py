"""Requests whose end two programs could see in different places, and other broken heads."""

import re

import pytest
from conftest import png, status_of

PICTURE = png(8, 8)
HEAD = b"POST /detect HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def refused(server, data, *statuses):
    """The answer is an error, nothing that follows is answered, and the connection is closed."""
    raw = server.raw(data)
    assert status_of(raw) in (statuses or (400,)), raw
    assert set(re.findall(rb"HTTP/1.1 (\d+)", raw)) == {str(status_of(raw)).encode()}, raw
    assert b"spotter_requests_total" not in raw


@pytest.mark.parametrize("headers", [
    b"Content-Length: 5\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nContent-Length: 0\r\n",
    b"Content-Length: 5\r\ncontent-length: 50\r\n",
    b"Content-Length: 5\r\n" + CHUNKED,
    CHUNKED + b"Content-Length: 5\r\n",
    CHUNKED + CHUNKED,
    CHUNKED + b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Transfer-Encoding: chunked \r\nContent-Length: 0\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer-Encoding: chunked\r\n , identity\r\n",
    b"X-Folded: a\r\n b\r\nContent-Length: 0\r\n",
    b"X-Folded: a\r\n\tb\r\nContent-Length: 0\r\n",
    b"Content-Length: 1\r\n 0\r\n",
    b"Content-Length : 5\r\n",
    b" Content-Length: 5\r\n",
    b"Content Length: 5\r\n",
    b"Content-Length\x00: 5\r\n",
    b"X-Zero: a\x00b\r\nContent-Length: 0\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: 0x5\r\n",
    b"Content-Length: 5,5\r\n",
    b"Content-Length: 5 5\r\n",
    b"Content-Length: \r\n",
    b"Content-Length: five\r\n",
    b"Host: y\r\nContent-Length: 0\r\n",
    b": nameless\r\nContent-Length: 0\r\n",
    b"no colon\r\nContent-Length: 0\r\n",
    b"X-" + b"\xff" * 4 + b": 1\r\nContent-Length: 0\r\n",
])  # fmt: skip
def test_a_head_that_can_be_read_in_two_ways_is_refused(server, headers):
    refused(server, HEAD + headers + b"\r\n" + b"0\r\n\r\n" + SMUGGLED)


def test_a_length_beyond_all_numbers_is_too_large(server):
    for length in (b"99999999999999999999999", b"18446744073709551616", b"9223372036854775808"):
        refused(server, HEAD + b"Content-Length: " + length + b"\r\n\r\n" + SMUGGLED, 413)


@pytest.mark.parametrize("body", [
    b"x\r\n", b"-1\r\nx\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"\r\n", b"5;\r\nhelloXX0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\rX0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
])  # fmt: skip
def test_a_bad_chunk_is_refused(server, body):
    refused(server, HEAD + CHUNKED + b"\r\n" + body + SMUGGLED)


def test_a_chunk_beyond_all_numbers_is_refused(server):
    refused(server, HEAD + CHUNKED + b"\r\nffffffffffffffffff\r\nx", 400, 413)
    refused(server, HEAD + CHUNKED + b"\r\nfffffffffffffff0\r\n" + b"x" * 2000000, 400, 413)


@pytest.mark.parametrize("line", [
    b"POST /detect HTTP/1.1\r\n\r\n",
    b"POST /detect HTTP/2.0\r\nHost: x\r\n\r\n",
    b"POST /detect HTTP/1.9\r\nHost: x\r\n\r\n",
    b"POST /detect FTP/1.1\r\nHost: x\r\n\r\n",
    b"POST\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
])  # fmt: skip
def test_a_bad_request_line_gets_no_answer_but_an_error(server, line):
    raw = server.raw(line + b"Connection: close\r\n\r\n")
    assert raw == b"" or 400 <= status_of(raw) <= 505, raw


def test_http_1_0_is_answered_and_closed(server):
    raw = server.raw(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert status_of(raw) == 200
    raw = server.raw(b"POST /detect HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
    assert status_of(raw) == 200


def test_http_1_0_has_no_chunks(server):
    refused(server, b"POST /detect HTTP/1.0\r\n" + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n")


def test_good_chunks_with_extensions_and_trailers_are_taken(server):
    body = b"%x;name=value\r\n" % len(PICTURE) + PICTURE + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
    raw = server.raw(HEAD + b"Connection: close\r\n" + CHUNKED + b"\r\n" + body)
    assert status_of(raw) == 200 and b'"width":8' in raw


def test_a_head_may_arrive_byte_by_byte(server):
    head = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(PICTURE)
    raw = server.raw(*[head[i : i + 1] for i in range(len(head))], PICTURE, pause=0.002)
    assert status_of(raw) == 200


def test_a_request_cut_short_leaves_no_trace(server):
    for size in (1, 20, len(HEAD), len(HEAD) + 15):
        with server.connect() as s:
            s.sendall((HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 500)[:size])


def test_too_many_headers_are_refused(server):
    refused(server, HEAD + b"".join(b"X-%d: 1\r\n" % i for i in range(200)) + b"Content-Length: 0\r\n\r\n", 400, 431)
