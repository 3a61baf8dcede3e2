"""Feeds shards of generate.py to training: random crops, light, mirror images, at the side that is asked for."""
import dataclasses
import pathlib
import queue
import threading

import cv2
import numpy as np

from scene import CODES_MAX

# Share of a code's box that a crop shows, if any: of a turned code that is cut, the box of what is left is not known.
VISIBLE_MIN = 0.85
MINED_TIMES = 3  # how often a mined picture is seen for every time that another is


@dataclasses.dataclass(frozen=True)
class Letterbox:
    """How a picture lies in a square input: in the middle or in the top left corner, and the colour (B, G, R) beside it."""
    centred: bool
    colour: tuple

    def place(self, view, side):
        """The square picture, and x and y of the view in it."""
        height, width = view.shape[:2]
        left, top = ((side - width) // 2, (side - height) // 2) if self.centred else (0, 0)
        out = np.full((side, side, 3), self.colour, np.uint8)
        out[top:top + height, left:left + width] = view
        return out, left, top


class Shards:
    """All pictures of a folder, memory-mapped; shards that appear later are found by refresh()."""

    def __init__(self, folder):
        self.folder, self.shards, self.places = pathlib.Path(folder), {}, []
        self.refresh()

    def refresh(self):
        for path in sorted(self.folder.glob("pictures-*.npy")):
            if path.name not in self.shards:
                boxes = np.load(path.with_name(path.name.replace("pictures", "boxes")))
                self.shards[path.name] = np.load(path, mmap_mode="r"), boxes
                times = MINED_TIMES if "mined" in path.name else 1
                self.places += times * [(path.name, i) for i in range(len(boxes))]

    def read(self, place):
        pictures, boxes = self.shards[place[0]]
        boxes = boxes[place[1]]
        return pictures[place[1]], boxes[boxes[:, 4] >= 0].copy()


def crop_window(rng, full, side, boxes):
    """A crop (x, y, width, height) that shows every code by VISIBLE_MIN at least or not at all, and the boxes in it."""
    for _ in range(8):
        size = full if rng.random() < 0.25 else rng.uniform(min(1, max(0.45, side / 520)), 1) * full
        aspect = np.exp(rng.uniform(-0.55, 0.55)) if rng.random() < 0.4 else 1.0
        width, height = (int(size), int(size / aspect)) if aspect > 1 else (int(size * aspect), int(size))
        x, y = rng.integers(0, full - width + 1), rng.integers(0, full - height + 1)
        seen = boxes.copy()
        seen[:, [0, 2]] = (seen[:, [0, 2]] - x).clip(0, width)
        seen[:, [1, 3]] = (seen[:, [1, 3]] - y).clip(0, height)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) + 1e-6
        share = (seen[:, 2] - seen[:, 0]) * (seen[:, 3] - seen[:, 1]) / area
        if len(boxes) == 0 or (((share >= VISIBLE_MIN) | (share < 0.03)).all() and (share >= VISIBLE_MIN).any()):
            return (x, y, width, height), seen[share >= VISIBLE_MIN]
    return (0, 0, full, full), boxes


def lit(rng, picture):
    f = picture.astype(np.float32)
    if rng.random() < 0.5:
        f = f * rng.uniform(0.7, 1.3) + rng.uniform(-20, 20)
    if rng.random() < 0.3:
        f = f * rng.uniform(0.85, 1.15, 3).astype(np.float32)
    if rng.random() < 0.3:
        f = f[..., rng.permutation(3)]
    return f.clip(0, 255).astype(np.uint8)


def turned(rng, view, boxes):
    """Mirror images and views with the axes exchanged."""
    height, width = view.shape[:2]
    if rng.random() < 0.5:
        view, boxes[:, [0, 2]] = view[:, ::-1], width - boxes[:, [2, 0]]
    if rng.random() < 0.2:
        view, boxes[:, [1, 3]] = view[::-1], height - boxes[:, [3, 1]]
    if rng.random() < 0.25:
        view, boxes = view.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2, 4]]
    return view, boxes


def sample(rng, picture, boxes, side, letterbox):
    """A letterboxed view [side,side,3] of a picture and the boxes that are seen in it."""
    (x, y, width, height), boxes = crop_window(rng, len(picture), side, boxes)
    scale = side / max(width, height)
    new_width, new_height = max(8, round(width * scale)), max(8, round(height * scale))
    how = cv2.INTER_LINEAR if scale > 0.8 or rng.random() < 0.5 else cv2.INTER_AREA
    view = cv2.resize(picture[y:y + height, x:x + width], (new_width, new_height), interpolation=how)
    boxes[:, [0, 2]] *= new_width / width
    boxes[:, [1, 3]] *= new_height / height
    view, boxes = turned(rng, lit(rng, view), boxes)
    out, left, top = letterbox.place(view, side)
    boxes[:, :4] += (left, top, left, top)
    large = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= 10
    return out, boxes[large]


class Loader(threading.Thread):
    """Batches (side, pictures [N,S,S,3] uint8, codes [N,4,5]) in the queue `batches`; side may change at any time."""

    def __init__(self, shards, batch, side, letterbox, seed):
        super().__init__(daemon=True)
        self.shards, self.batch, self.side, self.letterbox = shards, batch, side, letterbox
        self.rng, self.batches = np.random.default_rng(seed), queue.Queue(3)
        self.start()

    def run(self):
        while True:
            self.shards.refresh()
            order = self.rng.permutation(len(self.shards.places))
            for first in range(0, len(order) - self.batch + 1, self.batch):
                side = self.side
                pictures = np.empty((self.batch, side, side, 3), np.uint8)
                codes = np.full((self.batch, CODES_MAX, 5), -1, np.float32)
                for i, place in enumerate(order[first:first + self.batch]):
                    picture, boxes = self.shards.read(self.shards.places[place])
                    pictures[i], boxes = sample(self.rng, picture, boxes, side, self.letterbox)
                    codes[i, :len(boxes)] = boxes
                self.batches.put((side, pictures, codes))
