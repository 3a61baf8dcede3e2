"""Average precision on real pictures equals the reference's; see docs/accuracy.md for all figures."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", str(ROOT.parent / "shared")))

pytestmark = pytest.mark.skipif(not (SHARED / "eval").is_dir(), reason=f"there are no evaluation pictures in {SHARED}")

CASES = [
    ("nanodet-m-320", "nanodet-m-320", "f32", [], {"AP": (0.250, 0.004)}),
    ("nanodet-m-320", "nanodet-m-320", "bf16", [], {"AP": (0.250, 0.004)}),
    ("nanodet-m-416", "nanodet-m-416", "auto", [], {"AP": (0.275, 0.004)}),
    ("yolov5-shufflenetv2-320", "yolov5-shufflenetv2-coco-320", "auto", [], {"AP": (0.214, 0.004), "AP50": (0.371, 0.005)}),
    ("rfsong-779", "rfsong-779-voc-300", "auto", ["--only-with-objects"], {"VOC11": (0.453, 0.004)}),
]


@pytest.mark.parametrize("detector, weights, precision, flags, expected", CASES)
def test_average_precision_is_the_references(detector, weights, precision, flags, expected):
    folder = SHARED / "eval" / "coco-val-240"
    done = subprocess.run(
        [PROGRAM, "eval", "--model", f"{detector}={SHARED / 'weights' / weights}.safetensors", "--images", folder / "images",
         "--annotations", folder / "annotations.json", "--backend", "cpu", "--precision", precision, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "bf16" in done.stderr and done.returncode != 0:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    fields = done.stdout.split()
    figures = dict(zip(fields[::2], map(float, fields[1::2])))
    for name, (value, tolerance) in expected.items():
        assert abs(figures[name] - value) <= tolerance, done.stdout
