"""Starts servers (the file that SPOTTER names, else build/spotter) and talks to them."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
SAMPLE = ROOT / "docs" / "images" / "sample.jpg"
WEIGHTS = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"
PATIENCE = float(os.environ.get("TEST_PATIENCE", 30))  # seconds for anything that should happen soon; sanitizers are slow


def png(width, height, colour=(120, 120, 120)):
    """The file of a plain picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def until(condition, seconds=PATIENCE):
    """Waits until condition() is true and returns what it returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"did not happen within {seconds} s")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


class Server:
    def __init__(self, folder, *flags, backend="null", wait=True, variables=None):
        self.log_path = pathlib.Path(folder) / f"server-{time.monotonic_ns()}.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SPOTTER_")}
        environment.update(variables or {})
        words = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--backend", backend, *map(str, flags)]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(words, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        self.address = until(lambda: self._event("listening"))
        self.port = int(self.address.rsplit(":", 1)[1])
        if wait:
            until(lambda: self._event("ready"))

    def log(self):
        return self.log_path.read_text(errors="replace")

    def lines(self, event):
        return [line for line in self.log().splitlines() if f"event={event} " in line + " "]

    def _event(self, event):
        assert self.process.poll() is None, self.log()
        found = re.search(rf'event(?:=|":"){event}"?[ ,]"?address(?:=|":")([^ "]+)', self.log())
        return found and found.group(1)

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def post(self, body, path="/detect", **headers):
        return self.request("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def raw(self, *pieces, pause=0.05):
        """Sends bytes as they are, with a pause between pieces, and returns all that comes back."""
        with self.connect() as s:
            try:
                for i, piece in enumerate(pieces):
                    if i > 0:
                        time.sleep(pause)
                    s.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return receive_all(s)

    def metric(self, name, **labels):
        """The value of a metric, 0 when there is none yet."""
        for line in self.get("/metrics").body.decode().splitlines():
            found = re.fullmatch(rf"{name}(\{{.*\}})? (\S+)", line)
            if found and all(f'{k}="{v}"' in (found.group(1) or "") for k, v in labels.items()):
                return float(found.group(2))
        return 0.0

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(PATIENCE)

    def stop(self):
        """Ends the server as its supervisor would; it must end well."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            assert self.wait() == 0, self.log()
        assert "Sanitizer" not in self.log(), self.log()


def receive_all(s):
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def status_of(raw):
    """The status of the first reply in raw bytes, or None."""
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", raw)
    return int(found.group(1)) if found else None


@pytest.fixture
def serve(tmp_path):
    """serve(*flags, …) starts a server for one test."""
    servers = []

    def start(*flags, **options):
        servers.append(Server(tmp_path, *flags, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                server.process.kill()
                raise
        assert "Sanitizer" not in server.log(), server.log()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("shared"),
        *("--limits-body-bytes", "1M", "--limits-pixels", "1000000", "--limits-side", "2000"),
        *("--limits-pictures", "4", "--limits-header-bytes", "8192", "--limits-connections-per-address", "1024"),
    )
    yield server
    server.stop()


@pytest.fixture
def server(shared_server):
    """A server that many tests share; whatever a test did to it, it must still answer."""
    yield shared_server
    reply = shared_server.post(png(32, 16))
    assert reply.status == 200, reply.body


@pytest.fixture(scope="session")
def sample():
    return SAMPLE.read_bytes()
