"""Runs the built program: the file that SPOTTER names, else build/spotter."""

import functools
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))


def run(
    *words,
    variables=None,
    cwd=None,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    timeout=60,
):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPOTTER_")}
    environment.update(variables or {})
    return subprocess.run(
        [PROGRAM, *map(str, words)],
        env=environment,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
    )


@pytest.fixture
def spotter(tmp_path):
    """spotter("config", "--print", variables={...}) gives the ended process, its output as text."""
    return functools.partial(run, cwd=tmp_path)


@pytest.fixture(scope="session")
def run_spotter():
    """The same for fixtures that several tests share; it runs in the current folder."""
    return run
