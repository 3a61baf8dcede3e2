#!/usr/bin/python3
"""Warms a detector's backbone up by telling crops of single codes, and of background, apart.

A step costs a tenth of one of the detector, and without it the detector finds boxes long before it tells the kinds of
code apart. Writes OUT (torch: {"average": state dict of the detector}) for train.py --init, every 100 steps and at the end.
"""
import argparse
import pathlib
import queue
import threading
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from codes import CLASSES
from detectors import DETECTORS
from shards import Shards, lit

BACKGROUND = len(CLASSES)
BACKGROUND_SHARE = 0.1
SAVE_EVERY = 100


def window(rng, boxes, full, shortest):
    """A square (x, y, size) around a code or on background and its class; None if this picture has neither."""
    if len(boxes) == 0 or rng.random() < BACKGROUND_SHARE:
        size = rng.uniform(50, 250)
        x, y = rng.uniform(0, full - size, 2)
        touches = any(min(x + size, b[2]) > max(x, b[0]) and min(y + size, b[3]) > max(y, b[1]) for b in boxes)
        return None if touches or rng.random() < 0.5 else (x, y, size, BACKGROUND)
    box = boxes[rng.integers(len(boxes))]
    length = max(box[2] - box[0], box[3] - box[1])
    if length < shortest:
        return None
    size = length * rng.uniform(0.85, 1.5)
    x, y = ((box[i] + box[i + 2] - size) / 2 + rng.uniform(-0.15, 0.15) * size for i in (0, 1))
    return x, y, size, int(box[4])


def crop(rng, picture, x, y, size, side):
    """[side,side,3], what lies outside the picture black at the right and the bottom."""
    full = len(picture)
    left, top, right, bottom = int(max(0, x)), int(max(0, y)), int(min(full, x + size)), int(min(full, y + size))
    scale = side / max(right - left, bottom - top)
    new_size = (max(4, int((right - left) * scale)), max(4, int((bottom - top) * scale)))
    how = cv2.INTER_AREA if scale < 1 and rng.random() < 0.5 else cv2.INTER_LINEAR
    view = lit(rng, cv2.resize(picture[top:bottom, left:right], new_size, interpolation=how))
    out = np.zeros((side, side, 3), np.uint8)
    out[:new_size[1], :new_size[0]] = view
    if rng.random() < 0.5:
        out = out[:, ::-1]
    return out.transpose(1, 0, 2) if rng.random() < 0.3 else out


class Crops(threading.Thread):
    """Batches (pictures [N,S,S,3] uint8, classes [N]) in the queue `batches`."""

    def __init__(self, shards, args):
        super().__init__(daemon=True)
        self.shards, self.args = shards, args
        self.rng, self.batches = np.random.default_rng(args.seed), queue.Queue(4)
        self.start()

    def one(self):
        while True:
            picture, boxes = self.shards.read(self.shards.places[self.rng.integers(len(self.shards.places))])
            found = window(self.rng, boxes, len(picture), self.args.shortest)
            if found:
                return crop(self.rng, picture, *found[:3], self.args.side), found[3]

    def run(self):
        while True:
            pictures, classes = zip(*(self.one() for _ in range(self.args.batch)))
            self.batches.put((np.stack(pictures), np.array(classes)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--detector", choices=DETECTORS, default="nanodet-m")
    parser.add_argument("--init", type=pathlib.Path, help="checkpoint.pt of a run whose backbone is to learn on")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--shortest", type=float, default=50, help="longer side of a code in the picture, pixels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    cv2.setNumThreads(1)
    crops = Crops(Shards(args.data), args)
    detector = DETECTORS[args.detector]
    network = detector.network().to(memory_format=torch.channels_last)
    if args.init:
        network.load_state_dict(torch.load(args.init)["average"])
    backbone = network.backbone
    last = torch.nn.Sequential(torch.nn.BatchNorm1d(sum(backbone.WIDTHS)),
                               torch.nn.Linear(sum(backbone.WIDTHS), len(CLASSES) + 1))
    parameters = [*backbone.parameters(), *last.parameters()]
    optimizer = torch.optim.AdamW(parameters, args.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=args.steps, pct_start=0.05)
    mean, since = np.zeros(2), time.time()
    for step in range(1, args.steps + 1):
        pictures, classes = crops.batches.get()
        classes = torch.from_numpy(classes)
        with torch.autocast("cpu", torch.bfloat16):
            maps = backbone(detector.normalised(pictures).contiguous(memory_format=torch.channels_last))
        logits = last(torch.cat([m.float().mean((2, 3)) for m in maps], 1))
        loss = F.cross_entropy(logits, classes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        mean += [float(loss.detach()), float((logits.argmax(1) == classes).float().mean())]
        if step % 50 == 0:
            speed = 50 * args.batch / (time.time() - since)
            print(f"step {step} loss {mean[0] / 50:.3f} right {mean[1] / 50:.3f}  {speed:.0f} crops/s", flush=True)
            mean, since = np.zeros(2), time.time()
        if step % SAVE_EVERY == 0 or step == args.steps:
            torch.save({"average": network.state_dict()}, args.out)


if __name__ == "__main__":
    main()
