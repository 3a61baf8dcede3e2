#!/usr/bin/python3
"""Makes the bundled file of a trained model: release.py RUN/model.safetensors CARD OUT THRESHOLD

Adds to the metadata what spotter is to know, `suppression: all` (one code gets one box), and `data_card`: name and sha256
of the page that says what it was trained on. A test compares the digest with the page, so both change together.
THRESHOLD is the score from which this model is to be believed: the biases of the classes are moved by what makes it the
detector's default, so that users need not know it. The order of the boxes stays as it is, and so does average precision.
"""
import hashlib
import math
import pathlib
import sys

from codes import CLASSES
from weights import read_safetensors, write_safetensors


DEFAULT = 0.4  # detector nanodet-m's


def logit(score):
    return math.log(score / (1 - score))


def main():
    weights, card, out = map(pathlib.Path, sys.argv[1:4])
    tensors, metadata = read_safetensors(weights)
    for name, values in tensors.items():
        if name.startswith("head.gfl_cls.") and name.endswith(".bias"):
            values[:len(CLASSES)] -= logit(float(sys.argv[4])) - logit(DEFAULT)
    metadata["suppression"] = "all"
    metadata["data_card"] = f"docs/{card.name} sha256:{hashlib.sha256(card.read_bytes()).hexdigest()}"
    write_safetensors(out, {name: values.astype("<f2") for name, values in tensors.items()}, metadata)


if __name__ == "__main__":
    main()
