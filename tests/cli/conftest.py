"""Runs the built program: the file that SPOTTER names, else build/spotter."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))


@pytest.fixture
def spotter(tmp_path):
    """spotter("config", "--print", variables={...}) gives the ended process, its output as text."""

    def run(*words, variables=None, cwd=tmp_path, stdout=subprocess.PIPE):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SPOTTER_")}
        environment.update(variables or {})
        return subprocess.run(
            [PROGRAM, *map(str, words)],
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )

    return run
