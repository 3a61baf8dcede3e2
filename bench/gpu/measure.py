#!/usr/bin/python3
"""Throughput and latency of every model on a GPU, beside the floor and beside other runtimes.

    bench/gpu.sh [--models A,B] [--batches 1,8,32] [--precisions f16,f32] [--seconds S]
                 [--peak-f16 TFLOPS --peak-f32 TFLOPS --bandwidth GB/S] [--onnx FOLDER]

The floor of a batch is the sum over the network's steps of the larger of two times: its multiply-adds
at the peak rate of the precision, and the bytes it reads and writes once at the memory's rate. Both
rates are the data sheet's for GPUs that are listed here, and those given on the command line for
others. No batch can be faster without computing something else, or without keeping values in a cache
from one step to the next.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import time

MODELS = "nanodet-m-320,nanodet-m-416,yolov5-shufflenetv2-320,rfsong-779,rfsong-7993,light-head-rcnn-s,light-head-rcnn-l"

# Part of the name: dense f16 on tensor cores with f32 sums and plain f32, in 10^12 operations/s
# (a multiply-add is two), and 10^9 bytes/s. From NVIDIA's data sheets.
PEAKS = {
    "T4": (65.1, 8.1, 320),
    "A10": (125, 31.2, 600),
    "A100": (312, 19.5, 1555),
    "RTX 3090": (71, 35.6, 936),
    "L4": (121, 30.3, 300),
    "L40S": (362, 91.6, 864),
    "RTX 4090": (165.2, 82.6, 1008),
    "H100": (989, 67, 3350),
    "H200": (989, 67, 4800),
    "B200": (2250, 80, 8000),
    "RTX 5090": (209.5, 104.8, 1792),
}


def run_json(words):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def find_peaks(name, options):
    """(f16 operations/s, f32 operations/s, bytes/s), or None."""
    if options.peak_f16 and options.peak_f32 and options.bandwidth:
        found = (options.peak_f16, options.peak_f32, options.bandwidth)
    else:
        known = [part for part in PEAKS if part in name]
        if not known:
            return None
        found = PEAKS[max(known, key=len)]
    return found[0] * 1e12, found[1] * 1e12, found[2] * 1e9


def floor_ms(steps, peaks, precision, batch):
    """Of a whole batch. Steps count the float32 bytes of one picture."""
    rate, width = (peaks[0], 0.5) if precision == "f16" else (peaks[1], 1)
    return sum(1e3 * batch * max(2 * step["macs"] / rate, width * step["bytes"] / peaks[2]) for step in steps)


def measure_spotter(options, model, precision):
    """Rows, one for each batch size and number of lanes."""
    words = [options.spotter, "bench", "--backend", options.backend, "--model", model, "--precision", precision]
    found = run_json([*words, "--batch", options.batches, "--threads", "1,2", "--seconds", options.seconds, "--json"])
    for one in found["results"]:
        yield {
            "runtime": "spotter",
            "model": model,
            "precision": precision,
            "batch": one["batch"],
            "lanes": one["threads"],
            "ms": one["ms_per_image"]["median"] * one["batch"],
            "images_per_second": one["images_per_second"],
        }


def measure_onnx(path, provider, batch, seconds):
    """Milliseconds of a batch in ONNX Runtime, the network alone; None when it cannot."""
    import numpy
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=[provider])
    if session.get_providers()[0] != provider:
        return None
    given = session.get_inputs()[0]
    if isinstance(given.shape[0], int) and given.shape[0] != batch:
        return None
    shape = [batch, *given.shape[1:]]
    feed = {given.name: numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)}
    for _ in range(5):
        session.run(None, feed)
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def measure_peers(options, model):
    try:
        import onnxruntime
    except ImportError:
        return
    path = options.onnx / f"{model}.onnx" if options.onnx else None
    if path is None or not path.exists():
        return
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        if provider not in onnxruntime.get_available_providers():
            continue
        for batch in map(int, options.batches.split(",")):
            ms = measure_onnx(path, provider, batch, options.seconds)
            if ms is not None:
                yield {
                    "runtime": f"onnxruntime {onnxruntime.__version__} {provider}",
                    "model": model,
                    "precision": "f32",
                    "batch": batch,
                    "lanes": 1,
                    "ms": ms,
                    "images_per_second": 1e3 * batch / ms,
                }


def report(out, device, rows, notes):
    fields = ["runtime", "model", "precision", "batch", "lanes", "ms", "images_per_second", "floor_ms", "share"]
    with open(out / "measured.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)
    (out / "measured.json").write_text(json.dumps({"device": device, "notes": notes, "rows": rows}, indent=1))
    selftest = (out / "selftest.txt").read_text() if (out / "selftest.txt").exists() else "not run\n"
    lines = [f"# {device['name']}", "", f"{device['features']}", "", *notes, "", "| " + " | ".join(fields) + " |"]
    lines.append("| --- " * len(fields) + "|")
    for row in rows:
        shown = [f"{row[key]:.3g}" if isinstance(row.get(key), float) else str(row.get(key, "")) for key in fields]
        lines.append("| " + " | ".join(shown) + " |")
    lines += ["", "## Self-test", "", "```", selftest.rstrip(), "```", ""]
    (out / "report.md").write_text("\n".join(lines))
    print(f"written: {out / 'report.md'}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spotter", default="build/spotter")
    parser.add_argument("--backend", default="cuda")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/bench/gpu"))
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--batches", default="1,4,8,16,32")
    parser.add_argument("--precisions", default="f16,f32")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--peak-f16", type=float, help="10^12 operations/s")
    parser.add_argument("--peak-f32", type=float, help="10^12 operations/s")
    parser.add_argument("--bandwidth", type=float, help="10^9 bytes/s")
    parser.add_argument("--onnx", type=pathlib.Path, help="folder of <model>.onnx for ONNX Runtime")
    return parser.parse_args()


def main():
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    rows, notes = [], []
    words = [options.spotter, "bench", "--backend", options.backend, "--seconds", 0.01, "--json"]
    try:
        device = run_json([*words, "--model", options.models.split(",")[0]])["device"]
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
    peaks = find_peaks(device["name"], options)
    if peaks is None:
        notes.append("No floor: give --peak-f16, --peak-f32 and --bandwidth, this GPU is not listed.")
    for model in options.models.split(","):
        steps = None
        if peaks is not None:
            words = [options.spotter, "bench", "--backend", "cpu", "--precision", "f32", "--model", model]
            steps = run_json([*words, "--steps", "--seconds", 0.01, "--json"])["results"][0]["steps"]
        for precision in options.precisions.split(","):
            try:
                found = list(measure_spotter(options, model, precision))
            except RuntimeError as error:
                notes.append(f"{model} {precision}: {error}")
                continue
            for row in found:
                if steps is not None:
                    row["floor_ms"] = floor_ms(steps, peaks, precision, row["batch"])
                    row["share"] = row["floor_ms"] / (1e3 * row["batch"] / row["images_per_second"])
                print(
                    f"{model} {precision} batch {row['batch']} lanes {row['lanes']}: {row['ms']:.3f} ms, "
                    f"{row['images_per_second']:.0f} images/s"
                    + (f", floor {row['floor_ms']:.3f} ms ({100 * row['share']:.0f} %)" if steps else "")
                )
            rows += found
        rows += measure_peers(options, model)
    report(options.out, device, rows, notes)


if __name__ == "__main__":
    main()
