"""`spotter selftest` of the detectors through the plug-in: made weights, small inputs, batches of 1 to 8.

    EVERY_MODEL=1 ctest --test-dir build-cuda -R cuda_plugin_models -V

runs every one of the contract's with the checks for races and for memory that nobody wrote, which takes fourteen
minutes of a CPU and 8 GB for the largest; else those that differ in their operators run with the checks of bounds
alone. Some are tuned as they are unless told otherwise: spans go by chance in emulation, so that cuDNN computes about
half of the shapes of depthwise convolutions, and our own kernel the others.
"""
import json
import os

import pytest
from emulated import FOUND_PROBLEMS, run

ORDERS = ("lazy", "eager", "random:11")
FEW = ("light-head-rcnn-s", "rfsong-779", "yolov5-shufflenetv2-320")
ALL = (*FEW, "nanodet-m-320", "nanodet-m-416", "rfsong-7993", "light-head-rcnn-l")
TUNED = ("yolov5-shufflenetv2-320", "nanodet-m-416")
EVERY = bool(os.environ.get("EVERY_MODEL"))


@pytest.mark.parametrize("at, detector", enumerate(ALL if EVERY else FEW))
def test_a_detector_agrees_with_the_reference_alone_and_in_batches(at, detector):
    settings = "plans=off" if detector in TUNED else "tune=off,plans=off"
    result = run("selftest", "--backend", "cuda", "--detector", detector, "--json", "--backend-settings", settings, checks="all" if EVERY else "bounds", order=ORDERS[at % len(ORDERS)],
                 time_limit=7200 if EVERY else 1500)
    assert result.returncode != FOUND_PROBLEMS, result.stderr[-3000:]
    assert "the kernel that is slow" not in result.stderr, result.stderr[-3000:]
    checks = json.loads(result.stdout)["checks"]
    for check in checks:
        print(check["kind"], check["subject"], check["precision"], check["verdict"], check.get("difference", ""), check["detail"])
    assert [(check["kind"], check["precision"]) for check in checks if check["verdict"] == "PASS"] == [
        ("model", "f32"), ("batches", "f32"), ("model", "f16"), ("batches", "f16")], checks
    assert result.returncode == 0
