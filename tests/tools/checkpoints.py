"""Writes checkpoints as torch.save does, in both of its formats, without PyTorch: so the reader is
tested where PyTorch is not installed, and with contents that PyTorch would not write."""

import io
import pickle
import struct
import zipfile

import numpy as np

KINDS = {"<f4": "FloatStorage", "<f2": "HalfStorage", "<f8": "DoubleStorage", "<i8": "LongStorage"}


class Global:
    """A function or class, by name only."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Global(*arguments), as an object that says so when it is pickled."""

    def __init__(self, module, name, *arguments):
        self.function, self.arguments = Global(module, name), arguments


class Object:
    """An instance of a class with this state."""

    def __init__(self, module, name, state):
        self.type, self.state = Global(module, name), state


class Storage:
    """Elements that tensors share. kind overrides the name of their type."""

    def __init__(self, elements, kind=None):
        self.elements = np.ascontiguousarray(elements)
        self.kind = kind or KINDS[self.elements.dtype.str]


def tensor(array, kind=None):
    """A whole array as a tensor of its own storage."""
    array = np.ascontiguousarray(array)
    strides = [s // array.itemsize for s in array.strides]
    return view(Storage(array.ravel(), kind), 0, array.shape, strides)


def view(storage, offset, shape, strides):
    return Call(
        "torch._utils", "_rebuild_tensor_v2",
        storage, offset, tuple(shape), tuple(strides), False, Call("collections", "OrderedDict"),
    )  # fmt: skip


def parameter(value):
    empty = Call("collections", "OrderedDict")
    return Call("torch._utils", "_rebuild_parameter", value, True, empty)


def module(class_name, parameters=None, buffers=None, modules=None):
    """A pickled torch.nn.Module."""
    state = {"training": False, "_parameters": parameters or {}, "_buffers": buffers or {}}
    return Object("models.yolo", class_name, {**state, "_modules": modules or {}})


class _Pickler(pickle._Pickler):  # the one in Python, whose steps can be replaced
    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file, legacy):
        super().__init__(file, protocol=2)
        self.legacy, self.storages = legacy, {}

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        key = self.storages.setdefault(id(obj), (str(len(self.storages)), obj))[0]
        identity = ("storage", Global("torch", obj.kind), key, "cpu", obj.elements.size)
        return (*identity, None) if self.legacy else identity

    def save_global_by_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def save_call(self, obj):
        self.save(obj.function)
        self.save(tuple(obj.arguments))
        self.write(pickle.REDUCE)
        self.memoize(obj)

    def save_instance(self, obj):
        self.save(obj.type)
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.memoize(obj)
        self.save(obj.state)
        self.write(pickle.BUILD)

    dispatch[Global] = save_global_by_name
    dispatch[Call] = save_call
    dispatch[Object] = save_instance


def _pickled(content, legacy):
    file = io.BytesIO()
    pickler = _Pickler(file, legacy)
    pickler.dump(content)
    return file.getvalue(), list(pickler.storages.values())


def save(path, content):
    """The zip format of PyTorch 1.6 and later."""
    text, storages = _pickled(content, legacy=False)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", text)
        archive.writestr("archive/version", "3\n")
        for key, storage in storages:
            archive.writestr(f"archive/data/{key}", storage.elements.tobytes())


def save_legacy(path, content):
    """The stream of pickles before that."""
    text, storages = _pickled(content, legacy=True)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    with open(path, "wb") as file:
        for head in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(head, file, protocol=2)
        file.write(text)
        pickle.dump([key for key, _ in storages], file, protocol=2)
        for _, storage in storages:
            file.write(struct.pack("<q", storage.elements.size) + storage.elements.tobytes())
