"""NanoDet-m on ONNX Runtime: bytes of a picture to boxes, as a careful Python programmer writes it."""

import os

import cv2
import numpy as np
import onnxruntime

SIDE = 320
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
SCALE = 1 / np.array([57.375, 57.12, 58.395], np.float32)
CLASSES = 80
CONFIDENCE, IOU, MOST = 0.35, 0.6, 100


def priors():
    """Centres and strides of all cells, in the order of the network's output."""
    parts = []
    for stride in (8, 16, 32):
        cells = SIDE // stride
        y, x = np.mgrid[0:cells, 0:cells]
        parts.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full_like(x, stride)], -1).reshape(-1, 3))
    return np.concatenate(parts).astype(np.float32)


class Detector:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            os.environ["SERVING_MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name
        self.priors = priors()
        cv2.setNumThreads(1)

    def __call__(self, data):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError("the bytes are no picture")
        height, width = picture.shape[:2]
        ratio = min(SIDE / width, SIDE / height)
        size = max(1, int(width * ratio + 0.5)), max(1, int(height * ratio + 0.5))
        left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
        canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
        canvas[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size)
        tensor = ((canvas - MEAN) * SCALE).transpose(2, 0, 1)[None]
        (raw,) = self.session.run(None, {self.name: np.ascontiguousarray(tensor)})
        return self.decode(raw[0], ratio, left, top, width, height)

    def decode(self, raw, ratio, left, top, width, height):
        scores = raw[:, :CLASSES]
        kept = np.flatnonzero(scores.max(1) >= CONFIDENCE)
        classes, scores = scores[kept].argmax(1), scores[kept].max(1)
        sides = np.exp(raw[kept, CLASSES:].reshape(-1, 4, 8))
        sides = (sides / sides.sum(2, keepdims=True)) @ np.arange(8, dtype=np.float32)
        centre, stride = self.priors[kept, :2], self.priors[kept, 2:]
        low = (centre - sides[:, :2] * stride - (left, top)) / ratio
        high = (centre + sides[:, 2:] * stride - (left, top)) / ratio
        boxes = np.concatenate([low, high - low], 1)
        chosen = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), CONFIDENCE, IOU)
        detections = []
        for i in list(chosen)[:MOST]:
            x_min, y_min = np.maximum(low[i], 0)
            x_max, y_max = np.minimum(high[i], (width, height))
            box = {"x_min": float(x_min), "y_min": float(y_min), "x_max": float(x_max), "y_max": float(y_max)}
            detections.append({"class_id": int(classes[i]), "confidence": float(scores[i]), "box": box})
        return {"detections": detections}
