#!/usr/bin/python3
"""Measures a codes detector with spotter itself and prints one figure a line.

    measure.py WEIGHTS [--detector NAME] [--generated FOLDER] [--photographs FOLDER] [--without-codes FOLDER]

--generated      of generate.py --eval: AP, and recall by the longer side of a code in pixels of the network input
--photographs    with labels.json: {"images": [{"file_name", "labels"}]} beside images/. Right: the best detection has
                 the label that is shown, or there is neither
--without-codes  a folder of photographs: every detection is a false alarm
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

from weights import read_safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]
EDGES = [24, 40, 64, 100, 160, 10000]
CHUNK = 50


def spotter(args, command, *arguments):
    variant = ["--variant", args.variant] if args.variant else []
    done = subprocess.run([args.spotter, command, "--model", f"{args.detector}={args.weights}", "--backend", "cpu", *variant,
                           *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"measure: spotter {command}: {done.stderr.strip()}")
    return done.stdout


def detect(args, paths, confidence):
    """Detections of each picture, best first."""
    out = []
    for first in range(0, len(paths), CHUNK):
        chunk = paths[first:first + CHUNK]
        text = spotter(args, "detect", "--json", *(["--confidence", confidence] if confidence else []), *chunk)
        answer = json.loads(text)
        out += [result["detections"] for result in answer.get("results", [answer])]
    return out


def overlap(a, b):
    """IoU of boxes x, y, width, height."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    return both / (a[2] * a[3] + b[2] * b[3] - both) if both else 0


def recall_by_size(truth, results, confidence, side):
    """Shares of codes, by their longer side in an input of this side, that a box of their class and this confidence covers with an IoU of 0.5."""
    boxes, sizes = collections.defaultdict(list), {row["id"]: row for row in truth["images"]}
    for row in results:
        if row["score"] >= confidence:
            boxes[row["image_id"], row["category_id"]].append(row["bbox"])
    found, total = collections.Counter(), collections.Counter()
    for row in truth["annotations"]:
        picture = sizes[row["image_id"]]
        length = max(row["bbox"][2:]) * side / max(picture["width"], picture["height"])
        bucket = sum(length >= edge for edge in EDGES)
        total[bucket] += 1
        found[bucket] += any(overlap(row["bbox"], box) >= 0.5 for box in boxes[row["image_id"], row["category_id"]])
    for bucket in sorted(total):
        low = EDGES[bucket - 1] if bucket else 0
        yield low, EDGES[bucket], found[bucket], total[bucket]


def generated(args):
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder) / "results.json"
        text = spotter(args, "eval", "--images", args.generated / "images", "--annotations",
                       args.generated / "annotations.json", "--results", results, "--json")
        rows = json.loads(results.read_text())
    report = json.loads(text)
    print(f"pictures {report['pictures']}")
    for name in ("AP", "AP50", "AP75"):
        print(f"{name} {report['mean'][name]:.3f}")
    for label, figures in report["classes"].items():
        print(f"AP50 {label} {figures['AP50']:.3f}  AP {figures['AP']:.3f}")
    truth = json.loads((args.generated / "annotations.json").read_text())
    side = int(read_safetensors(args.weights)[1]["input"])
    for low, high, found, total in recall_by_size(truth, rows, args.confidence or 0.4, side):
        print(f"recall {low}-{high} px {found / total:.3f}  {found}/{total}")


def photographs(args):
    rows = json.loads((args.photographs / "labels.json").read_text())["images"]
    seen = detect(args, [args.photographs / "images" / row["file_name"] for row in rows], args.confidence)
    right = collections.Counter()
    total = collections.Counter()
    crowded = 0
    for row, detections in zip(rows, seen):
        shown = row["labels"][0] if row["labels"] else "nothing"
        found = detections[0]["label"] if detections else "nothing"
        total[shown] += 1
        right[shown] += shown == found
        crowded += shown != "nothing" and len(detections) > 1
        if args.verbose and shown != found:
            print(f"  {row['file_name']}: {shown}, found {found}", detections[0]["confidence"] if detections else "")
    print(f"photographs right {sum(right.values())}/{sum(total.values())} "
          f"{100 * sum(right.values()) / sum(total.values()):.1f} %")
    for shown in sorted(total):
        print(f"photographs of {shown} right {right[shown]}/{total[shown]}")
    print(f"photographs of a code with more than one box {crowded}")


def without_codes(args):
    paths = sorted(args.without_codes.glob("*.jpg"))[:args.limit]
    seen = detect(args, paths, args.confidence)
    print(f"false alarms {sum(map(len, seen))} on {sum(map(bool, seen))} of {len(paths)} photographs")
    if args.verbose:
        for path, detections in zip(paths, seen):
            for row in detections:
                print(f"  {path.name}: {row['label']} {row['confidence']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--detector", default="nanodet-m-320", help="spotter's name of the detector")
    parser.add_argument("--generated", type=pathlib.Path)
    parser.add_argument("--photographs", type=pathlib.Path)
    parser.add_argument("--without-codes", type=pathlib.Path)
    parser.add_argument("--variant", help="switches of the detector, in place of those of the weights file")
    parser.add_argument("--limit", type=int, default=100, help="most photographs without codes")
    parser.add_argument("--confidence", type=float, help="in place of the detector's own")
    parser.add_argument("--spotter", type=pathlib.Path, default=ROOT / "build" / "spotter")
    parser.add_argument("--verbose", action="store_true", help="name what is wrong")
    args = parser.parse_args()
    for folder, report in ((args.generated, generated), (args.photographs, photographs), (args.without_codes, without_codes)):
        if folder:
            report(args)


if __name__ == "__main__":
    main()
