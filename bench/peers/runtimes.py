"""Runtimes that compute a network, each measured in the same way."""

import importlib.metadata
import importlib.util
import json
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import networks
import safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Spotter:
    """`spotter bench --network` in a process of its own for each turn."""

    name = "spotter"

    def __init__(self, files, precision, program, batch, threads):
        self.words = [program, "bench", "--network", "--backend", "cpu", *files.words(), "--precision", precision]
        self.batch, self.threads, self.precision = batch, threads, precision
        self.two_stages = files.network.two_stages
        self.version = subprocess.check_output([program, "--version"], text=True).split()[1]

    def measure(self, seconds):
        """Milliseconds of a picture, the median of this turn, and pictures a second."""
        words = ("--batch", self.batch, "--threads", self.threads, "--seconds", seconds, "--json")
        result = json.loads(self.call(*words))["results"][0]
        return result["ms_per_image"]["median"], result["images_per_second"]

    def computed(self):
        """Everything that it computes from its input, and the input, by name."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "outputs.safetensors")
            self.call("--outputs", path)
            return safetensors.read(path)

    def outputs(self):
        computed = self.computed()
        if self.two_stages:
            return {name: computed[name] for name in networks.BEFORE_REGIONS}
        return {name: values for name, values in computed.items() if name != "input"}

    def call(self, *words):
        done = subprocess.run([*map(str, self.words), *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout


class InProcess:
    """A runtime that is called from Python; the call itself takes some microseconds."""

    def __init__(self, files, precision, inputs, threads):
        self.batch = inputs[0].shape[0]
        self.precision = precision
        self.inputs = inputs  # what runs read, each time
        self.runs = [self.load(files, precision, inputs) for _ in range(threads)]

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
        """By name, of the first picture: all pictures of a batch are alike."""
        return {name: value[: len(value) // self.batch] for name, value in zip(self.names, self.run())}

    def compute(self, inputs):
        """Outputs by name, of other inputs of the same shapes. For one made with a single thread."""
        for mine, values in zip(self.inputs, inputs):
            mine[...] = values
        return self.outputs()


class OnnxRuntime(InProcess):
    name = "ONNX Runtime"

    def load(self, files, precision, inputs):
        import onnxruntime

        if precision != "f32":
            raise NotImplementedError("f32 only on this CPU")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(files.onnx, options, providers=["CPUExecutionProvider"])
        feed = {one.name: values for one, values in zip(session.get_inputs(), inputs)}
        self.names = [one.name for one in session.get_outputs()]
        self.version = onnxruntime.__version__
        return lambda: session.run(None, feed)


class OpenVino(InProcess):
    name = "OpenVINO"

    def load(self, files, precision, inputs):
        import openvino

        core = openvino.Core()
        network = core.read_model(files.onnx)
        network.reshape({one: list(values.shape) for one, values in zip(network.inputs, inputs)})
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
        self.names = [one.get_any_name() for one in network.outputs]
        return lambda: list(request.infer(inputs, share_inputs=True).values())


class Ncnn(InProcess):
    name = "ncnn"

    def load(self, files, precision, inputs):
        import ncnn

        if inputs[0].shape[0] > 1:
            raise NotImplementedError("one picture at a time")
        stem = self.convert(files.onnx, inputs)
        net = ncnn.Net()
        net.opt.num_threads = 1
        net.opt.use_vulkan_compute = False
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = precision == "bf16"
        net.load_param(f"{stem}.ncnn.param")
        net.load_model(f"{stem}.ncnn.bin")
        # the batch of pictures is no dimension to it, that of regions is; clone owns its numbers
        mats = [ncnn.Mat(values[0] if len(values) == 1 else values).clone() for values in inputs]
        self.inputs = [self.view(mat) for mat in mats]
        self.names = names = net.output_names()

        def run():
            with net.create_extractor() as extractor:
                for number, mat in enumerate(mats):
                    extractor.input(f"in{number}", mat)
                return [self.array(extractor.extract(name)[1]) for name in names]

        self.version = importlib.metadata.version("ncnn")
        return run

    @staticmethod
    def view(mat):
        """The mat's own numbers."""
        import numpy

        return numpy.array(mat, copy=False)

    @staticmethod
    def array(mat):
        import numpy

        return numpy.array(mat)

    @staticmethod
    def convert(onnx, inputs):
        """ONNX to ncnn's own format by pnnx, once; returns the path without its endings."""
        # its converter alone: importing the package would want PyTorch
        package = importlib.util.find_spec("pnnx")
        if package is None:
            raise RuntimeError("pnnx, which converts the model, is not installed")
        folder = ROOT / "build" / "peers-models"
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / onnx.stem.replace("-", "_")
        param = stem.with_suffix(".ncnn.param")
        if not param.exists() or param.stat().st_mtime < onnx.stat().st_mtime:
            copy = folder / onnx.name
            copy.write_bytes(onnx.read_bytes())
            tool = pathlib.Path(package.origin).with_name("pnnx")
            sizes = ",".join(f"[{','.join(map(str, values.shape))}]" for values in inputs)
            words = [tool, copy.name, f"inputshape={sizes}", "fp16=0"]
            subprocess.run(words, cwd=folder, check=True, capture_output=True)
        return stem


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn}
