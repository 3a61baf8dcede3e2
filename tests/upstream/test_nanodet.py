"""The NanoDet family against models written in PyTorch: a checkpoint as upstream saves it, brought
in with tools/import_weights.py, gives the same raw outputs."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (Debian's python3-torch)")

import nanodet  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
RAW_OUTPUTS = os.environ.get("RAW_OUTPUTS", str(ROOT / "build" / "tests" / "raw_outputs"))
SIDE = 64


def save_checkpoint(model, path):
    """As PyTorch Lightning leaves it: under "state_dict", names after "model."."""
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 280, "state_dict": weights, "optimizer_states": [{"lr": 0.1}]}, path)


def import_weights(detector, checkpoint, output, *flags):
    tool = [sys.executable, ROOT / "tools" / "import_weights.py"]
    command = [*tool, detector, checkpoint, "-o", output, *flags]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def run(detector, weights, picture, folder, backend="reference"):
    picture.astype("<f4").tofile(folder / "input.bin")
    words = [backend, detector, weights, folder / "input.bin", folder / "output.bin"]
    result = subprocess.run([RAW_OUTPUTS, *words], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return np.fromfile(folder / "output.bin", "<f4")


def expected_of(model, picture):
    """In double, so that only spotter's own rounding is seen."""
    with torch.no_grad():
        maps = model.double()(torch.from_numpy(picture.astype(float))[None])
    return np.concatenate([m.numpy().ravel() for m in maps])


def check(got, expected):
    assert got.shape == expected.shape
    scale = np.abs(expected).max()
    assert np.isfinite(expected).all() and 0.1 < scale < 1e5
    assert np.abs(got - expected).max() <= 1e-4 * scale


@pytest.mark.parametrize("name", nanodet.MODELS)
def test_raw_outputs_are_those_of_pytorch(name, tmp_path):
    model, detector = nanodet.make(name), f"{name}-{SIDE}"
    picture = np.random.default_rng(7).normal(size=(3, SIDE, SIDE)).astype("f4")
    save_checkpoint(model, tmp_path / "model.ckpt")
    import_weights(detector, tmp_path / "model.ckpt", tmp_path / "w.safetensors")
    got = run(detector, tmp_path / "w.safetensors", picture, tmp_path)
    check(got, expected_of(model, picture))


@pytest.mark.parametrize("name", ["nanodet-efficientnet-lite0", "nanodet-plus-m"])
def test_folded_weights_and_other_classes_and_sides_too(name, tmp_path):
    side = 96  # its stride-64 level has an odd map above it
    model, detector = nanodet.make(name, classes=3, seed=2), f"{name}-{side}"
    picture = np.random.default_rng(8).normal(size=(3, side, side)).astype("f4")
    save_checkpoint(model, tmp_path / "model.ckpt")
    import_weights(detector, tmp_path / "model.ckpt", tmp_path / "w.safetensors", "--fold")
    expected = expected_of(model, picture)
    for backend in ("reference", "cpu"):
        check(run(detector, tmp_path / "w.safetensors", picture, tmp_path, backend), expected)
