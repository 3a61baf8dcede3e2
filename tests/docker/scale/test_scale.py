"""Three spotters behind HAProxy, each in a network namespace of its own, under load from wrk while one
is killed, one drained and one started again.

Run by docker/check, as root. Everything happens in namespaces that the test makes and removes: one for
HAProxy and the clients, with a bridge, and one a server. Figures begin with "figure: ".
"""

import csv
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SPOTTER = os.environ.get("SPOTTER", str(ROOT / "build/spotter"))
PICTURE = ROOT / "docs/images/sample.jpg"
NET = "10.99.7"
# They all share this machine's cores: a server that is left alone may queue long, so that 503 means failure
PATIENT = ("--limits-queue-ms", 20000)
PREFIX = f"spot{os.getpid() % 10000}"

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("haproxy"), reason="needs root and haproxy")

WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "image/jpeg"
local file = io.open("%s", "rb")
wrk.body = file:read("*a")
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() codes = {} end
function response(status) codes[status] = (codes[status] or 0) + 1 end
function done(summary, latency)
    local all = {}
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("codes")) do all[status] = (all[status] or 0) + count end
    end
    for status, count in pairs(all) do io.write(string.format("status %%d %%d\\n", status, count)) end
    local e = summary.errors
    io.write(string.format("lost %%d\\n", e.connect + e.read + e.write + e.timeout))
    io.write(string.format("rate %%.1f\\n", summary.requests / (summary.duration / 1e6)))
    io.write(string.format("ms %%.1f %%.1f\\n", latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def inside(namespace, *words):
    return ["ip", "netns", "exec", namespace, *map(str, words)]


@pytest.fixture
def network():
    """The balancer's namespace has the bridge; each server's is a host on it."""
    hub = f"{PREFIX}-hub"
    hosts = [f"{PREFIX}-{i}" for i in (1, 2, 3)]
    try:
        ip("netns", "add", hub)
        ip("-n", hub, "link", "set", "lo", "up")
        ip("-n", hub, "link", "add", "br0", "type", "bridge")
        ip("-n", hub, "addr", "add", f"{NET}.254/24", "dev", "br0")
        ip("-n", hub, "link", "set", "br0", "up")
        for i, host in enumerate(hosts, 1):
            ip("netns", "add", host)
            ip("-n", hub, "link", "add", f"v{i}", "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", hub, "link", "set", f"v{i}", "master", "br0", "up")
            ip("-n", host, "addr", "add", f"{NET}.{i}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield hub, hosts
    finally:
        for name in [hub, *hosts]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


class Server:
    def __init__(self, namespace, number, folder, *flags):
        self.namespace, self.address = namespace, f"{NET}.{number}"
        self.log = folder / f"spotter-{number}-{time.monotonic_ns()}.log"
        words = [SPOTTER, "serve", "--listen", f"{self.address}:8080", "--limits-connections-per-address", 1024, *flags]
        self.process = subprocess.Popen(inside(namespace, *words), stderr=open(self.log, "wb"))
        end = time.monotonic() + 30
        while subprocess.run(inside(namespace, SPOTTER, "health", "--listen", f"{self.address}:8080"), capture_output=True).returncode:
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)

    def answered(self, status=200):
        """Requests for detection answered so, by the log: it outlives a killed process."""
        return len(re.findall(rf"event=request .*path=/detect status={status} sent=true", self.log.read_text()))


def cpu_s(pid):
    """Processor time of a process, which says more than rates do on a machine that has other work."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def haproxy(hub, folder, servers):
    """The real configuration; only the lines that name the servers and ports are the test's."""
    text = (ROOT / "docker/haproxy/haproxy.cfg").read_text()
    lines = "\n".join(f"    server s{i} {address}:8080" for i, address in enumerate(servers, 1))
    text, count = re.subn(r" *server-template .*", lines, text)
    assert count == 1
    config = folder / "haproxy.cfg"
    config.write_text(text)
    log = open(folder / "haproxy.log", "wb")
    process = subprocess.Popen(inside(hub, "haproxy", "-W", "-db", "-f", config), stdout=log, stderr=log)
    time.sleep(2.5)  # two checks of health
    return process


def taken_by(hub, server):
    """How many requests HAProxy has given to a server and waits for."""
    page = subprocess.run(inside(hub, "curl", "-s", f"http://{NET}.254:8404/stats;csv"), capture_output=True, text=True, check=True).stdout
    row = next(row for row in csv.DictReader(page.removeprefix("# ").splitlines()) if row["svname"] == server)
    return int(row["scur"])


def wrk(hub, folder, seconds, connections, address=f"{NET}.254"):
    script = folder / "picture.lua"
    script.write_text(WRK % PICTURE)
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script, f"http://{address}:8080/detect"]
    return subprocess.Popen(inside(hub, *words), stdout=subprocess.PIPE, text=True)


def result(process):
    text, _ = process.communicate(timeout=120)
    found = {int(a): int(b) for a, b in re.findall(r"^status (\d+) (\d+)", text, re.M)}
    lost = int(re.search(r"^lost (\d+)", text, re.M).group(1))
    rate = float(re.search(r"^rate (\S+)", text, re.M).group(1))
    median, slowest = map(float, re.search(r"^ms (\S+) (\S+)", text, re.M).groups())
    return found, lost, rate, median, slowest


def end(processes):
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        process.wait(30)


def test_requests_survive_what_happens_to_servers(network, tmp_path):
    hub, hosts = network
    servers = [Server(host, i, tmp_path, *PATIENT) for i, host in enumerate(hosts, 1)]
    running = [s.process for s in servers]
    balancer = haproxy(hub, tmp_path, [s.address for s in servers])
    running.append(balancer)
    try:
        load = wrk(hub, tmp_path, 24, 24)
        time.sleep(5)
        servers[0].process.send_signal(signal.SIGSTOP)  # so that what it has can be counted
        time.sleep(0.1)
        in_flight = taken_by(hub, "s1")
        servers[0].process.send_signal(signal.SIGKILL)
        time.sleep(4)
        servers[1].process.send_signal(signal.SIGTERM)
        assert servers[1].process.wait(30) == 0
        time.sleep(3)
        again = Server(hosts[0], 1, tmp_path, *PATIENT)
        running.append(again.process)
        time.sleep(2)
        again2 = Server(hosts[1], 2, tmp_path, *PATIENT)
        running.append(again2.process)
        statuses, lost, rate, median, slowest = result(load)
    finally:
        end(running)
    proxy_log = (tmp_path / "haproxy.log").read_text()
    ends = re.findall(r"spotters/(\S+) [-\d/]+ (-?\d+) \d+ - - (\S{4}) \d+/\d+/\d+/\d+/(\+?\d+)", proxy_log)
    answered = [s.answered() for s in (*servers, again, again2)]
    bad = {}
    for server, status, flags, retries in ends:
        if status != "200":
            bad[(server, status, flags)] = bad.get((server, status, flags), 0) + 1
    retried = sum(retries not in ("0", "+0") for *_, retries in ends)
    print(f"\nfigure: killed s1, drained s2, both started again: answers by status {statuses}, connections lost {lost}; s1 had {in_flight} requests")
    print(f"figure: 200 by server (s1, s2, s3, s1 again, s2 again) {answered}; retried by HAProxy {retried}; not 200: {bad}")
    print(f"figure: {rate:.1f} requests/s, median {median:.1f} ms, 99th percentile {slowest:.1f} ms")
    # Only what the killed one had taken may fail: HAProxy answers 502, or closes a connection that it had
    # used before, as a server would
    assert set(statuses) <= {200, 502}
    assert lost + statuses.get(502, 0) <= in_flight
    assert all(server == "s1" for server, _, _ in bad), bad
    assert statuses[200] > 100 and answered[3] > 0 and answered[4] > 0


def test_throughput_of_one_and_of_two(network, tmp_path):
    """Each with one lane and one decoder: two of them have two cores, as one with two lanes has."""
    hub, hosts = network
    one_lane = ("--workers", 1, "--decode-workers", 1)
    for count, flags in ((1, one_lane), (2, one_lane), (1, ())):
        servers = [Server(host, i, tmp_path, *PATIENT, *flags) for i, host in enumerate(hosts[:count], 1)]
        balancer = haproxy(hub, tmp_path, [s.address for s in servers])
        worker = subprocess.run(["pgrep", "-P", str(balancer.pid)], capture_output=True, text=True, check=True).stdout.split()[0]
        try:
            before = [cpu_s(s.process.pid) for s in servers]
            statuses, lost, rate, median, slowest = result(wrk(hub, tmp_path, 8, 8))
            spent = sum(cpu_s(s.process.pid) for s in servers) - sum(before)
            balanced = cpu_s(worker)
        finally:
            end([balancer, *(s.process for s in servers)])
        words = " ".join(map(str, flags)) or "default"
        print(f"\nfigure: {count} instance(s), {words}: {rate:.1f} requests/s, median {median:.1f} ms, 99th percentile {slowest:.1f} ms, {statuses}")
        print(f"figure:     processor time of a request: {1e3 * spent / statuses[200]:.2f} ms in spotter, {1e3 * balanced / statuses[200]:.2f} ms in HAProxy", end="")
        assert lost == 0 and set(statuses) == {200}
