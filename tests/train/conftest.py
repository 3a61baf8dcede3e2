"""What tools/train needs, and a small set of data made by it."""

import pathlib
import shutil
import subprocess
import sys

import pytest

for module in ("cv2", "numpy", "torch"):
    pytest.importorskip(module)
if not shutil.which("zint"):
    pytest.skip("tools/train needs zint", allow_module_level=True)

import cv2  # noqa: E402
import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAIN = ROOT / "tools" / "train"
sys.path.insert(0, str(TRAIN))


def run(script, *arguments):
    done = subprocess.run([sys.executable, TRAIN / script, *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with codes/, photos/ and data/: 60 codes, two photographs of noise, two shards of 24 pictures."""
    folder = tmp_path_factory.mktemp("made")
    run("codes.py", folder / "codes", "--count", 60, "--seed", 5)
    (folder / "photos").mkdir()
    rng = np.random.default_rng(1)
    for i in range(2):
        coarse = rng.integers(0, 255, (30, 40, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{i}.jpg"), cv2.resize(coarse, (640, 480)))
    run("generate.py", folder / "codes", folder / "photos", folder / "data", "--shards", 2, "--shard-pictures", 24)
    return folder
