"""The built program: the file that SPOTTER names, else build/spotter."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))


def run(*words, timeout=300):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=timeout)
