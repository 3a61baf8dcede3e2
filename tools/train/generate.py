#!/usr/bin/python3
"""Composes pictures with codes onto backgrounds.

    generate.py CODES PHOTOS OUT --shards N     for training: 500 pictures a shard
    generate.py CODES PHOTOS OUT --mine N --model FILE
                                                the same, of pictures without codes in which this exported NanoDet-m finds some
    generate.py CODES PHOTOS OUT --eval N       for measuring: images/*.jpg and annotations.json as COCO's

A shard is pictures-<seed>.npy [N,352,352,3] uint8, B G R, and boxes-<seed>.npy [N,4,5] float32: x1, y1, x2, y2,
class; class -1 where there is no further code. Every picture has its own seed, so the same arguments give the same pictures. Shards
that are there are left as they are, so an interrupted run goes on where it stopped.
"""
import argparse
import json
import os
import pathlib
import random
import time
from multiprocessing import Pool

import cv2
import numpy as np
import torch

from codes import CLASSES
from nanodet import NanoDet, normalised
from scene import CODES_MAX, SIDE, Sources, compose
from weights import drop_norms, fill, read_safetensors

INPUT = 320
MINED_SCORE = 0.2         # of a false alarm that is worth learning from
MINED_SEEDS = 10**6       # seeds of a mined shard; most of them are not needed
EVAL_SIZES = [(640, 480), (480, 640), (512, 512), (800, 600), (416, 416)]

sources = model = None


def start(codes, photos, weights):
    global sources, model
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    sources = Sources(codes, photos)
    if weights:
        model = NanoDet(len(CLASSES)).to(memory_format=torch.channels_last)
        drop_norms(model)
        fill(model, read_safetensors(weights)[0])
        model.eval()


@torch.no_grad()
def deceives(picture):
    """Whether the model sees a code in this picture."""
    x = normalised(cv2.resize(picture, (INPUT, INPUT), interpolation=cv2.INTER_LINEAR)[None])
    with torch.autocast("cpu", torch.bfloat16):
        rows = model(x.contiguous(memory_format=torch.channels_last))
    return rows.float()[..., :len(CLASSES)].max().sigmoid() > MINED_SCORE


def composed(seed, count):
    """The pictures of a shard and their boxes."""
    if not model:
        for i in range(count):
            yield compose(seed * count + i, sources, SIDE, SIDE)
        return
    found = 0
    for i in range(MINED_SEEDS):
        picture, _ = compose((seed + 1) * MINED_SEEDS + i, sources, SIDE, SIDE, empty=True)
        if deceives(picture):
            yield picture, []
            found += 1
        if found == count:
            return
    raise RuntimeError(f"of {MINED_SEEDS} pictures only {found} deceive the model")


def write_shard(job):
    seed, count, path = job
    pictures = np.empty((count, SIDE, SIDE, 3), np.uint8)
    boxes = np.full((count, CODES_MAX, 5), -1, np.float32)
    for i, (picture, found) in enumerate(composed(seed, count)):
        pictures[i] = picture
        for j, box in enumerate(found):
            boxes[i, j] = box
    np.save(path.with_name(path.name.replace("pictures", "boxes")), boxes)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.save(file, pictures)
    os.replace(partial, path)
    return path.name


def write_picture(job):
    seed, path = job
    width, height = random.Random(seed).choice(EVAL_SIZES)
    picture, boxes = compose(seed, sources, width, height)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return path.name, width, height, boxes


def annotations(rows):
    out = {"images": [], "annotations": [], "categories": [{"id": i + 1, "name": n} for i, n in enumerate(CLASSES)]}
    for image, (name, width, height, boxes) in enumerate(rows, 1):
        out["images"].append({"id": image, "file_name": name, "width": width, "height": height})
        for x1, y1, x2, y2, label in boxes:
            box = [round(float(v), 2) for v in (x1, y1, x2 - x1, y2 - y1)]
            out["annotations"].append({"id": len(out["annotations"]) + 1, "image_id": image, "iscrowd": 0,
                                       "category_id": int(label) + 1, "bbox": box, "area": round(box[2] * box[3], 2)})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("codes", "photos", "out"):
        parser.add_argument(name, type=pathlib.Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--shards", type=int)
    what.add_argument("--mine", type=int)
    what.add_argument("--eval", type=int)
    parser.add_argument("--model", type=pathlib.Path, help="for --mine")
    parser.add_argument("--shard-pictures", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="of the first shard or picture")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    if bool(args.mine) != bool(args.model):
        parser.error("--mine and --model go together")
    begin = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    with Pool(args.processes, start, (args.codes, args.photos, args.model)) as pool:
        if args.shards or args.mine:
            seeds = range(args.seed, args.seed + (args.shards or args.mine))
            name = "pictures-mined" if args.mine else "pictures"
            jobs = [(seed, args.shard_pictures, args.out / f"{name}-{seed:05d}.npy") for seed in seeds]
            jobs = [job for job in jobs if not job[2].exists()]
            for name in pool.imap_unordered(write_shard, jobs):
                print(f"{time.time() - begin:6.0f} s  {name}", flush=True)
            return
        (args.out / "images").mkdir(exist_ok=True)
        jobs = [(args.seed + i, args.out / "images" / f"{args.seed + i:08d}.jpg") for i in range(args.eval)]
        (args.out / "annotations.json").write_text(json.dumps(annotations(pool.map(write_picture, jobs, 8))))


if __name__ == "__main__":
    main()
