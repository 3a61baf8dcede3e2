"""Python programs with packages from PyPI, in a virtual environment that is kept between runs."""

import fcntl
import hashlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "pypi"


def python_with(*packages):
    """The python of an environment that has these packages; skips where PyPI cannot be reached."""
    name = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    FOLDER.mkdir(parents=True, exist_ok=True)
    program, done = FOLDER / name / "bin" / "python", FOLDER / name / "done"
    with open(FOLDER / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of two builds may run at the same time
        if not done.exists():
            made = subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER / name], capture_output=True)
            if made.returncode != 0:
                pytest.skip(f"no virtual environment can be made: {made.stdout.decode()[-300:]}")
            words = [program, "-m", "pip", "install", "-q", "--retries", "1", "--timeout", "20", *packages]
            installed = subprocess.run(words, capture_output=True, text=True)
            if installed.returncode != 0:
                pytest.skip(f"PyPI cannot be reached for {', '.join(packages)}: {installed.stderr[-300:]}")
            done.touch()
    return str(program)
