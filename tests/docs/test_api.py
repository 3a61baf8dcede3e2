"""The curl lines of docs/api.md, run against servers as it describes them; and its tables."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
PAGE = (ROOT / "docs" / "api.md").read_text()
KEY = "a-key-for-the-documentation"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def start(*flags):
    server = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0", *map(str, flags)], stderr=subprocess.PIPE, text=True)
    port = None
    for line in server.stderr:
        found = re.search(r"event=listening address=127\.0\.0\.1:(\d+)", line)
        port = found.group(1) if found else port
        if "event=ready" in line:
            return server, port
    raise AssertionError(f"the server ended with {server.wait()}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Ports of servers: plain, with keys, with TLS."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "keys").write_text(KEY + "\n")
    words = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]  # fmt: skip
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    started = {
        "plain": start("--tensor-input"),
        "keys": start("--access-keys", folder / "keys"),
        "tls": start("--tls-certificate", folder / "certificate.pem", "--tls-key", folder / "key.pem"),
    }
    yield {name: port for name, (_, port) in started.items()}, folder
    for server, _ in started.values():
        server.send_signal(signal.SIGTERM)
        server.stderr.read()
        assert server.wait(timeout=30) == 0


def test_there_are_examples():
    assert len(BLOCKS) >= 14 and all("curl " in block for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=[re.sub(r"\W+", "-", block)[:60] for block in BLOCKS])
def test_an_example_answers_as_it_says(servers, tmp_path, block):
    ports, folder = servers
    kind = "keys" if "$KEY" in block else "tls" if "https://" in block else "plain"
    expected = re.match(r"# answers (\d+)\n", block)
    command = block.replace("127.0.0.1:8080", f"127.0.0.1:{ports[kind]}").replace("localhost:8080", f"localhost:{ports[kind]}")
    command = command.replace("-o boxes.jpg", f"-o {tmp_path}/boxes.jpg")
    command = re.sub(r"\bcurl ", "curl -sS -w '\\\\n%{http_code}' ", command)
    environment = {**os.environ, "KEY": KEY, "CERTIFICATE": str(folder / "certificate.pem")}
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rsplit("\n", 1)[1] == (expected.group(1) if expected else "200"), done.stdout
    if "boxes.jpg" in block:
        assert (tmp_path / "boxes.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_every_error_code_is_listed_with_its_status():
    source = (ROOT / "server" / "http" / "reply.c").read_text()
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE))
    for status, code in re.findall(r'\[SPOT_PROBLEM_\w+\]\s*=\s*\{(\d+),\s*"(\w+)"', source):
        assert f"`{code}`" in rows[status], code


def test_every_parameter_is_listed():
    source = (ROOT / "server" / "http" / "params.c").read_text()
    names = re.findall(r'^    \{"(\w+)", SPOT_PARAM_', source, re.MULTILINE)
    assert len(names) == 7 and all(f"\n| `{name}` |" in PAGE for name in names)


def test_every_path_is_mentioned():
    routes = (ROOT / "server" / "http" / "routes.c").read_text()
    for path in re.findall(r'\.path = "([^"]+)"', routes):
        assert path in PAGE or "/versions/" in path, path
