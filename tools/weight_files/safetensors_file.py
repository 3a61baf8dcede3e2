"""safetensors: 8 bytes little-endian header length, a JSON header, the tensors' bytes."""

import json
import os
import struct

import numpy as np

from . import WeightFileError

DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
METADATA = "__metadata__"
HEADER_MAX = 16 << 20  # bytes, the limit of spotter's own reader


def write(path, tensors, metadata):
    """Writes {name: array of f32 or f16}, sorted by name. The file appears whole or not at all."""
    names = {np.dtype(d): name for name, d in DTYPES.items()}
    header, end = {METADATA: metadata} if metadata else {}, 0
    arrays = [np.ascontiguousarray(tensors[name]) for name in sorted(tensors)]
    for name, array in zip(sorted(tensors), arrays):
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = f"{path}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            file.write(struct.pack("<Q", len(text)))
            file.write(text)
            for array in arrays:
                file.write(array.tobytes())
        os.replace(partial, path)
    except OSError as error:
        raise WeightFileError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def read(path):
    """({name: array}, metadata) of a file with float tensors."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content) if len(content) >= 8 else (0,)
    if not 2 <= length <= min(HEADER_MAX, len(content) - 8):
        raise WeightFileError(f"{path} is no safetensors file")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = header.pop(METADATA, {})
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            data = content[8 + length :][begin:end]
            tensors[name] = np.frombuffer(data, DTYPES[entry["dtype"]]).reshape(entry["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightFileError(f"{path} is no safetensors file of floats: {error}") from None
    return tensors, metadata
