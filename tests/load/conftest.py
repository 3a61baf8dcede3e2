"""Servers under load: those of tests/http, and what a process uses."""

import importlib.util
import os
import pathlib

_spec = importlib.util.spec_from_file_location("http_conftest", pathlib.Path(__file__).parents[1] / "http" / "conftest.py")
_http = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_http)
PROGRAM, ROOT, SAMPLE, Server, png, serve, until = (
    getattr(_http, name) for name in ("PROGRAM", "ROOT", "SAMPLE", "Server", "png", "serve", "until")
)


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))
