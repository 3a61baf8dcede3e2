#!/usr/bin/python3
"""Makes a weights file for spotter of a PyTorch checkpoint, an ncnn model or another weights file.

What the detector expects is asked of spotter itself; a file with a tensor too few, too many or of
another shape is refused with a list of what differs. Needs numpy, not PyTorch. See docs/weights.md.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from weight_files import WeightFileError, ncnn_file, safetensors_file, state_dict, torch_file

ROOT = pathlib.Path(__file__).resolve().parent.parent


def find_spotter(given):
    """The program: --spotter, the variable SPOTTER, this source tree's, the one on the PATH."""
    built = ROOT / "build" / "spotter"
    program = given or os.environ.get("SPOTTER") or (built if built.exists() else None)
    program = program or shutil.which("spotter")
    if program is None:
        raise WeightFileError("spotter is not built; `make build` does it, or give --spotter PATH")
    return str(program)


def ask_spotter(program, *words):
    """What `spotter models --tensors …` prints; fails with its message."""
    command = [program, "models", "--tensors", *map(str, words)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise WeightFileError(f"{program} cannot be run: {error.strerror}") from None
    if result.returncode != 0:
        raise WeightFileError(result.stderr.strip().removeprefix("spotter: "))
    return json.loads(result.stdout)


def expected_of(program, detector, tensors, default):
    """What the detector expects in the form (classes, batch norm) that these tensors have."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "candidate.safetensors")
        safetensors_file.write(path, tensors, {})
        try:
            return ask_spotter(program, detector, "--weights", path)
        except WeightFileError:
            return default  # the tensor that tells the form is missing: so will the list say


def read_tensors(args, default):
    """({name: array} under the detector's names, the file's metadata, notes on what was left)."""
    if args.source.endswith(".param"):
        if args.bin is None:
            raise WeightFileError("an ncnn model is two files: give the .bin after the .param")
        return ncnn_file.name_layers(ncnn_file.read(args.source, args.bin), default), {}, []
    if args.bin is not None:
        raise WeightFileError("a second file goes only with a .param file of ncnn")
    metadata = {}
    if args.source.endswith(".safetensors"):
        tensors, metadata = safetensors_file.read(args.source)
    else:
        tensors = torch_file.read(args.source)
    tensors, copies = state_dict.strip_prefix(tensors, default, average=not args.no_average)
    tensors, left_out = state_dict.leave_out(tensors, default)
    if copies:
        left_out[f"another copy of the model, such as {copies[0]}"] = len(copies)
    notes = [f"left out: {count} tensors, {why}" for why, count in left_out.items()]
    return state_dict.merge_repvgg(tensors), metadata, notes


def read_classes(path, count):
    """The text of a file with one class name a line."""
    try:
        with open(path, encoding="utf-8") as file:
            names = file.read().splitlines()
    except OSError as error:
        raise WeightFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WeightFileError(f"{path} is no UTF-8 text") from None
    if len(names) != count or not all(name.strip() for name in names):
        raise WeightFileError(f"{path} has {len(names)} names, the weights have {count} classes")
    return "\n".join(names)


def convert(args):
    program = find_spotter(args.spotter)
    default = ask_spotter(program, args.detector)
    tensors, metadata, notes = read_tensors(args, default)
    tensors = state_dict.to_dtype(tensors, "<f4")
    expected = expected_of(program, args.detector, tensors, default)
    differing = state_dict.differences(tensors, expected)
    if differing:
        raise WeightFileError("\n".join([f"{args.source} is not of {args.detector}:", *differing]))
    metadata["detector"] = args.detector
    if args.classes is not None:
        metadata["classes"] = read_classes(args.classes, expected["classes"])
    if args.fold:
        tensors = state_dict.fold_batch_norm(tensors, expected)
    if args.dtype == "f16":
        tensors = state_dict.to_dtype(tensors, "<f2")
    safetensors_file.write(args.output, tensors, metadata)
    for note in notes:
        print(note, file=sys.stderr)
    numbers = sum(tensor.size for tensor in tensors.values())
    print(
        f"{args.output}: {len(tensors)} tensors, {numbers} numbers, {expected['classes']} classes"
    )


def parse_arguments(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detector", help="name of the detector, as `spotter models` lists it")
    parser.add_argument(
        "source", help=".pth, .ckpt or .pt of PyTorch, .safetensors, .param of ncnn"
    )
    parser.add_argument("bin", nargs="?", help="the .bin that goes with a .param")
    parser.add_argument("-o", "--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--classes", metavar="FILE", help="class names, one a line, to put into it")
    parser.add_argument("--dtype", choices=("f32", "f16"), default="f32", help="default f32")
    parser.add_argument("--fold", action="store_true", help="fold batch norm into convolutions")
    parser.add_argument(
        "--no-average", action="store_true", help="NanoDet: not the moving average of the weights"
    )
    parser.add_argument("--spotter", metavar="PATH", help="the program, default build/spotter")
    return parser.parse_args(words)


def main(words=None):
    try:
        convert(parse_arguments(words))
    except WeightFileError as error:
        print(f"import_weights: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
