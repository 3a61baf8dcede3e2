#!/usr/bin/python3
"""Makes the bundled file of a trained model: release.py RUN/model.safetensors CARD OUT

Adds to the metadata what spotter is to know, `suppression: all` (one code gets one box), and `data_card`: name and sha256
of the page that says what it was trained on. A test compares the digest with the page, so both change together.
"""
import hashlib
import pathlib
import sys

from weights import read_safetensors, write_safetensors


def main():
    weights, card, out = map(pathlib.Path, sys.argv[1:])
    tensors, metadata = read_safetensors(weights)
    metadata["suppression"] = "all"
    metadata["data_card"] = f"docs/{card.name} sha256:{hashlib.sha256(card.read_bytes()).hexdigest()}"
    write_safetensors(out, {name: values.astype("<f2") for name, values in tensors.items()}, metadata)


if __name__ == "__main__":
    main()
