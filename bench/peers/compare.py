"""The same networks in spotter and in other runtimes, side by side.

    bench/run                      makes a Python environment under build/, then runs this
    compare.py --help              what can be chosen

Every contender gets the same prepared input tensor and gives raw outputs: no decoding of pictures,
no resizing, no boxes. They take turns, A B C A B C ..., each for a short while on the same CPUs, so that
a busy or slow moment of the machine meets all of them; what counts is the median of the rounds. Before,
the outputs of every other runtime are compared with those of the first.

With several threads each contender runs as many copies of the network, one thread each, at the same
time: that gives all of them their highest throughput.
"""

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

NOISE_MOST = 0.1  # of outputs beside those of the first other runtime

# name -> detector, weights and ONNX file in the shared folder, side of the input
MODELS = {
    "nanodet-m-320": ("nanodet-m-320", "nanodet-m-320", "nanodet-m-320", 320),
    "nanodet-m-416": ("nanodet-m-416", "nanodet-m-416", "nanodet-m-416", 416),
    "yolov5-shufflenetv2-320": (
        "yolov5-shufflenetv2-320",
        "yolov5-shufflenetv2-coco-320",
        "yolov5-shufflenetv2-coco-320",
        320,
    ),
    "rfsong-779": ("rfsong-779", "rfsong-779-voc-300", "rfsong-779-voc-300", 300),
}


class Spotter:
    """`spotter bench --network` in a process of its own for each turn."""

    name = "spotter"

    def __init__(self, model, shared, precision, program, batch, threads):
        detector, weights, _, _ = MODELS[model]
        self.words = [str(program), "bench", "--network", "--backend", "cpu", "--json"]
        self.words += ["--batch", str(batch), "--threads", str(threads)]
        self.words += ["--model", f"{detector}={shared}/weights/{weights}.safetensors"]
        self.words += ["--precision", precision]
        self.precision = precision
        self.version = subprocess.check_output([program, "--version"], text=True).split()[1]

    def measure(self, seconds):
        """Milliseconds of a picture, the median of this turn, and pictures a second."""
        words = [*self.words, "--seconds", str(seconds)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        result = json.loads(done.stdout)["results"][0]
        return result["ms_per_image"]["median"], result["images_per_second"]

    def outputs(self):
        return None  # compared by the project's own tests


class InProcess:
    """A runtime that is called from Python; the call itself takes some microseconds."""

    def __init__(self, model, shared, precision, tensor, threads):
        self.batch = tensor.shape[0]
        self.precision = precision
        self.runs = [self.load(model, shared, precision, tensor) for _ in range(threads)]

    def run(self):
        return self.runs[0]()

    def measure(self, seconds):
        """As Spotter.measure. One copy of the network on each of several threads at the same time."""
        begin, times = time.perf_counter() + seconds * 0.2, []
        end = begin + seconds
        others = [threading.Thread(target=self.turn, args=(run, begin, end, times)) for run in self.runs[1:]]
        for other in others:
            other.start()
        self.turn(self.runs[0], begin, end, times)
        for other in others:
            other.join()
        milliseconds = statistics.median(times) / self.batch
        return milliseconds, len(self.runs) * 1000 / (statistics.mean(times) / self.batch)

    @staticmethod
    def turn(run, begin, end, times):
        run()
        mine = []
        while time.perf_counter() < end or len(mine) < 3:
            start = time.perf_counter()
            run()
            if start >= begin:
                mine.append((time.perf_counter() - start) * 1000)
        times.extend(mine)

    def outputs(self):
        return [value.ravel() for value in self.run()]


class OnnxRuntime(InProcess):
    name = "ONNX Runtime"

    def load(self, model, shared, precision, tensor):
        import onnxruntime

        if precision != "f32":
            raise NotImplementedError("f32 only on this CPU")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        path = f"{shared}/onnx/{MODELS[model][2]}.onnx"
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: tensor}
        self.version = onnxruntime.__version__
        return lambda: session.run(None, feed)


class OpenVino(InProcess):
    name = "OpenVINO"

    def load(self, model, shared, precision, tensor):
        import openvino

        core = openvino.Core()
        network = core.read_model(f"{shared}/onnx/{MODELS[model][2]}.onnx")
        network.reshape(list(tensor.shape))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": "1",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": precision,
        }
        compiled = core.compile_model(network, "CPU", settings)
        got = str(compiled.get_property("INFERENCE_PRECISION_HINT"))
        if precision not in got and {"f32": "float32", "bf16": "bfloat16"}[precision] not in got:
            raise NotImplementedError(f"computes in {got}")
        request = compiled.create_infer_request()
        self.version = importlib.metadata.version("openvino")
        return lambda: list(request.infer([tensor], share_inputs=True).values())


