"""What the service manager is told: a datagram socket stands for systemd."""

import configparser
import json
import os
import signal
import socket
import subprocess
import time

import pytest
from conftest import PROGRAM, ROOT, png


class Manager:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(30)

    def next(self, but="WATCHDOG=1"):
        while True:
            message = self.socket.recv(4096).decode()
            if message != but:
                return message.split("\n")


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    name = f"spotter-test-{os.getpid()}-{time.monotonic_ns()}"
    path = str(tmp_path / "n") if request.param == "file" else "@" + name
    made = Manager(path if request.param == "file" else "\0" + name)
    yield made, path
    made.socket.close()


def test_the_manager_hears_of_every_change(serve, manager):
    listener, path = manager
    server = serve(variables={"NOTIFY_SOCKET": path})
    assert listener.next()[0] == "READY=1"
    server.signal(signal.SIGHUP)
    first = listener.next()
    assert first[0] == "RELOADING=1"
    told_us = int(first[1].removeprefix("MONOTONIC_USEC="))
    assert abs(told_us / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 30
    assert listener.next()[0] == "READY=1"
    server.signal(signal.SIGTERM)
    assert listener.next()[0] == "STOPPING=1"
    assert server.wait() == 0


def test_a_reload_that_fails_ends_in_ready_too(serve, manager, tmp_path):
    listener, path = manager
    config = tmp_path / "c.json"
    config.write_text("{}")
    server = serve("--config", config, variables={"NOTIFY_SOCKET": path})
    assert listener.next()[0] == "READY=1"
    config.write_text("{")
    server.signal(signal.SIGHUP)
    assert [listener.next()[0], listener.next()[0]] == ["RELOADING=1", "READY=1"]


def test_the_watchdog_is_fed_as_often_as_asked(serve, manager):
    listener, path = manager
    serve(variables={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"})
    times = []
    while len(times) < 4:
        if listener.socket.recv(4096) == b"WATCHDOG=1":
            times.append(time.monotonic())
    assert all(later - earlier < 2 for earlier, later in zip(times, times[1:]))


def test_a_watchdog_of_another_process_is_not_fed(serve, manager):
    listener, path = manager
    serve(variables={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    assert listener.next(but=None)[0] == "READY=1"
    listener.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        listener.next(but=None)


def test_the_unit_names_a_command_and_signal_that_there_are():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "config" / "spotter.service")
    service = unit["Service"]
    words = service["ExecStart"].split()
    flags = subprocess.run([PROGRAM, words[1], "--help"], capture_output=True, text=True, check=True).stdout
    assert words[1] == "serve" and all(word in flags for word in words if word.startswith("--"))
    assert service["Type"] == "notify" and "-HUP" in service["ExecReload"]
    drain_ms = json.loads((ROOT / "config" / "spotter.json").read_text()).get("limits", {}).get("drain_ms", 30000)
    assert int(service["TimeoutStopSec"]) * 1000 > drain_ms


@pytest.mark.parametrize("path", ["", "relative", "/nowhere/at/all", "@", "/" + "x" * 200])
def test_a_socket_that_is_none_does_no_harm(serve, path):
    server = serve(variables={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "x"})
    assert server.post(png(8, 8)).status == 200
    server.stop()
