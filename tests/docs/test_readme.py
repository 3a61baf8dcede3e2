"""What the README shows is what the program does."""

import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def address():
    """A server with the bundled model on a free port."""
    server = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    found = None
    for line in server.stderr:
        found = found or re.search(r"event=listening address=(\S+)", line)
        if "event=ready" in line:
            break
    yield found.group(1)
    server.terminate()
    server.stderr.read()
    assert server.wait(timeout=30) == 0


def test_the_curl_line_gives_the_answer_that_is_shown(address):
    line = next(line.strip() for line in README.splitlines() if line.strip().startswith("curl "))
    words = [word.replace("127.0.0.1:8080", address) for word in shlex.split(line)]
    answer = json.loads(subprocess.run([*words, "-sS"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    shown = json.loads(README.split("```json")[1].split("```")[0])
    assert answer.keys() == shown.keys()
    assert answer["timing_ms"].keys() == shown["timing_ms"].keys()
    for key in ("model", "image", "count"):
        assert answer[key] == shown[key]
    for found, expected in zip(answer["detections"], shown["detections"], strict=True):
        assert found["label"] == expected["label"]
        assert abs(found["confidence"] - expected["confidence"]) < 0.03
        assert all(abs(found["box"][k] - expected["box"][k]) < 4 for k in expected["box"])


def test_every_command_that_is_named_exists():
    names = set(re.findall(r"`spotter ([a-z]+)", README))
    assert len(names) >= 7
    for name in names:
        help_text = subprocess.run([PROGRAM, name, "--help"], stdout=subprocess.PIPE, text=True)
        assert help_text.returncode == 0 and f"spotter {name}" in help_text.stdout


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_every_file_that_is_named_exists(page):
    text = (ROOT / page).read_text()
    for name in re.findall(r"`((?:core|models|cpu|cuda|server|tests|bench|tools|config|docs)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), f"{page} names {name}"
