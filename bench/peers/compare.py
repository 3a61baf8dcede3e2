"""The same networks in spotter and in other runtimes, side by side.

    bench/run                      makes a Python environment under build/, then runs this
    compare.py --help              what can be chosen

Every contender gets the same prepared input tensor and gives raw outputs: no decoding of pictures,
no resizing, no boxes. They take turns, A B C A B C ..., each for a short while on the same CPUs, so that
a busy or slow moment of the machine meets all of them; what counts is the median of the rounds. The
outputs of every contender are compared with what spotter computes in float32 from the same input.

With several threads each contender runs as many copies of the network, one thread each, at the same
time: that gives all of them their highest throughput.
"""

import argparse
import importlib.util
import itertools
import json
import os
import pathlib
import platform
import statistics
import sys
import time

import networks
from networks import NETWORKS, Files
from runtimes import PEERS, Spotter

ROOT = pathlib.Path(__file__).resolve().parents[2]

# of outputs beside those of spotter in f32, or else of the first other runtime
NOISE_MOST = {"f32": 1e-3, "bf16": 0.1}


def contenders(files, batch, threads, computed, arguments):
    """Everything that runs this network here; what does not is named on standard error."""
    made = []
    for runtime in arguments.only:
        if runtime != "spotter" and files.onnx is None:
            continue
        for precision in ("f32", "bf16"):
            try:
                if runtime == "spotter":
                    one = Spotter(files, precision, arguments.spotter, batch, threads)
                    one.measure(0.01)
                else:
                    inputs = networks.make_inputs(files.network, batch, computed)
                    one = PEERS[runtime](files, precision, inputs, threads)
                    one.run()
                made.append(one)
            except Exception as reason:  # whatever a foreign runtime may raise
                text = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
                print(f"{files.name}: without {runtime} {precision}: {text}", file=sys.stderr)
    return made


def expected_outputs(files, arguments):
    """What spotter computes in float32, and its input: what all others are compared with. None without spotter."""
    if "spotter" not in arguments.only or importlib.util.find_spec("numpy") is None:
        return None
    return Spotter(files, "f32", arguments.spotter, 1, 1).computed()


