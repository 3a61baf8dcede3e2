"""The program with the CUDA plug-in, on the emulated CUDA libraries of tests/cuda_emulation."""

import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "http"))
os.environ.setdefault("TEST_PATIENCE", "240")  # an emulated GPU is slow, on a busy machine more so
os.environ.setdefault("EMULATED_CUDA_CHECKS", "bounds")  # the others are on where results are compared

EMULATED = os.environ.get("EMULATED_CUDA", "")
SETTINGS = "tune=off,plans=off"


@pytest.fixture(autouse=True, scope="session")
def emulated():
    if not (pathlib.Path(EMULATED) / "libcudart.so.13").exists():
        pytest.skip("the emulated CUDA libraries are not built")


def variables(fault=None, folder=EMULATED, gpus=1):
    """Of several GPUs the last has the fault."""
    found = {"LD_LIBRARY_PATH": folder, "EMULATED_CUDA_DEVICES": str(gpus)}
    if fault:
        found |= {"EMULATED_CUDA_FAULT": fault, "EMULATED_CUDA_FAULT_DEVICE": str(gpus - 1)}
    return found


def run(*words, settings=SETTINGS, **how):
    """Runs the program to its end."""
    environment = {**os.environ, **variables(**how)}
    words = [os.environ["SPOTTER"], *map(str, words), "--backend-settings", settings]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, check=False)
