"""What the files in docker/ say, checked with the programs that read them. A program that is not
there (tests/docker/programs, apt) skips its tests."""

import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
os.environ.setdefault("SPOTTER", str(ROOT / "build/spotter"))


def program(name):
    path = shutil.which(name, path=f"{ROOT}/build/docker/programs:{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not path:
        pytest.skip(f"{name} is not installed; see tests/docker/programs")
    return path


def accepted(*words, **options):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_server(folder, *flags, **options):
    """A server as tests/http starts it."""
    spec = importlib.util.spec_from_file_location("http_conftest", ROOT / "tests/http/conftest.py")
    helpers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helpers)
    return helpers.Server(folder, *flags, **options)