def compare(files, batch, threads, arguments):
    computed = expected_outputs(files, arguments)
    runners = contenders(files, batch, threads, computed, arguments)
    turns = [[] for _ in runners]
    if not runners:
        sys.exit(f"compare: nothing here runs {files.name}")
    for number in range(arguments.rounds):
        for one, times in zip(runners, turns):
            times.append(one.measure(arguments.seconds))
        if sys.stderr.isatty():
            print(f"\r{files.name}: round {number + 1} of {arguments.rounds} ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    expected = files.network.shown(computed) if computed else None
    rows = []
    for one, times in zip(runners, turns):
        outputs = one.outputs() if importlib.util.find_spec("numpy") else None
        expected = expected or outputs
        off = networks.noise(outputs, expected) if outputs else None
        if outputs and (off is None or off > NOISE_MOST[one.precision]):
            print(f"{files.name}: {one.name} {one.precision} computes something else", file=sys.stderr)
        rows.append(
            {
                "model": files.name,
                "runtime": one.name,
                "version": one.version,
                "precision": one.precision,
                "batch": batch,
                "threads": threads,
                "ms": statistics.median(ms for ms, _ in times),
                "ms_least": min(ms for ms, _ in times),
                "ms_most": max(ms for ms, _ in times),
                "images_per_second": statistics.median(rate for _, rate in times),
                "turns": [ms for ms, _ in times],
                "noise": off,
            }
        )
    return rows


def read_accuracy(path):
    """(detector, precision) -> figure and value on coco-val-240, as bench/accuracy wrote them."""
    if not path.is_file():
        return {}
    found = {}
    for one in json.loads(path.read_text()):
        if one["pictures"] == "coco-val-240" and "--reduced-decoding" not in one["flags"]:
            for precision, value in one["values"].items():  # AP stands before AP50
                found.setdefault((one["detector"], precision), {"figure": one["figure"], "value": value})
    return found


def add_accuracy(rows, measured):
    """
    To spotter's rows what was measured. Another runtime that computes the same numbers in f32 finds the same;
    what others make of the pictures in bf16 was not measured.
    """
    for row in rows:
        same = row["precision"] == "f32" and row["noise"] is not None and row["noise"] <= NOISE_MOST["f32"]
        if row["runtime"] == "spotter" or same:
            row["accuracy"] = measured.get((NETWORKS[row["model"]].detector, row["precision"]))
        else:
            row["accuracy"] = None


def print_table(rows):
    """
    Ratios are to spotter in the same precision, batch and threads: 2.00 computes half as many. The last but one
    column counts pictures for each one of ONNX Runtime in f32.
    """

    def setting(row):
        return row["model"], row["batch"], row["threads"]

    def rates(runtime, precision):
        chosen = (row for row in rows if (row["runtime"], row["precision"]) == (runtime, precision))
        return {setting(row): row["images_per_second"] for row in chosen}

    def times(a, b):
        return f"{a / b:7.2f}" if a and b else "      -"

    titles = f"{'batch':>6}{'threads':>8}{'ms':>8}{'least':>9}{'most':>9}{'images/s':>10}  ratio  of ORT  accuracy"
    print(f"{'model':<25}{'runtime':<23}{'precision':<9}{titles}")
    own = {precision: rates("spotter", precision) for precision in ("f32", "bf16")}
    onnxruntime = rates("ONNX Runtime", "f32")
    for row in rows:
        rate, accuracy = row["images_per_second"], row["accuracy"]
        ratios = times(own[row["precision"]].get(setting(row)), rate) + " " + times(rate, onnxruntime.get(setting(row)))
        name = f"{row['runtime']} {row['version']}"
        print(
            f"{row['model']:<25}{name:<23}{row['precision']:<9}{row['batch']:>6}{row['threads']:>8}{row['ms']:>8.2f}"
            f"{row['ms_least']:>9.2f}{row['ms_most']:>9.2f}{rate:>10.1f}{ratios}  "
            + (f"{accuracy['figure']} {accuracy['value']:.4f}" if accuracy else "-")
        )


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("SPOT_SHARED", ROOT.parent / "shared")
    names = ["spotter", *PEERS]
    parser.add_argument("--spotter", default=ROOT / "build" / "spotter", type=pathlib.Path)
    parser.add_argument("--shared", default=shared, help="folder with weights/ and onnx/")
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8], help="pictures computed together")
    all_threads = sorted({1, len(os.sched_getaffinity(0))})
    parser.add_argument("--threads", nargs="+", type=int, default=all_threads, help="copies that compute at the same time")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--cpu", type=int, help="the one that a single thread computes on (the last)")
    results = ROOT / "build" / "bench" / "accuracy.json"
    parser.add_argument("--accuracy", default=results, type=pathlib.Path, help="what bench/accuracy found, to stand beside")
    parser.add_argument("--out", type=pathlib.Path, help="write all figures here, as JSON")
    arguments = parser.parse_args()
    needed = any(NETWORKS[name].weights for name in arguments.models)
    if needed and not pathlib.Path(arguments.shared, "weights").is_dir():
        sys.exit(f"compare: no weights in {arguments.shared}; name the folder with SPOT_SHARED")
    cpus = os.sched_getaffinity(0)
    cpu = arguments.cpu if arguments.cpu is not None else max(cpus)
    load = os.getloadavg()[0]
    rows = []
    for name in arguments.models:
        files = Files(name, arguments.shared, arguments.spotter)
        for threads, batch in itertools.product(arguments.threads, arguments.batch):
            os.sched_setaffinity(0, {cpu} if threads == 1 else cpus)
            rows += compare(files, batch, threads, arguments)
    add_accuracy(rows, read_accuracy(arguments.accuracy))
    print_table(rows)
    print(f"{cpu_name()}, load {load:.1f} before")
    if arguments.out:
        about = {"cpu": cpu_name(), "load_before": load, "load_after": os.getloadavg()[0]}
        about.update(seconds=arguments.seconds, rounds=arguments.rounds, time=time.time())
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
