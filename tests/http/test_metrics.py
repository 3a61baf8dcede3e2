"""GET /metrics and the log."""

import json
import re

import pytest
from conftest import png, until

PICTURE = png(8, 8)


def samples(server):
    """The lines of /metrics as {name{labels}: value}; every line has its form."""
    found = {}
    typed = set()
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
            continue
        if line.startswith("# HELP "):
            continue
        match = re.fullmatch(r'([a-z_]+)(\{([a-z]+="[^"\n]*",?)+\})? (-?[0-9.e+-]+)', line)
        assert match, line
        assert re.sub("_(bucket|sum|count)$", "", match.group(1)) in typed, line
        key = line.rsplit(" ", 1)[0]
        assert key not in found, "twice: " + key
        found[key] = float(match.group(4))
    return found


def test_every_metric_of_the_contract_is_there(serve):
    server = serve()
    server.post(PICTURE)
    until(lambda: server.metric("spotter_requests_total", model="codes", code="200"))  # counted when it was sent
    names = {key.split("{")[0] for key in samples(server)}
    for name in ("request_duration_seconds", "stage_duration_seconds", "batch_size", "queue_wait_seconds"):
        assert {f"spotter_{name}_bucket", f"spotter_{name}_sum", f"spotter_{name}_count"} <= names
    for name in ("requests_total", "queue_depth", "rejected_total", "cancelled_total", "device_healthy", "build_info"):
        assert f"spotter_{name}" in names
    assert server.metric("spotter_device_healthy", device="null") == 1
    assert server.metric("spotter_build_info", backend="null") == 1


def test_requests_are_counted_by_model_and_code(serve):
    server = serve()
    for body in (PICTURE, PICTURE, b"x", b""):
        server.post(body)
    server.get("/nowhere")
    until(lambda: server.metric("spotter_requests_total", model="", code="404") == 1)
    until(lambda: server.metric("spotter_request_duration_seconds_count", model="codes") == 4)
    assert server.metric("spotter_requests_total", model="codes", code="200") == 2
    assert server.metric("spotter_requests_total", model="codes", code="415") == 1
    assert server.metric("spotter_requests_total", model="codes", code="400") == 1
    assert server.metric("spotter_request_duration_seconds_count", model="codes") == 4
    assert server.metric("spotter_batch_size_count", model="codes") == 2
    assert server.metric("spotter_stage_duration_seconds_count", model="codes", stage="decode") == 2


def test_the_codes_of_a_model_are_counted_from_zero(serve):
    found = samples(serve())
    for code in (200, 400, 415, 500, 503, 504):
        assert found[f'spotter_requests_total{{model="codes",code="{code}"}}'] == 0
    assert not any('model="",code="500"' in key for key in found)


def test_histograms_are_cumulative(serve):
    server = serve()
    for _ in range(5):
        server.post(PICTURE)
    until(lambda: server.metric("spotter_request_duration_seconds_count", model="codes") == 5)
    found = samples(server)
    last = 0
    for key, value in found.items():
        if key.startswith('spotter_request_duration_seconds_bucket{model="codes"'):
            assert value >= last
            last = value
    assert last == found['spotter_request_duration_seconds_count{model="codes"}']


def test_detections_are_counted_by_label(serve, sample):
    server = serve(backend="cpu")
    found = server.post(sample).json["detections"]
    assert found
    for label in {one["label"] for one in found}:
        expected = sum(one["label"] == label for one in found)
        assert server.metric("spotter_detections_total", model="codes", label=label) == expected


def test_prometheus_reads_the_metrics(serve, sample):
    parser = pytest.importorskip("prometheus_client.parser", reason="python3-prometheus-client is not installed")
    server = serve(backend="cpu")
    server.post(sample)
    server.post(b"x")
    server.get("/nothing")
    families = {}
    for family in parser.text_string_to_metric_families(server.get("/metrics").body.decode()):
        assert family.name not in families and family.documentation
        families[family.name] = family
    contract = {
        "spotter_requests": ("counter", {"model", "code"}),
        "spotter_request_duration_seconds": ("histogram", {"model"}),
        "spotter_stage_duration_seconds": ("histogram", {"model", "stage"}),
        "spotter_batch_size": ("histogram", {"model"}),
        "spotter_queue_depth": ("gauge", {"model"}),
        "spotter_queue_wait_seconds": ("histogram", {"model"}),
        "spotter_rejected": ("counter", {"reason"}),
        "spotter_cancelled": ("counter", set()),
        "spotter_detections": ("counter", {"model", "label"}),
        "spotter_device_healthy": ("gauge", {"device"}),
        "spotter_build_info": ("gauge", {"version", "backend"}),
    }
    for name, (kind, labels) in contract.items():
        assert families[name].type == kind and families[name].samples, name
        assert all(set(one.labels) - {"le"} == labels for one in families[name].samples), name
    samples = families["spotter_requests"].samples
    counts = {one.labels["code"]: one.value for one in samples if one.labels["model"] == "codes"}
    assert (counts["200"], counts["415"]) == (1, 1)
    for family in families.values():
        if family.type == "histogram":
            key = lambda labels: tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            totals = {key(s.labels): s.value for s in family.samples if s.name.endswith("_count")}
            ends = {key(s.labels): s.value for s in family.samples if s.labels.get("le") == "+Inf"}
            assert totals == ends and totals, family.name


def test_metrics_can_be_switched_off(serve):
    assert serve("--metrics=false").get("/metrics").status == 404


def test_the_access_log_has_one_line_a_request(serve):
    server = serve("--log-format", "json")
    server.post(b"x", "/detect?id=1", X_Request_Id="one")
    line = until(lambda: [json.loads(l) for l in server.log().splitlines() if '"event":"request"' in l])[0]
    assert line["id"] == "one" and line["status"] == 415 and line["error"] == "unsupported_image_type"
    assert line["method"] == "POST" and line["path"] == "/detect" and line["client"] == "127.0.0.1"
    assert line["bytes_in"] == 1 and line["bytes_out"] > 50 and line["ms"] >= 0 and line["model"] == "codes"


def test_a_client_cannot_forge_log_lines(serve):
    server = serve()
    server.get("/x%0atime=2000-01-01T00:00:00Z%20level=info%20event=forged")
    until(lambda: server.lines("request"))
    assert not any(line.startswith("time=2000") for line in server.log().splitlines())


def test_the_access_log_can_be_switched_off(serve):
    server = serve("--log-access=false")
    server.post(PICTURE)
    server.stop()
    assert not server.lines("request")
