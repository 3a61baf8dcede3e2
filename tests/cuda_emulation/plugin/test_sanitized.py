"""The program and the plug-in's host code with sanitizers: presets cuda-asan and cuda-tsan.

The emulated CUDA libraries have none: they stand for hardware. With AddressSanitizer, tests/cuda/test_faults.py
runs as well. SANITIZER says which these are: "address,undefined" or "thread".
"""
import concurrent.futures
import os
import re
import signal

import pytest
from emulated import ROOT, http_servers, run, serve

PICTURE = (ROOT / "docs" / "images" / "sample.jpg").read_bytes()
SETTINGS = ("--backend-settings", "tune=off,plans=off")
THREADS = os.environ.get("SANITIZER") == "thread"


@pytest.mark.skipif(THREADS, reason="it has one thread")
@pytest.mark.parametrize("what", [("--only", "operators"), ("--detector", "yolov5-shufflenetv2-320")])
def test_the_self_test_passes(what):
    result = run("selftest", "--backend", "cuda", *what, *SETTINGS, checks="bounds", order="random:3", time_limit=900)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-6000:]
    assert "Sanitizer" not in result.stderr, result.stderr[-6000:]
    assert int(re.search(r"(\d+) passed, 0 failed", result.stdout).group(1)) >= 4


def test_plans_are_remembered(tmp_path):
    """As it starts unless told otherwise; the second start reads what the first one timed and wrote."""
    settings = ("--backend-settings", f"plans={tmp_path}")
    for _ in range(2):
        result = run("detect", "--backend", "cuda", ROOT / "docs" / "images" / "sample.jpg", *settings, checks="bounds")
        assert result.returncode == 0, result.stderr[-6000:]
        assert list(tmp_path.glob("*.json"))


def test_requests_on_two_gpus_while_models_are_replaced(tmp_path):
    server = serve(tmp_path, "--batch-max-delay-ms", 5, "--limits-batch-ms", 600000, devices=2, checks="bounds")
    wanted = server.post(PICTURE).json["detections"]
    pictures = [PICTURE, http_servers.png(61, 200), PICTURE, http_servers.png(320, 33)] * 2
    with concurrent.futures.ThreadPoolExecutor(len(pictures)) as pool:
        asked = [pool.submit(server.post, picture) for picture in pictures]
        server.signal(signal.SIGHUP)
        answers = [one.result() for one in asked]
    assert [answer.status for answer in answers] == [200] * len(answers), [answer.body for answer in answers]
    assert all(answer.json["detections"] == wanted
               for picture, answer in zip(pictures, answers) if picture is PICTURE)
    http_servers.until(lambda: server.lines("reloaded"))
    assert server.post(PICTURE).json["detections"] == wanted
    server.stop()
