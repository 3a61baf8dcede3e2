"""The bundled detector finds codes as well as docs/codes-data-card.md says, on a part of the pictures."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", str(ROOT.parent / "shared")))
TRAIN = ROOT / "tools" / "train"
WEIGHTS = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"

PHOTOGRAPHS_RIGHT, EMPTY_RIGHT, CROWDED_MOST, FALSE_ALARMS_MOST = 275, 19, 16, 14
AP50_LEAST, AP_LEAST = 0.80, 0.62

with_shared = pytest.mark.skipif(not (SHARED / "eval").is_dir(), reason=f"there are no evaluation pictures in {SHARED}")


def run(script, *arguments):
    done = subprocess.run([sys.executable, TRAIN / script, *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def measure(*arguments):
    return run("measure.py", WEIGHTS, "--spotter", PROGRAM, *arguments)


def figure(report, pattern):
    match = re.search(pattern, report, re.MULTILINE)
    assert match, report
    return float(match[1])


def test_the_weights_name_the_data_card_that_is_there():
    raw = WEIGHTS.read_bytes()
    metadata = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    name, digest = metadata["data_card"].split(" sha256:")
    assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == digest


@with_shared
def test_photographs_of_codes_and_without():
    report = measure("--photographs", SHARED / "eval" / "codes-photos", "--without-codes",
                     SHARED / "eval" / "coco-val-240" / "images")
    assert figure(report, r"^photographs right (\d+)/289") >= PHOTOGRAPHS_RIGHT, report
    assert figure(report, r"^photographs of nothing right (\d+)/23") >= EMPTY_RIGHT, report
    assert figure(report, r"^photographs of a code with more than one box (\d+)") <= CROWDED_MOST, report
    assert figure(report, r"^false alarms (\d+) on \d+ of 100") <= FALSE_ALARMS_MOST, report


@with_shared
@pytest.mark.skipif(not shutil.which("zint"), reason="pictures are generated with zint")
def test_generated_pictures_on_backgrounds_never_trained_on(tmp_path):
    """150 pictures like those of the data card, made here; the figures differ by the choice of pictures."""
    pytest.importorskip("cv2")
    run("codes.py", tmp_path / "codes", "--count", 300, "--seed", 2000000)
    run("backgrounds.py", tmp_path / "photos", SHARED / "eval" / "voc2007-test-36" / "images")
    run("generate.py", tmp_path / "codes", tmp_path / "photos", tmp_path / "made", "--eval", 150, "--seed", 88000000)
    report = measure("--generated", tmp_path / "made")
    assert figure(report, r"^AP50 ([\d.]+)$") >= AP50_LEAST, report
    assert figure(report, r"^AP ([\d.]+)$") >= AP_LEAST, report
