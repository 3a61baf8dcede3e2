"""Reads what torch.save wrote, without PyTorch and without running anything that is in the file.

A checkpoint is a pickle, and unpickling one as PyTorch does may call any function it names. Here
only the handful of functions that put tensors together are known, by stand-ins of our own;
everything else that a pickle names becomes an Inert object, which keeps its state and does nothing.
So even a pickled model (YOLOv5's .pt files) can be opened for its tensors.

Both formats are read: the zip file of PyTorch 1.6 and later, and the stream of pickles before it.
"""

import collections
import io
import pickle
import struct
import zipfile

import numpy as np

from . import WeightFileError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

BFLOAT16 = "bfloat16"  # numpy has none: widened by hand
STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "BFloat16Storage": BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class Inert:
    """Stands for an object of a class that is not loaded; holds the state it was saved with."""

    def __new__(cls, *_args, **_kwargs):
        return super().__new__(cls)

    def __init__(self, *_args, **_kwargs):
        self.state = {}

    def __setstate__(self, state):
        self.state = state if isinstance(state, dict) else {}

    # What a pickled list, set or dict calls for each of its items.
    def append(self, _item):
        pass

    def extend(self, _items):
        pass

    def add(self, _item):
        pass

    def __setitem__(self, _key, _value):
        pass

    def __hash__(self):
        return id(self)


class Storage:
    """The elements that tensors share; `data` arrives after the pickle in the older format."""

    def __init__(self, kind, count):
        if kind not in STORAGES:
            raise WeightFileError(f"a tensor has elements of the kind {kind}, which are not read")
        self.dtype = STORAGES[kind]
        self.count = count
        self.data = None

    @property
    def item_size(self):
        return 2 if self.dtype == BFLOAT16 else self.dtype.itemsize

    def fill(self, data):
        if len(data) != self.count * self.item_size:
            raise WeightFileError(
                f"a storage of {self.count} elements has {len(data)} bytes (is the file truncated?)"
            )
        self.data = data

    def elements(self):
        if self.data is None:
            raise WeightFileError("the elements of a tensor are not in the file")
        if self.dtype == BFLOAT16:
            high = np.frombuffer(self.data, "<u2").astype("<u4") << 16
            return high.view("<f4")
        return np.frombuffer(self.data, self.dtype)


class Tensor:
    """A view into a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = tuple(shape), tuple(strides)

    def array(self):
        """A copy in row-major order."""
        sizes = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or any(type(n) is not int or n < 0 for n in sizes):
            raise WeightFileError("a tensor has a shape or strides that are none")
        elements = self.storage.elements()
        if 0 in self.shape:
            return np.empty(self.shape, elements.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        if last >= len(elements):
            raise WeightFileError(
                f"a tensor of shape {list(self.shape)} reaches beyond its storage of "
                f"{len(elements)} elements"
            )
        steps = [s * elements.itemsize for s in self.strides]
        view = np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, steps)
        return np.array(view, order="C")


def _rebuild_tensor(storage, offset, shape, strides, *_rest):
    if not isinstance(storage, Storage):
        raise WeightFileError("a tensor has no storage")
    return Tensor(storage, offset, shape, strides)


def _rebuild_from_type(function, _type, arguments, _state):
    return function(*arguments) if function is _rebuild_tensor else Inert()


# The only things a pickle can call.
KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): lambda sizes=(): tuple(sizes),
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_rest: data,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_rest: data,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
}


class _Unpickler(pickle._Unpickler):
    """The unpickler written in Python: the one in C may allocate gigabytes for a damaged file."""

    def __init__(self, file, storages):
        super().__init__(file, encoding="utf-8")
        self.storages = storages  # key -> Storage, filled as the pickle names them

    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        return type(name, (Inert,), {"__module__": module})

    def persistent_load(self, key):
        if isinstance(key, tuple) and len(key) > 1 and key[0] == "module":
            return key[1]  # a class beside its source text, in the older format
        if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage":
            raise WeightFileError("the checkpoint refers to something that is no tensor")
        _, kind, name, _location, count = key[:5]
        if len(key) > 5 and key[5] is not None:
            raise WeightFileError("the checkpoint shares storages in a way that is not read")
        if name not in self.storages:
            self.storages[name] = Storage(getattr(kind, "__name__", "?"), count)
        return self.storages[name]


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        found = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(found) != 1:
            raise WeightFileError("it is a zip file, but not one that torch.save wrote")
        root = found[0][: -len("data.pkl")]
        order = root + "byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise WeightFileError("the checkpoint was written on a big-endian machine")
        storages = {}
        content = _Unpickler(io.BytesIO(archive.read(found[0])), storages).load()
        for key, storage in storages.items():
            storage.fill(archive.read(f"{root}data/{key}"))
    return content


def _read_legacy(file):
    storages = {}

    def read():
        return _Unpickler(file, storages).load()

    if read() != LEGACY_MAGIC or read() != LEGACY_PROTOCOL:
        raise WeightFileError("it is a pickle, but not one that torch.save wrote")
    system = read()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WeightFileError("the checkpoint was not written on a little-endian machine")
    content = read()
    for key in read():
        if key not in storages:
            raise WeightFileError("the checkpoint holds a storage that nothing names")
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise WeightFileError(f"a storage has {count} elements, {storage.count} were announced")
        storage.fill(file.read(count * storage.item_size))
    return content


def _module_tensors(module, prefix=""):
    """The state dict of a pickled torch.nn.Module."""
    tensors = {}
    for group in ("_parameters", "_buffers"):
        for name, tensor in (module.state.get(group) or {}).items():
            if isinstance(tensor, Tensor):
                tensors[prefix + name] = tensor
    for name, child in (module.state.get("_modules") or {}).items():
        if isinstance(child, Inert):
            tensors.update(_module_tensors(child, f"{prefix}{name}."))
    return tensors


def _find_tensors(content):
    """A state dict: the content itself, or what checkpoints keep it under."""
    if isinstance(content, Inert):
        return _module_tensors(content)
    if not isinstance(content, dict):
        return {}
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor) and isinstance(k, str)}
    for key in ("state_dict", "ema", "model"):
        if not tensors and key in content:
            tensors = _find_tensors(content[key])
    return tensors


def read(path):
    """{name: array} of a checkpoint, names as they are in it."""
    try:
        if zipfile.is_zipfile(path):
            content = _read_zip(path)
        else:
            with open(path, "rb") as file:
                content = _read_legacy(io.BytesIO(file.read()))
        tensors = {name: tensor.array() for name, tensor in _find_tensors(content).items()}
    except OSError as error:
        raise WeightFileError(f"{path} cannot be read: {error.strerror}") from None
    except WeightFileError as error:
        raise WeightFileError(f"{path}: {error}") from None
    except Exception as error:  # whatever a damaged pickle or zip file makes the readers raise
        raise WeightFileError(f"{path} is no checkpoint that can be read ({error})") from None
    if not tensors:
        raise WeightFileError(f"{path} holds no state dict and no model")
    return tensors
