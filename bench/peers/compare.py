"""The same networks in spotter and in other runtimes, side by side.

    bench/run                      makes a Python environment under build/, then runs this
    compare.py --help              what can be chosen

Every contender gets the same prepared input tensor and gives raw outputs: no decoding of pictures,
no resizing, no boxes. They take turns, A B C A B C ..., each for a short while on the same CPUs, so that
a busy or slow moment of the machine meets all of them. Speeds of one round are compared with each other
only, and what counts is the median of the rounds' ratios. The outputs of every contender are compared with what spotter computes in float32 from the same input.

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
import typing

import networks
from networks import NETWORKS, Files
from runtimes import PEERS, Spotter

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALL_CPUS = os.sched_getaffinity(0)

# of outputs beside those of spotter in f32, or else of the first other runtime
NOISE_MOST = {"f32": 1e-3, "bf16": 0.1}


class Setting(typing.NamedTuple):
    batch: int
    threads: int

    def pin(self, cpu):
        """A single thread computes on one CPU, several on all that this program was given."""
        os.sched_setaffinity(0, {cpu} if self.threads == 1 else ALL_CPUS)


def contenders(files, setting, computed, arguments):
    """Everything that runs this network here; what does not is named on standard error."""
    setting.pin(arguments.cpu)
    made = []
    for runtime in arguments.only:
        if runtime != "spotter" and files.onnx is None:
            continue
        for precision in ("f32", "bf16"):
            try:
                if runtime == "spotter":
                    one = Spotter(files, precision, arguments.spotter, *setting)
                    one.measure(0.01)
                else:
                    inputs = networks.make_inputs(files.network, setting.batch, computed)
                    one = PEERS[runtime](files, precision, inputs, setting.threads)
                    one.run()
                made.append((setting, one))
            except Exception as reason:  # whatever a foreign runtime may raise
                text = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
                print(f"{files.name}: without {runtime} {precision}: {text}", file=sys.stderr)
    return made


def expected_outputs(files, arguments):
    """What spotter computes in float32, and its input: what all others are compared with. None without spotter."""
    if "spotter" not in arguments.only or importlib.util.find_spec("numpy") is None:
        return None
    return Spotter(files, "f32", arguments.spotter, 1, 1).computed()


def take_turns(files, runners, arguments):
    """(milliseconds, pictures a second) of each runner in each round."""
    turns = [[] for _ in runners]
    for number in range(arguments.rounds):
        for (setting, one), times in zip(runners, turns):
            setting.pin(arguments.cpu)
            times.append(one.measure(arguments.seconds))
        if sys.stderr.isatty():
            print(f"\r{files.name}: round {number + 1} of {arguments.rounds} ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return turns


def compare(files, settings, arguments):
    computed = expected_outputs(files, arguments)
    runners = [one for setting in settings for one in contenders(files, setting, computed, arguments)]
    if not runners:
        sys.exit(f"compare: nothing here runs {files.name}")
    turns = take_turns(files, runners, arguments)
    expected = files.network.shown(computed) if computed else None
    rows = []
    for (setting, one), times in zip(runners, turns):
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
                "batch": setting.batch,
                "threads": setting.threads,
                "ms": statistics.median(ms for ms, _ in times),
                "ms_least": min(ms for ms, _ in times),
                "ms_most": max(ms for ms, _ in times),
                "images_per_second": statistics.median(rate for _, rate in times),
                "turns": [rate for _, rate in times],
                "noise": off,
            }
        )
    return rows


def read_accuracy(path):
    """(detector, precision) -> figure and value on coco-val-240, as bench/accuracy wrote them."""
    found = {}
    for one in read_list(path):
        if one["pictures"] == "coco-val-240" and "--reduced-decoding" not in one["flags"]:
            for precision, value in one["values"].items():  # AP stands before AP50
                found.setdefault((one["detector"], precision), {"figure": one["figure"], "value": value})
    return found


def read_peers_accuracy(path):
    """which_peer -> figure and value on coco-val-240, as accuracy.py wrote them."""
    return {which_peer(one): {"figure": one["figure"], "value": one["value"]} for one in read_list(path)}


def which_peer(row):
    return row["model"], row["runtime"], row["version"], row["precision"]


def read_list(path):
    return json.loads(path.read_text()) if path.is_file() else []


def add_accuracy(rows, spotters, peers):
    """To each row what was measured. Another runtime that was not, but computes the same numbers in f32, finds the same."""
    for row in rows:
        row["accuracy"] = peers.get(which_peer(row))
        same = row["precision"] == "f32" and row["noise"] is not None and row["noise"] <= NOISE_MOST["f32"]
        if row["runtime"] == "spotter" or row["accuracy"] is None and same:
            row["accuracy"] = spotters.get((NETWORKS[row["model"]].detector, row["precision"]))


def ratio(row, other):
    """Pictures of `row` for each one of `other`: the median of the rounds. None without one of them."""
    if row is None or other is None:
        return None
    return statistics.median(a / b for a, b in zip(row["turns"], other["turns"]))


def add_ratios(rows):
    """
    To each row: how many pictures spotter computes for each of its own in the same precision, batch and threads
    (2.00: the row computes half as many); how many it computes itself for each of ONNX Runtime's in f32; and for each
    that the same runtime computes one at a time on one thread.
    """
    found = {(r["model"], r["runtime"], r["precision"], r["batch"], r["threads"]): r for r in rows}
    for row in rows:
        model, setting = row["model"], (row["batch"], row["threads"])
        row["spotter_for_each"] = ratio(found.get((model, "spotter", row["precision"], *setting)), row)
        row["of_onnxruntime"] = ratio(row, found.get((model, "ONNX Runtime", "f32", *setting)))
        row["of_single"] = ratio(row, found.get((model, row["runtime"], row["precision"], 1, 1)))


def print_table(rows):
    def times(value):
        return f"{value:8.2f}" if value else "       -"

    titles = f"{'batch':>6}{'threads':>8}{'ms':>8}{'least':>9}{'most':>9}{'images/s':>10}   ratio  of ORT  of 1x1  accuracy"
    print(f"{'model':<25}{'runtime':<23}{'precision':<9}{titles}")
    for row in rows:
        accuracy, name = row["accuracy"], f"{row['runtime']} {row['version']}"
        ratios = times(row["spotter_for_each"]) + times(row["of_onnxruntime"]) + times(row["of_single"])
        print(
            f"{row['model']:<25}{name:<23}{row['precision']:<9}{row['batch']:>6}{row['threads']:>8}{row['ms']:>8.2f}"
            f"{row['ms_least']:>9.2f}{row['ms_most']:>9.2f}{row['images_per_second']:>10.1f}{ratios}  "
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
    all_threads = sorted({1, len(ALL_CPUS)})
    parser.add_argument("--threads", nargs="+", type=int, default=all_threads, help="copies that compute at the same time")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--cpu", type=int, default=max(ALL_CPUS), help="the one that a single thread computes on (the last)")
    results = ROOT / "build" / "bench" / "accuracy.json"
    parser.add_argument("--accuracy", default=results, type=pathlib.Path, help="what bench/accuracy found, to stand beside")
    parser.add_argument("--out", type=pathlib.Path, help="write all figures here, as JSON")
    arguments = parser.parse_args()
    needed = any(NETWORKS[name].weights for name in arguments.models)
    if needed and not pathlib.Path(arguments.shared, "weights").is_dir():
        sys.exit(f"compare: no weights in {arguments.shared}; name the folder with SPOT_SHARED")
    load = os.getloadavg()[0]
    rows = []
    for name in arguments.models:
        files = Files(name, arguments.shared, arguments.spotter)
        settings = [Setting(*one) for one in itertools.product(arguments.batch, arguments.threads)]
        rows += compare(files, settings, arguments)
    add_ratios(rows)
    beside = arguments.accuracy.with_name("peers-accuracy.json")  # what accuracy.py found
    add_accuracy(rows, read_accuracy(arguments.accuracy), read_peers_accuracy(beside))
    print_table(rows)
    print(f"{cpu_name()}, load {load:.1f} before")
    if arguments.out:
        about = {"cpu": cpu_name(), "load_before": load, "load_after": os.getloadavg()[0]}
        about.update(seconds=arguments.seconds, rounds=arguments.rounds, time=time.time())
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
