"""HTTPS: certificates, and everything that touches sockets by itself."""

import http.client
import json
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import PROGRAM, Reply, png, receive_all, status_of, until

PICTURE = png(8, 8)


def make_certificate(folder, name, key_type="ec"):
    """A certificate of localhost that vouches for itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key_type == "ec" else ["rsa:2048"]
    words = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-newkey", *kind, "-keyout", key, "-out", certificate]  # fmt: skip
    try:
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make certificates with")
    return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return {"one": make_certificate(folder, "one"), "two": make_certificate(folder, "two", "rsa")}


def flags(pair):
    return ("--tls-certificate", pair[0], "--tls-key", pair[1])


def connect(server, certificate, version=None):
    context = ssl.create_default_context(cafile=certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    return context.wrap_socket(server.connect(), server_hostname="localhost")


def raw(server, certificate, *pieces, pause=0.05):
    with connect(server, certificate) as s:
        try:
            for piece in pieces:
                s.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        try:
            return receive_all(s)
        except ssl.SSLError:
            return b""


def post(server, certificate, body=PICTURE, path="/detect"):
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body))
    head, _, rest = raw(server, certificate, head + body, pause=0).partition(b"\r\n\r\n")
    return Reply(status_of(head), head, rest)


@pytest.fixture
def server(serve, files):
    return serve(*flags(files["one"]), "--limits-body-bytes", "1M", "--limits-body-timeout-ms", 1000)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pictures_are_detected_over_tls(server, files, sample, version):
    with connect(server, files["one"][0], version) as s:
        assert s.version() == version.name.replace("_", ".")
    reply = post(server, files["one"][0], sample)
    assert reply.status == 200 and reply.json["image"]["width"] == 960


def test_older_tls_is_refused(server, files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(server.connect(), server_hostname="localhost")
    assert post(server, files["one"][0]).status == 200


def test_plain_http_is_not_answered(server, files):
    assert status_of(server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) is None
    assert post(server, files["one"][0]).status == 200


def test_a_connection_serves_many_requests_that_work(server, files, sample):
    context = ssl.create_default_context(cafile=files["one"][0])
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)
    connection.connect()
    first = connection.sock
    for _ in range(20):
        connection.request("POST", "/detect", sample)
        reply = connection.getresponse()
        assert reply.status == 200 and json.loads(reply.read())["image"]["width"] == 960
        assert connection.sock is first
    connection.close()


def test_many_connections_at_once(server, files):
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(post(server, files["one"][0]).status)) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 24


def test_health_asks_over_tls(server, files):
    words = [PROGRAM, "health", "--listen", server.address, *flags(files["one"])]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
    plain = subprocess.run([PROGRAM, "health", "--listen", server.address], capture_output=True, text=True, timeout=30)
    assert plain.returncode == 1


def test_a_body_that_grows_too_large_is_told_so(server, files):
    """The reply is written beside libmicrohttpd, in the middle of an upload: it must be encrypted."""
    pieces = [b"POST /detect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"]
    pieces += [b"40000\r\n" + bytes(0x40000) + b"\r\n"] * 6
    assert status_of(raw(server, files["one"][0], *pieces)) == 413
    assert post(server, files["one"][0]).status == 200


def test_a_slow_upload_is_told_so_when_it_goes_on(server, files):
    pieces = [b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"] + [b"x"] * 20
    assert status_of(raw(server, files["one"][0], *pieces, pause=0.1)) == 408
    until(lambda: "error=upload_too_slow" in server.log())


def test_an_upload_that_stands_still_is_closed(server, files):
    begin = time.monotonic()
    raw(server, files["one"][0], b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
    assert time.monotonic() - begin < 6
    until(lambda: "error=upload_too_slow" in server.log())
    assert post(server, files["one"][0]).status == 200


def test_a_handshake_that_stands_still_is_closed(serve, files):
    server = serve(*flags(files["one"]), "--limits-header-timeout-ms", 300)
    with server.connect() as s:
        s.sendall(b"\x16\x03\x01")
        begin = time.monotonic()
        receive_all(s)
        assert time.monotonic() - begin < 5
    assert post(server, files["one"][0]).status == 200


def test_a_client_that_hangs_up_gives_its_place_free(serve, files):
    server = serve(*flags(files["one"]), "--workers", 1, "--backend-settings", "delay_us=500000", "--limits-queue-ms", 60000)
    first = threading.Thread(target=post, args=(server, files["one"][0]))
    first.start()
    time.sleep(0.2)
    s = connect(server, files["one"][0])
    s.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
    time.sleep(0.2)
    s.shutdown(socket.SHUT_RDWR)
    s.close()
    until(lambda: "status=499" in server.log())
    first.join()
    assert post(server, files["one"][0]).status == 200


def test_a_drain_finishes_what_is_in_flight(serve, files):
    server = serve(*flags(files["one"]), "--workers", 1, "--backend-settings", "delay_us=400000")
    replies = []
    thread = threading.Thread(target=lambda: replies.append(post(server, files["one"][0]).status))
    thread.start()
    time.sleep(0.25)
    server.signal(signal.SIGTERM)
    thread.join()
    assert replies == [200] and server.wait() == 0


def test_a_reload_shows_another_certificate(serve, files, tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "c.key"

    def put(name):
        certificate.write_bytes(files[name][0].read_bytes())
        key.write_bytes(files[name][1].read_bytes())

    put("one")
    server = serve(*flags((certificate, key)))
    keep = connect(server, files["one"][0])
    put("two")
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reloaded"))
    assert post(server, files["two"][0]).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(server, files["one"][0])
    keep.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert keep.recv(1000).startswith(b"HTTP/1.1 200 ")
    keep.close()
    key.write_bytes(files["one"][1].read_bytes())
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reload_failed"))
    assert post(server, files["two"][0]).status == 200


def test_tls_cannot_be_turned_on_by_a_reload(serve, files, tmp_path):
    path = tmp_path / "c.json"
    path.write_text("{}")
    server = serve("--config", path)
    path.write_text(json.dumps({"tls": {"certificate": str(files["one"][0]), "key": str(files["one"][1])}}))
    server.signal(signal.SIGHUP)
    until(lambda: server.lines("reload_failed"))
    assert "restart" in server.lines("reload_failed")[0] and server.get("/healthz").status == 200


@pytest.mark.parametrize("certificate, key, words", [
    ("one.pem", "two.key", "is not the key of the certificate"),
    ("one.key", "one.key", "no PEM file of 1 to 8 certificates"),
    ("one.pem", "one.pem", "no PEM file of a private key"),
    ("none.pem", "one.key", "No such file"),
    ("one.pem", "none.key", "No such file"),
    ("one.pem", None, "tls.key: is missing"),
    (None, "one.key", "tls.certificate: is missing"),
])  # fmt: skip
def test_files_that_are_wrong_end_the_start_with_a_sentence(files, certificate, key, words):
    folder = files["one"][0].parent
    command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--backend", "null"]
    command += ["--tls-certificate", folder / certificate] if certificate else []
    command += ["--tls-key", folder / key] if key else []
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and words in done.stderr and "listening" not in done.stderr
