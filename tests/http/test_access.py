"""Who may ask: API keys, and pages of other origins; and what a reload changes of it."""

import json
import signal

import pytest
from conftest import PROGRAM, png, status_of, until

PICTURE = png(8, 8)
KEY, OTHER = "0123456789abcdef", "fedcba9876543210-and-longer"
OPEN = ["/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"]
CLOSED = ["/models", "/models/codes", "/metrics", "/openapi.json", "/v2", "/v2/models/codes", "/v2/models/codes/ready",
          "/detect", "/nothing"]  # fmt: skip


def key_file(tmp_path, *lines):
    path = tmp_path / "keys.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def guarded(serve, tmp_path):
    return serve("--access-keys", key_file(tmp_path, "# ours", "", KEY, f"  {OTHER}  "))


@pytest.mark.parametrize("headers", [
    {"Authorization": f"Bearer {KEY}"},
    {"authorization": f"bearer {OTHER}"},
    {"X-API-Key": KEY},
    {"X-API-Key": OTHER},
])  # fmt: skip
def test_a_key_opens_everything(guarded, headers):
    for path in ("/models", "/metrics", "/v2/models/codes"):
        assert guarded.request("GET", path, headers=headers).status == 200
    assert guarded.request("POST", "/detect", PICTURE, headers).status == 200


def test_without_a_key_a_request_is_refused_in_the_documented_form(guarded):
    reply = guarded.post(PICTURE, X_Request_Id="mine")
    assert (reply.status, reply.code) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="spotter"'
    assert reply.json["id"] == "mine" and "X-API-Key" in reply.json["error"]["message"]
    assert guarded.post(b"{}", "/v2/models/codes/infer").json.keys() == {"error"}