class Ncnn(InProcess):
    name = "ncnn"

    def load(self, model, shared, precision, tensor):
        import ncnn

        if tensor.shape[0] > 1:
            raise NotImplementedError("one picture at a time")
        stem = self.convert(pathlib.Path(f"{shared}/onnx/{MODELS[model][2]}.onnx"), tensor.shape)
        net = ncnn.Net()
        net.opt.num_threads = 1
        net.opt.use_vulkan_compute = False
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = precision == "bf16"
        net.load_param(f"{stem}.ncnn.param")
        net.load_model(f"{stem}.ncnn.bin")
        mat = ncnn.Mat(tensor[0]).clone()  # which owns its numbers
        names = net.output_names()

        def run():
            with net.create_extractor() as extractor:
                extractor.input("in0", mat)
                return [self.array(extractor.extract(name)[1]) for name in names]

        self.version = importlib.metadata.version("ncnn")
        return run

    @staticmethod
    def array(mat):
        import numpy

        return numpy.array(mat)

    @staticmethod
    def convert(onnx, shape):
        """ONNX to ncnn's own format by pnnx, once; returns the path without its endings."""
        # its converter alone: importing the package would want PyTorch
        package = importlib.util.find_spec("pnnx")
        if package is None:
            raise RuntimeError("pnnx, which converts the model, is not installed")
        folder = ROOT / "build" / "peers-models"
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / onnx.stem.replace("-", "_")
        if not stem.with_suffix(".ncnn.param").exists():
            copy = folder / onnx.name
            copy.write_bytes(onnx.read_bytes())
            tool = pathlib.Path(package.origin).with_name("pnnx")
            sizes = ",".join(map(str, shape))
            words = [tool, copy.name, f"inputshape=[{sizes}]", "fp16=0"]
            subprocess.run(words, cwd=folder, check=True, capture_output=True)
        return stem


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn}


def make_tensor(side, batch):
    import numpy

    return numpy.random.default_rng(1).standard_normal((batch, 3, side, side), dtype=numpy.float32)


def contenders(model, batch, threads, arguments):
    """Everything that runs this model here; what does not is named on standard error."""
    made = []
    for runtime in arguments.only:
        for precision in ("f32", "bf16"):
            try:
                if runtime == "spotter":
                    one = Spotter(model, arguments.shared, precision, arguments.spotter, batch, threads)
                    one.measure(0.01)
                else:
                    tensor = make_tensor(MODELS[model][3], batch)
                    one = PEERS[runtime](model, arguments.shared, precision, tensor, threads)
                    one.run()
                made.append(one)
            except Exception as reason:  # whatever a foreign runtime may raise
                text = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
                print(f"{model}: without {runtime} {precision}: {text}", file=sys.stderr)
    return made


def noise(outputs, expected):
    """The root mean square difference relative to the values; outputs in any order."""
    import numpy

    def joined(parts):
        return numpy.sort(numpy.concatenate(parts).astype(numpy.float64))

    a, b = joined(outputs), joined(expected)
    if a.shape != b.shape:
        return None
    return float(numpy.sqrt(((a - b) ** 2).mean() / (b**2).mean()))


def compare(model, batch, threads, arguments):
    runners = contenders(model, batch, threads, arguments)
    turns = [[] for _ in runners]
    if not runners:
        sys.exit(f"compare: nothing here runs {model}")
    expected = next((one.outputs() for one in runners if one.outputs()), None)
    for number in range(arguments.rounds):
        for one, times in zip(runners, turns):
            times.append(one.measure(arguments.seconds))
        if sys.stderr.isatty():
            print(f"\r{model}: round {number + 1} of {arguments.rounds} ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    rows = []
    for one, times in zip(runners, turns):
        outputs = one.outputs()
        off = noise(outputs, expected) if outputs else None
        if outputs and (off is None or off > NOISE_MOST):
            print(f"{model}: {one.name} {one.precision} computes something else", file=sys.stderr)
        rows.append(
            {
                "model": model,
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


def print_table(rows):
    """Ratios are to spotter in the same precision, batch and threads: 2.00 computes half as many."""

    def setting(row):
        return row["model"], row["precision"], row["batch"], row["threads"]

    titles = f"{'batch':>6}{'threads':>8}{'ms':>8}{'least':>9}{'most':>9}{'images/s':>10}  ratio"
    print(f"{'model':<25}{'runtime':<23}{'precision':<9}{titles}")
    own = {setting(row): row["images_per_second"] for row in rows if row["runtime"] == "spotter"}
    for row in rows:
        base = own.get(setting(row))
        ratio = f"{base / row['images_per_second']:7.2f}" if base else "      -"
        name = f"{row['runtime']} {row['version']}"
        print(
            f"{row['model']:<25}{name:<23}{row['precision']:<9}{row['batch']:>6}{row['threads']:>8}{row['ms']:>8.2f}"
            f"{row['ms_least']:>9.2f}{row['ms_most']:>9.2f}{row['images_per_second']:>10.1f}{ratio}"
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
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8], help="pictures computed together")
    all_threads = sorted({1, len(os.sched_getaffinity(0))})
    parser.add_argument("--threads", nargs="+", type=int, default=all_threads, help="copies that compute at the same time")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--cpu", type=int, help="the one that a single thread computes on (the last)")
    parser.add_argument("--out", type=pathlib.Path, help="write all figures here, as JSON")
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.shared, "weights").is_dir():
        sys.exit(f"compare: no weights in {arguments.shared}; name the folder with SPOT_SHARED")
    cpus = os.sched_getaffinity(0)
    cpu = arguments.cpu if arguments.cpu is not None else max(cpus)
    load = os.getloadavg()[0]
    rows = []
    for model, threads, batch in itertools.product(arguments.models, arguments.threads, arguments.batch):
        os.sched_setaffinity(0, {cpu} if threads == 1 else cpus)
        rows += compare(model, batch, threads, arguments)
    print_table(rows)
    print(f"{cpu_name()}, load {load:.1f} before")
    if arguments.out:
        about = {"cpu": cpu_name(), "load_before": load, "load_after": os.getloadavg()[0]}
        about.update(seconds=arguments.seconds, rounds=arguments.rounds, time=time.time())
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
