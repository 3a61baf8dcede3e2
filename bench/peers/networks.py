"""The networks that are compared: where each runtime finds them, their inputs, and what their outputs mean."""

import dataclasses
import pathlib

import safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]
MADE = ROOT / "build" / "bench"  # files that are made for a comparison
TWO_STAGE_DETECTOR = "light-head-rcnn-s"
REGIONS = (1000, 10, 7, 7)  # that its second stage reads of each picture


@dataclasses.dataclass(frozen=True)
class Network:
    """Files are names in the shared folder's weights/ and onnx/; without weights spotter makes its own."""

    detector: str
    width: int
    height: int
    weights: str = ""
    onnx: str = ""
    variant: str = ""
    two_stages: bool = False  # weights and ONNX file are made (light_head.py)

    def shown(self, computed):
        """Of everything that spotter computed what the ONNX file gives, too."""
        if self.two_stages:
            return {name: computed[name] for name in TWO_STAGES}
        return {name: values for name, values in computed.items() if name != "input"}


NETWORKS = {
    "nanodet-m-320": Network("nanodet-m-320", 320, 320, "nanodet-m-320", "nanodet-m-320"),
    "nanodet-m-416": Network("nanodet-m-416", 416, 416, "nanodet-m-416", "nanodet-m-416"),
    "yolov5-shufflenetv2-320": Network(
        *("yolov5-shufflenetv2-320", 320, 320, "yolov5-shufflenetv2-coco-320", "yolov5-shufflenetv2-coco-320")
    ),
    "rfsong-779": Network("rfsong-779", 300, 300, "rfsong-779-voc-300", "rfsong-779-voc-300"),
    "rfsong-7993": Network("rfsong-7993", 300, 300),  # no weights of it are public
    "light-head-rcnn-s": Network(TWO_STAGE_DETECTOR, 1100, 700, two_stages=True),
    "light-head-rcnn-s-640": Network(TWO_STAGE_DETECTOR, 640, 416, variant="canvas=640x416", two_stages=True),
}


class Files:
    """A network's files; those of two stages are made on the way."""

    def __init__(self, name, shared, spotter):
        self.name, self.network = name, NETWORKS[name]
        network = self.network
        if network.two_stages:
            import light_head

            MADE.mkdir(parents=True, exist_ok=True)
            self.weights, self.onnx = MADE / f"{network.detector}.safetensors", MADE / f"{name}.onnx"
            tensors = light_head.make_weights(spotter, network.detector)
            safetensors.write(self.weights, tensors)
            try:
                light_head.make_onnx(tensors, network.width, network.height, self.onnx)
            except ImportError:
                self.onnx = None
        else:
            self.weights = pathlib.Path(shared, "weights", f"{network.weights}.safetensors") if network.weights else None
            self.onnx = pathlib.Path(shared, "onnx", f"{network.onnx}.onnx") if network.onnx else None

    def words(self):
        """Flags of spotter."""
        network = self.network
        words = ["--model", f"{network.detector}={self.weights}" if self.weights else network.detector]
        return [*words, "--variant", network.variant] if network.variant else words


def make_inputs(network, batch, computed):
    """What other runtimes get, in the order of their inputs: what spotter computed from, or noise."""
    import numpy

    random = numpy.random.default_rng(1)
    shapes = {"input": (1, 3, network.height, network.width)}
    if network.two_stages:
        shapes["pooled"] = REGIONS
    inputs = []
    for name, shape in shapes.items():
        one = computed[name] if computed else random.standard_normal(shape, dtype=numpy.float32)
        inputs.append(numpy.tile(one.reshape(shape), (batch, 1, 1, 1)))
    return inputs


def as_in_onnx(name, values):
    """An output of spotter as the ONNX files give it, which go one step further: scores are 0 to 1."""
    import numpy

    if name.startswith("head.gfl_cls"):  # NanoDet: 80 classes, then the sides of boxes
        values = values.copy()
        values[:, :80] = 1 / (1 + numpy.exp(-values[:, :80]))
    elif name.startswith("conf."):  # RFSong: pairs of background and object
        pairs = values.reshape(values.shape[0], -1, 2, *values.shape[2:])
        values = 1 / (1 + numpy.exp(pairs[:, :, ::-1] - pairs))
    return values


# Of two stages: what the ONNX files give; and the maps before regions are chosen, which another precision may
# choose in another order.
TWO_STAGES = ("rpn.cls", "rpn.bbox", "thin", "rcnn.cls", "rcnn.bbox")
BEFORE_REGIONS = TWO_STAGES[:3]


def noise(outputs, expected):
    """
    The root mean square difference relative to the values, both given by name. Outputs that have the same
    names are compared one by one, the largest counts; others as one sorted list of all numbers, since the
    files order them in their own ways. None when their sizes differ.
    """
    import numpy

    def relative(a, b):
        if a.size != b.size:
            return None
        a, b = a.ravel().astype(numpy.float64), b.ravel().astype(numpy.float64)
        return float(numpy.sqrt(((a - b) ** 2).mean() / (b**2).mean()))

    def joined(parts):
        return numpy.sort(numpy.concatenate([part.ravel() for part in parts.values()]))

    both = sorted(set(outputs) & set(expected))
    if both:
        each = [relative(outputs[name], expected[name]) for name in both]
        return None if None in each else max(each)
    return relative(joined(outputs), joined({name: as_in_onnx(name, values) for name, values in expected.items()}))
