"""Requests a second of spotter and of Python serving stacks, with the same model, pictures and load.

    bench/serving/run                 makes a Python environment under build/, then runs this
    compare.py --help                 what can be chosen

The servers take turns, A B C A B C ..., each alone on the machine with wrk; what counts is the median of
the rounds. In the same rounds spotter decodes and detects the picture without HTTP (`spotter bench --decode`), one
thread for each core: what its server could reach if serving cost nothing, and wrk neither. Needs wrk.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
MODEL = "nanodet-m-320"
LOG = ROOT / "build" / "bench" / "serving.log"  # what the servers print
START_MOST_S = 60
STILL_S, TRIES_MOST = 0.5, 5  # a turn in which the machine stood still for so long is repeated, so often
OVERLAP_LEAST = 0.8  # of a server's boxes with spotter's

WRK = """
local file = assert(io.open("%s", "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "%s"
file:close()
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """A server in a process group of its own, while a `with` lasts."""

    def __init__(self, name, precision, words, as_json=False, in_process=None):
        self.name, self.precision, self.words, self.as_json = name, precision, words, as_json
        self.in_process = in_process  # a command that does the same without HTTP

    def __enter__(self):
        self.port = free_port()
        words = [str(word).format(port=self.port) for word in self.words]
        with LOG.open("a") as log:
            self.process = subprocess.Popen(words, cwd=HERE, start_new_session=True, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, 15)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def body(self, picture):
        data = picture.read_bytes()
        if self.as_json:
            return json.dumps({"image": base64.b64encode(data).decode()}).encode(), "application/json"
        return data, "image/jpeg"

    def boxes(self, picture):
        """What it finds; waits until it answers."""
        data, kind = self.body(picture)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/detect", data, {"Content-Type": kind})
        end = time.monotonic() + START_MOST_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    return json.load(reply)["detections"]
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError(f"{self.name} does not answer; see {LOG}") from None
                time.sleep(0.2)

    def load(self, picture, folder, seconds, connections):
        data, kind = self.body(picture)
        body = folder / "body"
        body.write_bytes(data)
        script = folder / "post.lua"
        script.write_text(WRK % (body, kind) + (ROOT / "tests/load/report.lua").read_text())
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script]
        done = subprocess.run(
            [*map(str, words), f"http://127.0.0.1:{self.port}/detect"], capture_output=True, text=True, check=True
        )
        run = json.loads(re.search(r"^\{.*\}$", done.stdout, re.M).group())
        run["rate"] *= 1 - run["errors"] / max(run["requests"], 1)  # what was answered well
        return run


def decode_and_detect(words, seconds):
    """Pictures a second, without HTTP."""
    done = subprocess.run([*map(str, words), "--seconds", str(seconds)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare: {done.stderr.strip()}")
    return json.loads(done.stdout)["results"][0]["images_per_second"]


def make_servers(arguments):
    cores = len(os.sched_getaffinity(0))
    weights = f"{MODEL}={arguments.shared}/weights/{MODEL}.safetensors"
    own = [arguments.spotter.resolve(), "serve", "--listen", "127.0.0.1:{port}", "--backend", "cpu", "--model", weights]
    own += ["--confidence", "0.35", "--log-access=false", "--log-level", "error"]
    own += ["--limits-queue-ms", 60000]  # the others have no limit either
    alone = [arguments.spotter.resolve(), "bench", "--backend", "cpu", "--model", weights, "--threads", cores, "--json"]
    alone += ["--decode", arguments.picture.resolve()]
    f32 = ["--precision", "f32"]
    servers = [
        Server("spotter", "f32", [*own, *f32], in_process=[*alone, *f32]),
        Server("spotter", "default", own, in_process=alone),
        Server("spotter, base64", "default", own, as_json=True),
        Server("FastAPI", "f32", [sys.executable, "serve_fastapi.py", "{port}", cores]),
        Server("LitServe, base64", "f32", [sys.executable, "serve_litserve.py", "{port}", cores], as_json=True),
    ]
    return [one for one in servers if not arguments.only or any(name in one.name for name in arguments.only)]


def overlap(a, b):
    width = min(a["x_max"], b["x_max"]) - max(a["x_min"], b["x_min"])
    height = min(a["y_max"], b["y_max"]) - max(a["y_min"], b["y_min"])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box["x_max"] - box["x_min"]) * (box["y_max"] - box["y_min"])
    return width * height / (area(a) + area(b) - width * height)


def check(server, found, expected):
    """Every confident box must be there: else the work is not the same."""
    for item in (item for item in expected if item["confidence"] > 0.5):
        alike = [one for one in found if one["class_id"] == item["class_id"]]
        if not any(overlap(one["box"], item["box"]) >= OVERLAP_LEAST for one in alike):
            sys.exit(f"compare: {server.name} does not find what spotter finds: {item}")


class Stillness(threading.Thread):
    """Notes, while a `with` lasts, for how long at most this process did not run: a virtual machine may be stopped for seconds."""

    def __init__(self):
        super().__init__(daemon=True)
        self.longest_s, self.ended = 0, threading.Event()

    def run(self):
        before = time.monotonic()
        while not self.ended.wait(0.02):
            now = time.monotonic()
            self.longest_s, before = max(self.longest_s, now - before), now

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def turn(server, arguments, expected):
    """What wrk counts and what the server finds, which must be what is expected if that is known."""
    with server:
        found = server.boxes(arguments.picture)
        check(server, found, expected or found)
        server.load(arguments.picture, arguments.folder, 1, arguments.connections)  # warms up
        counted = server.load(arguments.picture, arguments.folder, arguments.seconds, arguments.connections)
    if server.in_process:
        counted["in_process"] = decode_and_detect(server.in_process, arguments.seconds)
    return counted, found


def undisturbed_turn(server, arguments, expected):
    """The same, once more if the machine stood still meanwhile, whatever came of it."""
    for _ in range(TRIES_MOST):
        failure = None
        with Stillness() as stillness:
            try:
                result = turn(server, arguments, expected)
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                failure = error
        if stillness.longest_s < STILL_S:
            if failure:
                raise failure
            return result
        print(f"the machine stood still for {stillness.longest_s:.1f} s: once more", file=sys.stderr)
    sys.exit(f"compare: the machine stood still in each of {TRIES_MOST} turns of {server.name}")


def measure(servers, arguments):
    turns = [[] for _ in servers]
    expected = None
    for number in range(arguments.rounds):
        for server, runs in zip(servers, turns):
            print(f"round {number + 1} of {arguments.rounds}: {server.name} {server.precision}", file=sys.stderr)
            counted, found = undisturbed_turn(server, arguments, expected)
            expected = expected or found
            runs.append(counted)
    return turns


def summarise(server, runs):
    """Medians of the rounds; the share of what is reached in process, too, round by round."""
    row = {"server": server.name, "precision": server.precision}
    for key in ("rate", "p50", "p99", "errors"):
        row[key] = statistics.median(run[key] for run in runs)
    if server.in_process:
        row["in_process"] = statistics.median(run["in_process"] for run in runs)
        row["share_of_in_process"] = statistics.median(run["rate"] / run["in_process"] for run in runs)
    return {**row, "turns": runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("SPOT_SHARED", ROOT.parent / "shared")
    parser.add_argument("--spotter", default=ROOT / "build" / "spotter", type=pathlib.Path)
    parser.add_argument("--shared", default=shared, type=pathlib.Path, help="folder with weights/, onnx/ and images/")
    parser.add_argument("--picture", type=pathlib.Path, help="a JPEG (images/rfsong-2.jpg of the folder, 640 x 422)")
    parser.add_argument("--only", nargs="+", help="servers whose names contain one of these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each turn")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--out", type=pathlib.Path, help="write all figures here, as JSON")
    arguments = parser.parse_args()
    arguments.shared = arguments.shared.resolve()
    arguments.picture = arguments.picture or arguments.shared / "images" / "rfsong-2.jpg"
    if not arguments.picture.is_file():
        sys.exit(f"compare: there is no picture '{arguments.picture}'")
    os.environ["SERVING_MODEL"] = str(arguments.shared / "onnx" / f"{MODEL}.onnx")
    arguments.folder = ROOT / "build" / "bench"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    load = os.getloadavg()[0]
    servers = make_servers(arguments)
    turns = measure(servers, arguments)
    rows = [summarise(server, runs) for server, runs in zip(servers, turns)]
    bases = [next((row["rate"] for row in rows if row["server"] == "spotter" and row["precision"] == precision), None)
             for precision in ("f32", "default")]
    print("| server | precision | requests/s | p50 ms | p99 ms | errors | spotter f32 answers times as many "
          "| its default | of decode + engine in process |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        ratios = " | ".join(f"{base / row['rate']:.2f}" if base and row["rate"] else "-" for base in bases)
        share = f"{row['share_of_in_process']:.2f} of {row['in_process']:.1f}/s" if "in_process" in row else "-"
        print(
            f"| {row['server']} | {row['precision']} | {row['rate']:.1f} | {row['p50']:.1f} | {row['p99']:.1f} "
            f"| {row['errors']:.0f} | {ratios} | {share} |"
        )
    print(f"\n{arguments.picture.name}, {arguments.connections} connections, load {load:.1f} before")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"load_before": load, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
