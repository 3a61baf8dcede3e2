"""Average precision of the same networks in other runtimes.

    bench/run accuracy             in the environment of bench/run
    accuracy.py --help             what can be chosen

Each runtime computes the raw outputs of the pictures of coco-val-240, one after another; detections.py makes the
inputs and decodes the outputs; server/eval/average_precision.c, compiled for this, computes the figures, the same
code as in `spotter eval`. A runtime whose figure in f32 is not spotter's is named: then inputs or decoding are wrong.
Results go to build/bench/peers-accuracy.json, from where compare.py prints them beside speeds.
"""

import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

import detections
from compare import which_peer
from networks import MADE, NETWORKS, ROOT, Files
from runtimes import PEERS

PICTURES = "coco-val-240"
OFF_MOST = 0.001  # between spotter and another runtime, both in f32
MEASURED = [name for name, network in NETWORKS.items() if network.onnx and detections.recipe_of(network)]

# struct spot_eval_object, _guess and _figures of server/eval/average_precision.h
PLACE = [("picture", "i4"), ("class_id", "i4"), ("box", "f8", 4)]
OBJECT = numpy.dtype([*PLACE, ("area", "f8"), ("ignored", "?"), ("crowd", "?")], align=True)
GUESS = numpy.dtype([*PLACE, ("confidence", "f8")], align=True)
FIGURES = numpy.dtype([("value", "f8", 7), ("objects", "u8")], align=True)


class Set(ctypes.Structure):
    _fields_ = [
        *(("objects", ctypes.c_void_p), ("n_objects", ctypes.c_size_t)),
        *(("guesses", ctypes.c_void_p), ("n_guesses", ctypes.c_size_t)),
        *(("pictures", ctypes.c_int), ("classes", ctypes.c_int)),
    ]


