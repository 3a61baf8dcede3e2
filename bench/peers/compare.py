"""The same networks in spotter and in other runtimes: one picture, one thread, side by side.

    bench/run                      makes a Python environment under build/, then runs this
    compare.py --help              what can be chosen

Every contender gets the same prepared input tensor and gives raw outputs: no decoding of pictures,
no resizing, no boxes. They take turns, A B C A B C ..., each for a short while on one and the same
CPU, so that a busy or slow moment of the machine meets all of them; what counts is the median of
the rounds. Before, the outputs of every other runtime are compared with those of the first.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
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

    def __init__(self, model, shared, precision, program):
        detector, weights, _, _ = MODELS[model]
        self.words = [str(program), "bench", "--network", "--backend", "cpu", "--json"]
        self.words += ["--model", f"{detector}={shared}/weights/{weights}.safetensors"]
        self.words += ["--precision", precision]
        self.precision = precision
        self.version = subprocess.check_output([program, "--version"], text=True).split()[1]

    def measure(self, seconds):
        """Milliseconds of a picture, the median of this turn."""
        words = [*self.words, "--seconds", str(seconds)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return json.loads(done.stdout)["results"][0]["ms_per_image"]["median"]

    def outputs(self):
        return None  # compared by the project's own tests


class InProcess:
    """A runtime that is called from Python; the call itself takes some microseconds."""

    def measure(self, seconds):
        self.run()
        times = []
        end = time.perf_counter() + seconds * 1.2
        warm = time.perf_counter() + seconds * 0.2
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            self.run()
            stop = time.perf_counter()
            if start >= warm:
                times.append((stop - start) * 1000)
        return statistics.median(times)

    def outputs(self):
        return [value.ravel() for value in self.run()]


class OnnxRuntime(InProcess):
    name = "ONNX Runtime"

    def __init__(self, model, shared, precision, tensor):
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
        self.run = lambda: session.run(None, feed)
        self.precision, self.version = precision, onnxruntime.__version__


class OpenVino(InProcess):
    name = "OpenVINO"

    def __init__(self, model, shared, precision, tensor):
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
        self.run = lambda: list(request.infer([tensor], share_inputs=True).values())
        self.precision, self.version = precision, importlib.metadata.version("openvino")


class Ncnn(InProcess):
    name = "ncnn"

    def __init__(self, model, shared, precision, tensor):
        import ncnn

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

        self.run, self.precision = run, precision
        self.version = importlib.metadata.version("ncnn")

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


def make_tensor(side):
    import numpy

    return numpy.random.default_rng(1).standard_normal((1, 3, side, side), dtype=numpy.float32)


def contenders(model, arguments):
    """Everything that runs this model here; what does not is named on standard error."""
    made = []
    for runtime in arguments.only:
        for precision in ("f32", "bf16"):
            try:
                if runtime == "spotter":
                    one = Spotter(model, arguments.shared, precision, arguments.spotter)
                    one.measure(0.01)
                else:
                    tensor = make_tensor(MODELS[model][3])
                    one = PEERS[runtime](model, arguments.shared, precision, tensor)
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


def compare(model, arguments):
    runners = contenders(model, arguments)
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
                "ms": statistics.median(times),
                "ms_least": min(times),
                "ms_most": max(times),
                "turns": times,
                "noise": off,
            }
        )
    return rows


def print_table(rows):
    """Ratios are to spotter in the same precision: 2.00 takes twice as long."""
    print(f"{'model':<25}{'runtime':<23}{'precision':<11}{'ms':>8}{'least':>9}{'most':>9}  ratio")
    own = {(r["model"], r["precision"]): r["ms"] for r in rows if r["runtime"] == "spotter"}
    for row in rows:
        base = own.get((row["model"], row["precision"]))
        ratio = f"{row['ms'] / base:7.2f}" if base else "      -"
        name = f"{row['runtime']} {row['version']}"
        print(
            f"{row['model']:<25}{name:<23}{row['precision']:<11}{row['ms']:>8.2f}"
            f"{row['ms_least']:>9.2f}{row['ms_most']:>9.2f}{ratio}"
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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--cpu", type=int, help="the one to compute on (the last)")
    parser.add_argument("--out", type=pathlib.Path, help="write all figures here, as JSON")
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.shared, "weights").is_dir():
        sys.exit(f"compare: no weights in {arguments.shared}; name the folder with SPOT_SHARED")
    cpu = arguments.cpu if arguments.cpu is not None else max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    load = os.getloadavg()[0]
    rows = [row for model in arguments.models for row in compare(model, arguments)]
    print_table(rows)
    print(f"{cpu_name()}, CPU {cpu}, 1 thread, batch 1, load {load:.1f} before")
    if arguments.out:
        about = {"cpu": cpu_name(), "load_before": load, "load_after": os.getloadavg()[0]}
        about.update(seconds=arguments.seconds, rounds=arguments.rounds, time=time.time())
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
