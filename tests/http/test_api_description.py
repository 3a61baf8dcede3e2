"""GET /openapi.json is what the server does: against the sources, and by schemathesis's requests."""

import json
import pathlib
import re
import subprocess

import pytest
from conftest import Server
from pypi import python_with

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "server" / "http"


@pytest.fixture(scope="module")
def description():
    return json.loads((SOURCE / "openapi.json").read_text())


def test_it_is_served_as_it_stands(server):
    reply = server.get("/openapi.json")
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/json"
    assert reply.body == (SOURCE / "openapi.json").read_bytes()


def test_every_route_is_described_with_its_method(description):
    table = (SOURCE / "routes.c").read_text()
    entries = re.findall(r'\{\.path = "([^"]+)"(.*?)\}', table, re.DOTALL)
    assert len(entries) > 15
    routes = {path: "post" if "takes_body" in rest else "get" for path, rest in entries}
    assert {path: list(item) for path, item in description["paths"].items()} == {p: [m] for p, m in routes.items()}
    for path, rest in entries:
        is_open = description["paths"][path][routes[path]].get("security") == []
        assert is_open == (".open = true" in rest), path


def test_every_error_code_and_its_status_is_described(description):
    codes = re.findall(r'\[SPOT_PROBLEM_\w+\]\s*=\s*\{(\d+),\s*"(\w+)"', (SOURCE / "reply.c").read_text())
    known = description["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]
    assert sorted(known) == sorted(code for _, code in codes)
    described = set(description["paths"]["/detect"]["post"]["responses"]) | {"405", "500"}
    assert {status for status, _ in codes} <= described


def test_every_parameter_is_described(description):
    names = re.findall(r'^    \{"(\w+)", SPOT_PARAM_', (SOURCE / "params.c").read_text(), re.MULTILINE)
    assert len(names) == 7
    listed = [one["$ref"].rsplit("/", 1)[1] for one in description["paths"]["/detect"]["post"]["parameters"]]
    assert sorted(listed) == sorted(names)


def test_every_reference_leads_somewhere(description):
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(description))):
        at = description
        for word in reference.split("/"):
            at = at[word]


def test_schemathesis_finds_no_answer_that_is_not_described(tmp_path):
    python = python_with("schemathesis==4.32.5")
    server = Server(tmp_path, "--tensor-input", "--limits-body-bytes", "1M")
    checks = ("status_code_conformance", "content_type_conformance", "response_headers_conformance",
              "response_schema_conformance", "unsupported_method")  # fmt: skip
    words = [python, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json",
             "--checks", ",".join(checks), "--phases", "examples,coverage,fuzzing", "--max-examples", "15",
             "--seed", "7", "--generation-database", "none", "--suppress-health-check", "all"]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"(\d+) generated", done.stdout)
    assert tested and int(tested.group(1)) > 300, done.stdout[-3000:]
    assert "status=500" not in server.log()
    server.stop()