def load_average_precision():
    """spotter's own code of it, as a library."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "average_precision.so")
        sources = [ROOT / "server/eval/average_precision.c", ROOT / "core/error.c"]
        words = ["cc", "-std=gnu11", "-O2", "-ffp-contract=off", "-shared", "-fPIC", f"-I{ROOT}", "-o", path]
        subprocess.run([*words, *sources, "-lm"], check=True)
        library = ctypes.CDLL(path)
    library.spot_eval_figure_name.restype = ctypes.c_char_p
    library.spot_eval_mean.restype = None
    return library


def average_precision(library, objects, guesses, pictures, classes):
    """Figures by name, the mean of the classes that have objects."""
    objects, guesses = numpy.array(objects, OBJECT), numpy.array(guesses, GUESS)
    given = Set(objects.ctypes.data, len(objects), guesses.ctypes.data, len(guesses), pictures, classes)
    each, mean = numpy.zeros(classes, FIGURES), numpy.zeros(1, FIGURES)
    for number in range(classes):
        figures = ctypes.c_void_p(each.ctypes.data + number * FIGURES.itemsize)
        if library.spot_eval_class(ctypes.byref(given), number, figures, None) != 0:
            raise MemoryError("average precision")
    library.spot_eval_mean(ctypes.c_void_p(each.ctypes.data), classes, ctypes.c_void_p(mean.ctypes.data))
    return {library.spot_eval_figure_name(i).decode(): float(value) for i, value in enumerate(mean["value"][0])}


class Annotated:
    """Pictures, and the objects in them that a recipe looks for."""

    def __init__(self, folder, recipe, limit):
        read = json.loads(pathlib.Path(folder, "annotations.json").read_text())
        names = {one["name"]: one["id"] for one in read["categories"]}
        self.categories = [names[label] for label in recipe.labels or names]
        class_of = {category: number for number, category in enumerate(self.categories)}
        wanted = [one for one in read["annotations"] if one["category_id"] in class_of]
        shown = {one["image_id"] for one in wanted if not self.is_ignored(one)}
        images = sorted(read["images"], key=lambda one: one["id"])
        used = [one for one in images if one["id"] in shown or not recipe.only_with_objects]
        self.images = used[:limit]
        self.paths = [pathlib.Path(folder, "images", one["file_name"]) for one in self.images]
        place = {one["id"]: number for number, one in enumerate(self.images)}
        self.objects = [
            (
                *(place[one["image_id"]], class_of[one["category_id"]], one["bbox"]),
                *(one.get("area", one["bbox"][2] * one["bbox"][3]), self.is_ignored(one), bool(one.get("iscrowd"))),
            )
            for one in wanted
            if one["image_id"] in place
        ]

    @staticmethod
    def is_ignored(annotation):
        return bool(annotation.get("iscrowd") or annotation.get("difficult"))


def contenders(files, arguments):
    """The runtimes that compute this network one picture at a time."""
    made = []
    for runtime in arguments.only:
        for precision in arguments.precision:
            shape = (1, 3, files.network.height, files.network.width)
            try:
                made.append(PEERS[runtime](files, precision, [numpy.zeros(shape, numpy.float32)], 1))
            except Exception as reason:  # whatever a foreign runtime may raise
                text = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
                print(f"{files.name}: without {runtime} {precision}: {text}", file=sys.stderr)
    return made


def find_all(recipe, network, annotated, runners):
    """The detections of each runner in all pictures, as rows of GUESS."""
    guesses = [[] for _ in runners]
    for number, path in enumerate(annotated.paths):
        picture = numpy.asarray(Image.open(path).convert("RGB"))
        height, width = picture.shape[:2]
        values, placement = recipe.prepare(picture, network.width)
        for one, found in zip(runners, guesses):
            outputs = list(one.compute([values]).values())
            classes, scores, boxes = detections.detect(recipe, outputs, network.width, placement, width, height)
            boxes[:, 2:] -= boxes[:, :2]
            found.extend(zip([number] * len(classes), classes, boxes, scores))
        if sys.stderr.isatty():
            print(f"\r{network.detector}: picture {number + 1} of {len(annotated.paths)} ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return guesses


def spotters_figure(files, recipe, folder, arguments):
    """What `spotter eval` finds in f32."""
    words = [arguments.spotter, "eval", *files.words(), "--backend", "cpu", "--precision", "f32"]
    words += ["--images", folder / "images", "--annotations", folder / "annotations.json"]
    words += ["--limit", arguments.limit or 0, *(["--only-with-objects"] if recipe.only_with_objects else [])]
    fields = subprocess.check_output(list(map(str, words)), text=True, stderr=subprocess.DEVNULL).split()
    return float(fields[fields.index(recipe.figure) + 1])


def write_results(path, annotated, guesses):
    """As `spotter eval --results` writes them."""
    rows = [
        {
            "image_id": annotated.images[picture]["id"],
            "category_id": annotated.categories[number],
            "bbox": [round(float(side), 4) for side in box],
            "score": round(float(score), 6),
        }
        for picture, number, box, score in guesses
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))


def measure(name, library, arguments):
    files = Files(name, arguments.shared, arguments.spotter)
    recipe = detections.recipe_of(files.network)
    folder = pathlib.Path(arguments.shared, "eval", PICTURES)
    annotated = Annotated(folder, recipe, arguments.limit)
    runners = contenders(files, arguments)
    expected = spotters_figure(files, recipe, folder, arguments)
    print(f"{name:<25}{'spotter':<23}{'f32':<9}  {recipe.figure} {expected:.4f}", flush=True)
    classes, rows = len(annotated.categories), []
    for one, guesses in zip(runners, find_all(recipe, files.network, annotated, runners)):
        figures = average_precision(library, annotated.objects, guesses, len(annotated.images), classes)
        value = figures[recipe.figure]
        print(f"{name:<25}{f'{one.name} {one.version}':<23}{one.precision:<9}  {recipe.figure} {value:.4f}", flush=True)
        if one.precision == "f32" and not abs(value - expected) <= OFF_MOST:
            print(f"{name}: {one.name} f32 finds something else than spotter", file=sys.stderr)
        about = {"model": name, "runtime": one.name, "version": one.version, "precision": one.precision}
        rows.append({**about, "pictures": len(annotated.images), "figure": recipe.figure, "value": round(value, 4)})
        if arguments.results:
            label = f"{name}.{one.name.replace(' ', '')}.{one.precision}.json"
            write_results(arguments.results / label, annotated, guesses)
    return rows


def write_figures(path, rows):
    """What was measured before and not now stays."""
    before = json.loads(path.read_text()) if path.is_file() else []
    measured = {which_peer(row) for row in rows}
    kept = [row for row in before if which_peer(row) not in measured]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept + rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("SPOT_SHARED", ROOT.parent / "shared")
    parser.add_argument("--spotter", default=ROOT / "build" / "spotter", type=pathlib.Path)
    parser.add_argument("--shared", default=shared, help="folder with weights/, onnx/ and eval/")
    parser.add_argument("--models", nargs="+", choices=MEASURED, default=MEASURED)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--precision", nargs="+", choices=["f32", "bf16"], default=["f32", "bf16"])
    parser.add_argument("--limit", type=int, help="use only so many pictures (then nothing is written for compare.py)")
    parser.add_argument("--results", type=pathlib.Path, help="also write all detections to this folder, in COCO's layout")
    parser.add_argument("--out", default=MADE / "peers-accuracy.json", type=pathlib.Path)
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.shared, "eval", PICTURES).is_dir():
        sys.exit(f"accuracy: no pictures in {arguments.shared}/eval/{PICTURES}; name the folder with SPOT_SHARED")
    library = load_average_precision()
    rows = [row for name in arguments.models for row in measure(name, library, arguments)]
    if arguments.limit is None:
        write_figures(arguments.out, rows)


if __name__ == "__main__":
    main()
