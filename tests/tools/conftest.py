"""What the tests of the tools share: the tools themselves, and weights that fit a detector."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPOTTER = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", ROOT.parent / "shared"))

sys.path.insert(0, str(ROOT / "tools"))


def listed(detector, *words):
    """What `spotter models --tensors` prints."""
    command = [SPOTTER, "models", "--tensors", detector, *map(str, words)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def weights_for(detector, seed=0):
    """{name: random float32 array} that fits the detector in its default form."""
    random = np.random.default_rng(seed)
    return {
        entry["name"]: random.uniform(0.5, 1.5, entry["shape"]).astype("<f4")
        for entry in listed(detector)["tensors"]
    }


class Result:
    def __init__(self, process, output):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr
        self.output = output

    def read(self):
        """(tensors, metadata) of the file that was written."""
        from weight_files import safetensors_file

        assert self.status == 0, self.err
        return safetensors_file.read(self.output)

    def refusal(self):
        """The message, when nothing was written."""
        assert self.status == 1, (self.out, self.err)
        assert self.err.startswith("import_weights: ") and "Traceback" not in self.err
        assert not self.output.exists() and list(self.output.parent.glob("*.partial")) == []
        return self.err


@pytest.fixture
def import_weights(tmp_path):
    """import_weights("nanodet-m-320", path, "--fold") runs the tool; its output is a new file."""

    def run(*words):
        output = tmp_path / "out.safetensors"
        output.unlink(missing_ok=True)
        command = [sys.executable, ROOT / "tools" / "import_weights.py", *words, "-o", output]
        process = subprocess.run(
            [*map(str, command)],
            env={**os.environ, "SPOTTER": SPOTTER},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Result(process, output)

    return run
