"""What the program does where CUDA is missing, short of memory, or fails at work."""

import concurrent.futures
import pathlib
import re

import pytest
from conftest import SETTINGS, run, variables

PICTURE = pathlib.Path(__file__).parent.parent.parent / "docs" / "images" / "sample.jpg"


def http():
    """The server of tests/http, whose conftest has the name of this folder's."""
    import importlib.util

    path = pathlib.Path(__file__).parent.parent / "http" / "conftest.py"
    spec = importlib.util.spec_from_file_location("http_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ABSENT = {
    "no-driver": "cuda: no NVIDIA driver is installed",
    "no-device": "cuda: there is no NVIDIA GPU",
    "old-driver": "cuda: the NVIDIA driver is for CUDA",
}


@pytest.mark.parametrize("fault", ABSENT)
def test_cuda_that_was_asked_for_and_is_not_there_is_refused_in_one_sentence(fault):
    ended = run("detect", "--backend", "cuda", PICTURE, fault=fault)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"spotter: {ABSENT[fault]}"), ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("fault", ABSENT)
def test_auto_takes_the_cpu_and_says_why(fault, tmp_path):
    server = http().Server(tmp_path, backend="auto", variables=variables(fault))
    try:
        [line] = server.lines("backend_passed_over")
        assert ABSENT[fault] in line
        assert "backend=cpu" in server.lines("device")[0]
        assert server.get("/readyz").status == 200
    finally:
        server.stop()


@pytest.mark.skipif(pathlib.Path("/proc/driver/nvidia/version").exists(), reason="there is an NVIDIA driver")
def test_the_real_libraries_without_a_driver_are_no_gpu():
    ended = run("detect", "--backend", "cuda", PICTURE, folder="")
    assert (ended.returncode, ended.stderr) == (1, "spotter: cuda: no NVIDIA driver is installed\n")


def test_a_missing_library_is_no_gpu(tmp_path):
    (tmp_path / "libcudart.so.13").write_bytes(b"")  # in front of the real one, and nothing
    ended = run("detect", "--backend", "cuda", PICTURE, folder=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.startswith("spotter: plug-in cannot be loaded: "), ended.stderr


def test_settings_that_it_does_not_know_are_refused():
    ended = run("detect", "--backend", "cuda", PICTURE, settings="graphs=maybe")
    assert ended.returncode == 1
    assert ended.stderr.startswith("spotter: cuda: 'graphs=maybe' is no setting")


@pytest.mark.parametrize("settings", [SETTINGS, "plans=off"])
def test_every_allocation_that_fails_ends_the_start_with_a_sentence(settings):
    """Exit status 86 would say that something was not given back, or used wrongly."""
    for number in range(1, 50):
        ended = run("detect", "--backend", "cuda", PICTURE, settings=settings, fault=f"malloc:{number}")
        if ended.returncode == 0:
            assert number > 2
            return
        assert ended.returncode == 1, ended.stderr
        assert re.search(r"cuda: no memory for .*: \d+ MiB are needed\n$", ended.stderr), ended.stderr
    raise AssertionError("it never started")


@pytest.mark.parametrize("number", [1, 40])
def test_a_gpu_that_fails_while_ways_are_timed_ends_the_start_with_a_sentence(number):
    ended = run("detect", "--backend", "cuda", PICTURE, settings="plans=off", fault=f"launch:{number}")
    assert ended.returncode == 1, ended.stderr
    lost, said = ended.stderr.splitlines()
    assert "device 0 is lost" in lost
    assert re.match("spotter: (cuda|cuDNN): ", said)


def test_without_graphs_kernels_are_launched_one_by_one_and_a_warning_says_so():
    wanted = run("detect", "--backend", "cuda", PICTURE)
    found = run("detect", "--backend", "cuda", PICTURE, fault="capture:1")
    assert wanted.returncode == found.returncode == 0, found.stderr
    assert found.stdout == wanted.stdout
    assert "no CUDA graphs, kernels are launched one by one" in found.stderr
    assert "no CUDA graphs" not in wanted.stderr


@pytest.mark.parametrize("gpus", [1, 2])
def test_a_gpu_that_fails_at_work_loses_no_request_and_ends_the_server(tmp_path, gpus):
    """
    Of two, the other one still works; what is under way there is answered. No limit of time may end it before the
    GPU's failure does: in emulation GPUs take turns, and a batch takes as long as the machine is busy.
    """
    trigger = tmp_path / "fail"
    flags = ["--backend-settings", SETTINGS, "--batch-max-size", 1, "--limits-queue-ms", 600000,
             "--limits-request-ms", 600000, "--limits-batch-ms", 600000]
    helper = http()
    server = helper.Server(tmp_path, *flags, backend="cuda", variables=variables(f"launch@{trigger}", gpus=gpus))
    picture = PICTURE.read_bytes()
    try:
        first = server.post(picture)
        assert first.status == 200, first.body
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(server.post, picture) for _ in range(8)]
            trigger.touch()
            answers = [one.result() for one in asked]
        for answer in answers:
            assert answer.status in (200, 503), answer.body
            assert answer.status == 503 or answer.json["detections"] == first.json["detections"]
        assert any(answer.status == 503 for answer in answers)
        assert server.wait() != 0
        [failed] = server.lines("device_failed")
        assert "launch failure" in failed, failed
        assert f"device {gpus - 1} is lost" in server.log(), server.log()
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
