"""ONNX Runtime on the networks that spotter runs, for bench/gpu/measure.py."""

import importlib.util
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
from networks import NETWORKS  # noqa: E402

# What stands beside a backend of spotter: provider, its options, the precision that it then computes in.
PROVIDERS = {
    "cuda": [
        ("CUDAExecutionProvider", {"use_tf32": "0"}, "f32"),
        ("TensorrtExecutionProvider", {}, "f32"),
        ("TensorrtExecutionProvider", {"trt_fp16_enable": "1"}, "f16"),
    ],
    "cpu": [("CPUExecutionProvider", {}, "f32")],
}
WARM_UPS = 5


def find_onnx(folder, model):
    """The model's ONNX file, or None."""
    names = [model, NETWORKS[model].onnx or model] if model in NETWORKS else [model]
    paths = [folder / f"{name}.onnx" for name in names] if folder else []
    return next((path for path in paths if path.exists()), None)


def open_session(onnxruntime, path, provider, settings):
    session = onnxruntime.InferenceSession(str(path), providers=[(provider, settings)])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"it took {session.get_providers()[0]} instead")
    return session


def time_batch(session, batch, seconds):
    """Milliseconds from the input in the host's memory to the outputs there, the median of the calls."""
    import numpy

    given = session.get_inputs()[0]
    if isinstance(given.shape[0], int) and given.shape[0] != batch:
        raise RuntimeError(f"its ONNX file is for batches of {given.shape[0]}")
    sides = [size if isinstance(size, int) else 1 for size in given.shape[1:]]
    feed = {given.name: numpy.random.default_rng(1).standard_normal([batch, *sides], dtype=numpy.float32)}
    for _ in range(WARM_UPS):
        session.run(None, feed)
    times, end = [], time.monotonic() + seconds
    while not times or time.monotonic() < end:
        begin = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


class OnnxRuntime:
    """The providers that are installed; `notes` gets a sentence for each that is left out, and why."""

    def __init__(self, backend, notes):
        self.module, self.usable, self.notes = None, [], notes
        if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("numpy") is None:
            notes.append("ONNX Runtime: skipped, the Python packages onnxruntime and numpy are not installed.")
            return
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # float32 is float32 for TensorRT too
        import onnxruntime

        self.module, there = onnxruntime, onnxruntime.get_available_providers()
        for provider, settings, precision in PROVIDERS.get(backend, []):
            if provider in there:
                self.usable.append((provider, settings, precision))
            else:
                notes.append(f"ONNX Runtime {onnxruntime.__version__}: {precision} by {provider} skipped, it has only "
                             f"{', '.join(there)}.")

    def measure(self, model, folder, batches, precisions, seconds):
        """Rows, one for each provider and batch size."""
        wanted = [one for one in self.usable if one[2] in precisions]
        path = find_onnx(folder, model)
        if wanted and path is None:
            self.notes.append(f"ONNX Runtime: {model} skipped, there is no ONNX file of it in {folder}.")
            return
        for provider, settings, precision in wanted:
            name = f"onnxruntime {self.module.__version__} {provider}"
            try:
                session = open_session(self.module, path, provider, settings)
            except Exception as reason:  # whatever a foreign runtime may raise
                self.notes.append(f"{name}: {model} {precision} skipped: {reason}")
                continue
            for batch in batches:
                try:
                    ms = time_batch(session, batch, seconds)
                except Exception as reason:
                    self.notes.append(f"{name}: {model} {precision} batch {batch} skipped: {reason}")
                    continue
                yield {
                    "runtime": name,
                    "model": model,
                    "precision": precision,
                    "batch": batch,
                    "lanes": 1,
                    "ms": ms,
                    "images_per_second": 1e3 * batch / ms,
                }
