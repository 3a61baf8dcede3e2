"""The compose files, the balancer's configuration and the Dockerfiles hold together."""

import json
import os
import re
import subprocess

import pytest
import yaml
from conftest import DOCKER, ROOT, accepted, program

COMPOSE = [DOCKER / "compose.yaml", DOCKER / "compose.scale.yaml"]
DOCKERFILES = [DOCKER / "Dockerfile.cpu", DOCKER / "Dockerfile.cuda"]
SPOTTER = os.environ.get("SPOTTER", str(ROOT / "build/spotter"))


def services(path):
    return yaml.safe_load(path.read_text())["services"]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_ports_are_open_to_this_machine_only(path):
    ports = [port for service in services(path).values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_is_mounted_or_built_is_there(path):
    for service in services(path).values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DOCKER / source).exists(), source
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_spotters_have_no_rights_and_time_to_drain(path):
    drain_s = json.loads(accepted(SPOTTER, "config", "--print"))["limits"]["drain_ms"] / 1000
    found = [service for name, service in services(path).items() if name.startswith("spotter")]
    assert found
    for service in found:
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert int(service["stop_grace_period"].removesuffix("s")) > drain_s


@pytest.mark.parametrize("path", [*COMPOSE, *DOCKERFILES], ids=lambda path: path.name)
def test_only_options_that_exist_are_set(path, tmp_path):
    known = set(re.findall(r"SPOTTER_[A-Z0-9_]+", (ROOT / "docs/configuration.md").read_text()))
    addresses = {"SPOTTER_HOST", "SPOTTER_PORT"}  # of haproxy.cfg
    assert set(re.findall(r"SPOTTER_[A-Z0-9_]+", path.read_text())) <= known | addresses


def test_the_configuration_in_the_image_is_right():
    accepted(SPOTTER, "config", "--check", DOCKER / "config/spotter.json")


def test_haproxy_accepts_its_configuration():
    address = {"SPOTTER_HOST": "localhost", "SPOTTER_PORT": "8080"}
    accepted(program("haproxy"), "-c", "-f", DOCKER / "haproxy/haproxy.cfg", env={**os.environ, **address})


def test_haproxy_waits_longer_than_the_server_may_take():
    text = (DOCKER / "haproxy/haproxy.cfg").read_text()
    limits = json.loads(accepted(SPOTTER, "config", "--print"))["limits"]
    for timeout, limit in (("server", "request_ms"), ("http-request", "body_timeout_ms")):
        assert int(re.search(rf"timeout {timeout} (\d+)s", text).group(1)) * 1000 > limits[limit]


def test_libraries_names_what_it_copies(tmp_path):
    program("dpkg-query")
    script = DOCKER / "libraries"
    packages = accepted(script, "packages", SPOTTER).split()
    assert {"libc6", "libjansson4"} <= set(packages)
    accepted(script, "copy", tmp_path, SPOTTER)
    for package in packages:
        assert (tmp_path / "usr/share/doc" / package / "copyright").is_file()
        assert (tmp_path / "var/lib/dpkg/status.d" / package).is_file()
    found = subprocess.run(["ldd", SPOTTER], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S+) \(0x", found):
        assert (tmp_path / path.lstrip("/")).is_file(), path
