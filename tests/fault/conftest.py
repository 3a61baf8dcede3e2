"""Servers whose allocations and threads can be made to fail; everything else is tests/http's."""

import importlib.util
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import time

import pytest

_spec = importlib.util.spec_from_file_location("http_conftest", pathlib.Path(__file__).parents[1] / "http" / "conftest.py")
_http = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_http)
PROGRAM, ROOT, SAMPLE, Server, png, serve, status_of, until = (
    getattr(_http, name) for name in ("PROGRAM", "ROOT", "SAMPLE", "Server", "png", "serve", "status_of", "until")
)

SHIM = os.environ.get("FAULT_SHIM", "")
FIELDS = ("fail_alloc", "fail_thread", "allocs", "threads", "faults", "live")


class Control:
    """The fields that shim.c shares; see there."""

    def __init__(self, path):
        path.write_bytes(struct.pack("6q", -1, -1, 0, 0, 0, 0))
        self.path = path
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 48)

    def __getattr__(self, name):
        at = 8 * FIELDS.index(name)
        return struct.unpack("q", self._map[at : at + 8])[0]

    def set(self, name, value):
        at = 8 * FIELDS.index(name)
        self._map[at : at + 8] = struct.pack("q", value)

    @property
    def variables(self):
        return {"LD_PRELOAD": SHIM, "FAULT_CONTROL": str(self.path)}


@pytest.fixture
def control(tmp_path):
    if not SHIM:
        pytest.skip("FAULT_SHIM is not set: run by ctest")
    return Control(tmp_path / "control")


def serve_once(control, *flags, seconds=30):
    """
    Runs a server that ends by itself or, when it becomes ready, after SIGTERM. Returns its exit
    status and its log.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPOTTER_")}
    words = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--backend", "null", "--workers", "1", *flags]
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env={**environment, **control.variables}
    )
    os.set_blocking(process.stderr.fileno(), False)
    log, end, asked = b"", time.monotonic() + seconds, False
    while process.poll() is None and time.monotonic() < end:
        log += process.stderr.read() or b""
        if b"event=ready" in log and not asked:
            asked = True
            process.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    if process.poll() is None:
        process.kill()
        raise AssertionError(f"neither ready nor ended within {seconds} s: {log.decode()}")
    log += process.stderr.read() or b""
    process.stderr.close()
    return process.returncode, log.decode(errors="replace")