@pytest.mark.parametrize("headers", [
    {"Authorization": "Bearer 0123456789abcdeF"},
    {"Authorization": f"Bearer {KEY}x"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Bearer {KEY[:-1]}"},
    {"Authorization": f"Bearer {KEY},{OTHER}"},
    {"X-API-Key": ""},
    {"X-API-Key": "# ours"},
    {"X-API-Key": "\xff" * 40},
    {"Authorization": "Bearer wrong-wrong-wrong", "X-API-Key": KEY},
])  # fmt: skip
def test_a_wrong_key_is_refused(guarded, headers):
    reply = guarded.request("GET", "/models", headers=headers)
    assert (reply.status, reply.code) == (401, "unauthorized")
    assert "invalid_token" in reply.headers["WWW-Authenticate"]


def test_a_refusal_in_the_middle_of_an_upload_can_be_read_by_an_allowed_page(serve):
    server = serve("--access-origins", PAGE, "--limits-body-bytes", "1M")
    head = b"POST /detect HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % PAGE.encode()
    raw = server.raw(head, *[b"40000\r\n" + bytes(0x40000) + b"\r\n"] * 6)
    assert status_of(raw) == 413
    assert b"\r\nAccess-Control-Allow-Origin: %s\r\n" % PAGE.encode() in raw
    assert b"\r\nServer-Timing: total;dur=" in raw


def test_another_scheme_is_no_key(guarded):
    reply = guarded.request("GET", "/models", headers={"Authorization": f"Basic {KEY}"})
    assert reply.status == 401 and "invalid_token" not in reply.headers["WWW-Authenticate"]


def test_probes_and_the_page_need_no_key(guarded):
    assert [guarded.get(path).status for path in OPEN] == [200] * len(OPEN)


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_needs_one_even_what_is_not_there(guarded, path):
    reply = guarded.get(path)
    assert reply.status == 401 and reply.headers["Allow"] is None


def test_the_body_of_a_refused_request_is_not_waited_for(guarded):
    raw = guarded.raw(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nabc")
    assert status_of(raw) == 401
    assert guarded.request("POST", "/detect", PICTURE, {"X-API-Key": KEY}).status == 200


def test_refused_requests_are_counted(guarded):
    for _ in range(3):
        guarded.get("/models")
    reply = guarded.request("GET", "/metrics", headers={"X-API-Key": KEY})
    assert b'spotter_rejected_total{reason="unauthorized"} 3\n' in reply.body


def test_keys_do_not_reach_the_log(guarded):
    guarded.request("GET", "/models", headers={"X-API-Key": KEY})
    guarded.request("GET", "/models", headers={"X-API-Key": "not-one-of-the-keys"})
    until(lambda: "error=unauthorized" in guarded.log())
    assert KEY not in guarded.log() and "not-one-of" not in guarded.log()


def test_a_reload_reads_the_keys_again(serve, tmp_path):
    path = key_file(tmp_path, KEY)
    server = serve("--access-keys", path)
    status = lambda key: server.request("GET", "/models", headers={"X-API-Key": key}).status
    assert (status(KEY), status(OTHER)) == (200, 401)
    key_file(tmp_path, OTHER)
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reloaded"))
    assert (status(KEY), status(OTHER)) == (401, 200)
    key_file(tmp_path, "short")
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reload_failed"))
    assert "line 1" in server.log() and "short" not in server.lines("reload_failed")[0]
    assert (status(KEY), status(OTHER)) == (401, 200)
    path.unlink()
    server.signal(signal.SIGHUP)
    until(lambda: len(server.lines("reload_failed")) == 2)
    assert (status(KEY), status(OTHER)) == (401, 200)


@pytest.mark.parametrize("lines, words", [
    ([], "no key in it"),
    (["# nothing but this"], "no key in it"),
    (["short"], "line 1: a key has 16 to 256"),
    ([KEY, "two words are no key"], "line 2"),
    (["x" * 257], "line 1"),
    (["x" * 3000], "line 1"),
    (["# " + "x" * 1021 + "the-rest-is-no-key"], "line 1: has more than 1022"),
    ([f"{n:016}" for n in range(1025)], "more than 1024"),
    (None, "No such file"),
])  # fmt: skip
def test_a_key_file_that_is_wrong_ends_the_start(tmp_path, lines, words):
    import subprocess

    path = key_file(tmp_path, *lines) if lines is not None else tmp_path / "none"
    command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--backend", "null", "--access-keys", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and words in done.stderr and "access.keys" in done.stderr


PAGE, STRANGER = "https://page.example", "https://stranger.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def crossed(serve, tmp_path):
    return serve("--access-origins", f"http://localhost:3000, {PAGE}", "--access-keys", key_file(tmp_path, KEY))


def test_without_configuration_no_page_of_another_origin_is_answered(server):
    reply = server.post(PICTURE, Origin=PAGE)
    assert reply.status == 200 and not [name for name in reply.headers if name.startswith("Access-Control")]
    assert server.request("OPTIONS", "/detect", headers={"Origin": PAGE, **ASKS}).status == 405


def test_a_page_of_an_allowed_origin_may_read_answers_and_errors(crossed):
    for headers, status in (({"X-API-Key": KEY}, 200), ({}, 401)):
        reply = crossed.request("POST", "/detect", PICTURE, {"Origin": PAGE, **headers})
        assert reply.status == status
        assert reply.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Server-Timing" in reply.headers["Access-Control-Expose-Headers"]
        assert reply.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path, methods", [("/detect", "POST"), ("/models", "GET, HEAD"), ("/v2/models/codes/infer", "POST")])
def test_a_preflight_is_answered_without_a_key(crossed, path, methods):
    reply = crossed.request("OPTIONS", path, headers={"Origin": PAGE, **ASKS})
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert reply.headers["Allow"] == methods
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert {"Authorization", "Content-Type"} <= set(reply.headers["Access-Control-Allow-Headers"].split(", "))


@pytest.mark.parametrize("origin", [STRANGER, "null", PAGE + ".evil.example", PAGE.upper(), "http://localhost", ""])
def test_another_origin_gets_no_leave(crossed, origin):
    reply = crossed.request("OPTIONS", "/detect", headers={"Origin": origin, **ASKS, "X-API-Key": KEY})
    assert reply.status == 405 and reply.headers["Access-Control-Allow-Origin"] is None
    reply = crossed.request("GET", "/models", headers={"Origin": origin, "X-API-Key": KEY})
    assert reply.status == 200 and reply.headers["Access-Control-Allow-Origin"] is None
    assert reply.headers["Vary"] == "Origin"


def test_a_preflight_for_what_is_not_there_is_a_404(crossed):
    headers = {"Origin": PAGE, **ASKS, "X-API-Key": KEY}
    assert crossed.request("OPTIONS", "/nothing", headers=headers).status == 404


def test_a_star_allows_every_origin(serve):
    server = serve("--access-origins", "*")
    assert server.post(PICTURE, Origin=STRANGER).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("origins", ["example.org", "https://", "https://a/path", "https://a,", "://a", "https://*.org"])
def test_what_is_no_origin_ends_the_start(origins):
    import subprocess

    command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--backend", "null", "--access-origins", origins]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "access.origins" in done.stderr


def test_a_reload_changes_limits_and_origins_and_names_what_needs_a_restart(serve, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"limits": {"pixels": 10}}))
    server = serve("--config", path)
    assert server.post(PICTURE).status == 413
    path.write_text(json.dumps({"limits": {"pixels": 100, "connections": 7}, "access": {"origins": PAGE},
                                "log": {"level": "debug", "access": False}, "workers": 3}))  # fmt: skip
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reloaded"))
    reply = server.post(PICTURE, Origin=PAGE, X_Request_Id="unlogged")
    assert reply.status == 200 and reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert "id=unlogged" not in server.log()
    assert 'options="workers, limits.connections"' in server.lines("reload_needs_restart")[0]
    path.write_text(json.dumps({"limits": {"pixels": 10, "side": 0}}))
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reload_failed"))
    assert server.post(PICTURE).status == 200
