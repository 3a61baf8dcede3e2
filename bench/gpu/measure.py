#!/usr/bin/python3
"""The self-test, then throughput and latency of every model on a GPU, beside the floor and other runtimes.

    bench/gpu.sh [--models A,B] [--batches 1,8,32] [--precisions f16,f32] [--seconds S] [--out FOLDER]
                 [--selftest all|operators|models|weights|none]
                 [--peak-f16 TFLOPS --peak-f32 TFLOPS --bandwidth GB/S] [--onnx FOLDER] [--backend cpu]

The floor of a batch is the sum over the network's steps of the larger of two times: its multiply-adds
at the peak rate of the precision, and the bytes it reads and writes once at the memory's rate. Both
rates are the data sheet's for GPUs that are listed here, and those given on the command line for
others. No batch can be faster without computing something else, or without keeping values in a cache
from one step to the next. A share is the floor's part of the time that a batch took, counted by
throughput.

ONNX Runtime is measured where its packages and the model's ONNX file are there: by CUDA and by TensorRT,
from an input in the host's memory to outputs there, without pictures and boxes. float32 is computed
without TF32 everywhere.

What cannot be measured is skipped with a sentence that says why, here and in the report; without a GPU
that is nearly all. `--backend cpu` puts the CPU backend and ONNX Runtime's CPU provider in the GPU's place,
to try the script. The status is 1 when a check fails or nothing was measured.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys

import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", ROOT.parent / "shared"))

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


def run(words):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)


def run_json(words):
    done = run(words)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().removeprefix("spotter: "))
    return json.loads(done.stdout)


def run_selftest(options, notes):
    """Its report goes to a file; True when every check passed, or none was asked for."""
    path = options.out / "selftest.txt"
    if options.selftest == "none":
        path.write_text("not run\n")
        notes.append("Self-test: skipped, as asked.")
        return True
    print(f"self-test on {options.backend}; minutes, the reference is slow", flush=True)
    words = [options.spotter, "selftest", "--backend", options.backend]
    done = run(words if options.selftest == "all" else [*words, "--only", options.selftest])
    path.write_text(done.stdout + done.stderr)
    lines = (done.stdout + done.stderr).splitlines()
    print("\n".join([line for line in lines if line.startswith("FAIL")] + lines[-1:]))
    if not done.stdout:
        notes.append(f"Self-test: skipped, {done.stderr.strip().removeprefix('spotter: ')}.")
    return done.returncode == 0


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


def read_steps(options, model, notes):
    """What each step of the network must compute and move, as the CPU backend counts it; None without."""
    words = [options.spotter, "bench", "--backend", "cpu", "--precision", "f32", "--model", model]
    try:
        return run_json([*words, "--steps", "--seconds", 0.01, "--json"])["results"][0]["steps"]
    except RuntimeError as error:
        notes.append(f"{model}: no floor, its steps cannot be counted: {error}.")
        return None


def floor_ms(steps, peaks, precision, batch):
    """Of a whole batch. Steps count the float32 bytes of one picture."""
    rate, width = (peaks[0], 0.5) if precision == "f16" else (peaks[1], 1)
    return sum(1e3 * batch * max(2 * step["macs"] / rate, width * step["bytes"] / peaks[2]) for step in steps)


def add_floor(row, steps, peaks):
    row["floor_ms"] = floor_ms(steps, peaks, row["precision"], row["batch"])
    row["share"] = row["floor_ms"] / (1e3 * row["batch"] / row["images_per_second"])


def describe(row):
    floor = f", floor {row['floor_ms']:.3f} ms ({100 * row['share']:.0f} %)" if "floor_ms" in row else ""
    setting = f"{row['model']} {row['precision']} batch {row['batch']} lanes {row['lanes']}"
    return f"{setting}: {row['runtime']} {row['ms']:.3f} ms, {row['images_per_second']:.0f} images/s{floor}"


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


def measure_model(options, model, device, peaks, onnxruntime, notes):
    """Rows of spotter, then of the others, each with its floor."""
    rows, precisions = [], options.precisions.split(",")
    for precision in precisions if device is not None else []:
        try:
            rows += measure_spotter(options, model, precision)
        except RuntimeError as error:
            notes.append(f"spotter: {precision} skipped, {error}.")
    batches = list(map(int, options.batches.split(",")))
    rows += onnxruntime.measure(model, options.onnx, batches, precisions, options.seconds)
    steps = read_steps(options, model, notes) if peaks is not None and rows else None
    for row in rows:
        if steps is not None:
            add_floor(row, steps, peaks)
        print(describe(row), flush=True)
    return rows


def report(options, device, rows, notes):
    fields = ["runtime", "model", "precision", "batch", "lanes", "ms", "images_per_second", "floor_ms", "share"]
    with open(options.out / "measured.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        writer.writerows(rows)
    found = {"device": device, "notes": notes, "rows": rows}
    (options.out / "measured.json").write_text(json.dumps(found, indent=1))
    lines = [f"# {device['name']}", "", device["features"]] if device else ["# No device"]
    lines += ["", *(f"- {note}" for note in notes), "", "| " + " | ".join(fields) + " |"]
    lines.append("| --- " * len(fields) + "|")
    for row in rows:
        shown = [f"{row[key]:.3g}" if isinstance(row.get(key), float) else str(row.get(key, "")) for key in fields]
        lines.append("| " + " | ".join(shown) + " |")
    selftest = (options.out / "selftest.txt").read_text()
    lines += ["", "## Self-test", "", "```", selftest.rstrip(), "```", ""]
    (options.out / "report.md").write_text("\n".join(lines))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spotter", default=os.environ.get("SPOTTER", ROOT / "build" / "spotter"))
    parser.add_argument("--backend", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "bench" / "gpu")
    parser.add_argument("--selftest", default="all", choices=["all", "operators", "models", "weights", "none"])
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--batches", default="1,4,8,16,32")
    parser.add_argument("--precisions", default="f16,f32")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--peak-f16", type=float, help="10^12 operations/s")
    parser.add_argument("--peak-f32", type=float, help="10^12 operations/s")
    parser.add_argument("--bandwidth", type=float, help="10^9 bytes/s")
    parser.add_argument("--onnx", type=pathlib.Path, default=SHARED / "onnx", help="folder of <model>.onnx")
    options = parser.parse_args()
    if not pathlib.Path(options.spotter).exists():
        sys.exit(f"bench: {options.spotter} is not there; build first: make build")
    return options


def find_device(options, notes):
    """Its name and features; None, with a note, when spotter cannot use it."""
    words = [options.spotter, "bench", "--backend", options.backend, "--seconds", 0.01, "--json"]
    try:
        return run_json([*words, "--model", options.models.split(",")[0]])["device"]
    except RuntimeError as error:
        notes.append(f"spotter: skipped, {error}.")
        return None


def main():
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    rows, notes = [], []
    passed = run_selftest(options, notes)
    device = find_device(options, notes)
    peaks = find_peaks(device["name"] if device else "", options)
    if peaks is None:
        notes.append("No floor: this device is not listed; give --peak-f16, --peak-f32 and --bandwidth.")
    onnxruntime = peers.OnnxRuntime(options.backend, notes)
    for model in options.models.split(","):
        rows += measure_model(options, model, device, peaks, onnxruntime, notes)
    report(options, device, rows, notes)
    print("\n".join([*notes, f"{len(rows)} measured; written: {options.out / 'report.md'}"]))
    sys.exit(0 if passed and rows else 1)


if __name__ == "__main__":
    main()
