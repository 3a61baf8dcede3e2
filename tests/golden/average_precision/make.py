"""Writes cases.json beside it: random pictures with what other programs make of them.

COCO figures are those of pycocotools, which objects marked difficult are made known to as ignored;
the VOC figure is computed here, the way the VOC2007 development kit does.

    pip install pycocotools numpy && python3 make.py
"""

import contextlib
import importlib.metadata
import io
import json
import pathlib
import random

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

AREAS = ("AP", "APs", "APm", "APl")


class Eval(COCOeval):
    def _prepare(self):
        super()._prepare()
        for objects in self._gts.values():
            for item in objects:
                item["ignore"] = item["ignore"] or item["difficult"]


def coco_figures(annotations, results):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(annotations))
        truth.createIndex()
        ev = Eval(truth, truth.loadRes(json.loads(json.dumps(results))), "bbox")
        ev.evaluate()
        ev.accumulate()
    precision = ev.eval["precision"]  # overlap, recall, category, area, most guesses

    def mean(part):
        part = part[part > -1]
        return float(part.mean()) if part.size else None

    figures = []
    for k in range(precision.shape[2]):
        one = {name: mean(precision[:, :, k, a, -1]) for a, name in enumerate(AREAS)}
        one["AP50"] = mean(precision[0, :, k, 0, -1])
        one["AP75"] = mean(precision[5, :, k, 0, -1])
        figures.append(one)
    return figures


def voc_overlap(a, b):
    """Boxes x, y, w, h; both ends of a side are pixels of it."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) + 1
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) + 1
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] + 1) * (a[3] + 1) + (b[2] + 1) * (b[3] + 1) - w * h)


def voc11(annotations, results, category):
    objects = {}
    for item in annotations["annotations"]:
        if item["category_id"] == category:
            hard = item["difficult"] or item["iscrowd"]
            objects.setdefault(item["image_id"], []).append([item["bbox"], hard, False])
    total = sum(not hard for group in objects.values() for _, hard, _ in group)
    if total == 0:
        return None
    guesses = [item for item in results if item["category_id"] == category]
    guesses.sort(key=lambda item: -item["score"])  # stable
    right = wrong = 0
    curve = []
    for guess in guesses:
        group = objects.get(guess["image_id"], [])
        overlaps = [voc_overlap(guess["bbox"], box) for box, _, _ in group]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] > 0.5:
            if group[best][1]:
                continue
            if group[best][2]:
                wrong += 1
            else:
                right += 1
                group[best][2] = True
        else:
            wrong += 1
        curve.append((right / total, right / (right + wrong)))
    steps = np.arange(0.0, 1.1, 0.1)
    return float(sum(max([p for r, p in curve if r >= t], default=0) for t in steps) / 11)


def random_box(rng, w=640, h=480):
    side = 2 ** rng.uniform(3, 8)
    bw, bh = round(side * rng.uniform(0.6, 1.6), 2), round(side * rng.uniform(0.6, 1.6), 2)
    return [round(rng.uniform(0, w - 20), 2), round(rng.uniform(0, h - 20), 2), bw, bh]


def shaken(rng, box, amount):
    return [round(v + rng.gauss(0, amount) * box[2 + i % 2], 2) for i, v in enumerate(box[:2])] + [
        round(max(1.0, v * (1 + rng.gauss(0, amount))), 2) for v in box[2:]
    ]


def make_case(name, seed, pictures, categories, crowds, difficult, steps, flood=0):
    """steps: how many values a score can have, so that some are equal."""
    rng = random.Random(seed)
    annotations = {
        "images": [{"id": 7 * i + 3, "file_name": f"{i}.jpg"} for i in range(pictures)],
        "categories": [{"id": 5 * k + 2, "name": f"kind {k}"} for k in range(categories)],
        "annotations": [],
    }
    results = []

    def guess(image, category, box):
        score = round(rng.randint(1, steps) / steps, 6)
        results.append({"image_id": image, "category_id": category, "bbox": box, "score": score})

    for image in (item["id"] for item in annotations["images"]):
        for category in (item["id"] for item in annotations["categories"][:-1]):
            for _ in range(rng.randint(0, 6)):
                box = random_box(rng)
                annotations["annotations"].append(
                    {
                        "id": len(annotations["annotations"]) + 1,
                        "image_id": image,
                        "category_id": category,
                        "bbox": box,
                        "area": round(box[2] * box[3] * rng.uniform(0.5, 1), 3),
                        "iscrowd": int(rng.random() < crowds),
                        "difficult": int(rng.random() < difficult),
                    }
                )
                for _ in range(rng.randint(0, 3)):
                    guess(image, category, shaken(rng, box, rng.choice((0.02, 0.08, 0.2))))
            for _ in range(rng.randint(0, 4)):
                guess(image, category, random_box(rng))
        guess(image, annotations["categories"][-1]["id"], random_box(rng))
    for _ in range(flood):
        guess(3, 2, random_box(rng))
    results.sort(key=lambda item: item["image_id"])
    figures = coco_figures(annotations, results)
    for k, category in enumerate(annotations["categories"]):
        figures[k]["VOC11"] = voc11(annotations, results, category["id"])
    return {"name": name, "annotations": annotations, "results": results, "figures": figures}


cases = [
    make_case("one kind", 1, 12, 2, 0, 0, 10**6),
    make_case("crowds", 2, 12, 4, 0.25, 0, 10**6),
    make_case("difficult objects", 3, 12, 3, 0, 0.3, 10**6),
    make_case("equal confidences", 4, 10, 3, 0.1, 0.1, 8),
    make_case("more than a hundred guesses", 5, 3, 2, 0.1, 0, 50, flood=150),
]
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
version = importlib.metadata.version("pycocotools")
path = pathlib.Path(__file__).with_name("cases.json")
path.write_text(f'{{"pycocotools":"{version}","cases":[\n{lines}\n]}}\n', encoding="utf-8")
