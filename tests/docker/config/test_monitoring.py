"""Prometheus scrapes a working spotter; the rules, the alerts and every query of the dashboard get data."""

import http.client
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml
from conftest import DOCKER, ROOT, accepted, free_port, program, start_server

PROMETHEUS = DOCKER / "prometheus"
DASHBOARD = json.loads((DOCKER / "grafana/dashboards/spotter.json").read_text())
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
RULES = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"][0]["rules"]
PICTURE = (ROOT / "docs/images/sample.jpg").read_bytes()


class Spotter:
    """A server with a past: pictures found and not, refused, too late."""

    def __init__(self, folder):
        self.server = start_server(folder, "--limits-body-bytes", "1M", backend="cpu")

    def ask(self):
        for body, path in ((PICTURE, "/detect"), (PICTURE, "/detect?timeout_ms=1"), (b"no picture", "/detect"), (b"", "/nowhere")):
            self.server.request("POST", path, body)


def settings_for(folder, target, port):
    """The Prometheus configuration of compose.yaml, with another target and without long waits."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    job = config["scrape_configs"][0]
    assert job.pop("dns_sd_configs")[0]["names"] == ["spotter"]
    job["static_configs"] = [{"targets": [target]}]
    for name in config["rule_files"]:
        (folder / name).write_text((PROMETHEUS / name).read_text())
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return ["--config.file", folder / "prometheus.yml", "--storage.tsdb.path", folder / "data", "--web.listen-address", f"127.0.0.1:{port}"]


class Prometheus:
    def __init__(self, folder, target):
        self.port = free_port()
        with open(folder / "prometheus.log", "wb") as log:
            words = [program("prometheus"), *settings_for(folder, target, self.port)]
            self.process = subprocess.Popen(list(map(str, words)), stdout=log, stderr=log)

    def query(self, expression):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as problem:
            raise AssertionError(f"{expression}: {problem.read().decode()}") from problem
        except (OSError, http.client.HTTPException):
            return []  # not up yet


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    program("prometheus")
    folder = tmp_path_factory.mktemp("monitoring")
    spotter = Spotter(folder)
    prometheus = Prometheus(folder, f"127.0.0.1:{spotter.server.port}")
    try:
        end = time.monotonic() + 60
        while not prometheus.query("spotter:queue_wait_seconds:p95_1m >= 0"):
            assert time.monotonic() < end, (folder / "prometheus.log").read_text()
            spotter.ask()
            time.sleep(0.5)
        yield prometheus
    finally:
        prometheus.process.terminate()
        prometheus.process.wait(20)
        spotter.server.stop()


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


def filled(expression):
    """A query as Grafana sends it when everything is chosen."""
    expression = expression.replace("$__rate_interval", "30s")
    for variable in DASHBOARD["templating"]["list"]:
        expression = expression.replace(f"${variable['name']}", ".*")
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("expression", queries())
def test_every_query_of_the_dashboard_returns_data(prometheus, expression):
    assert prometheus.query(filled(expression)), filled(expression)


def test_the_variables_of_the_dashboard_have_values(prometheus):
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        values = {series["metric"].get(label) for series in prometheus.query(filled(metric))}
        assert values - {None}, variable["name"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["record"])
def test_every_rule_records_something(prometheus, rule):
    assert prometheus.query(rule["record"])


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_looks_at_something_that_is_there(prometheus, rule):
    """The comparison that ends the expression, made to answer 0 or 1 instead of nothing."""
    compared = re.sub(r"(==|>)(?= [\d.]+$)", r"\1 bool", rule["expr"])
    assert compared != rule["expr"]
    results = prometheus.query(compared)
    assert results
    assert rule["alert"] == "SpotterOverloaded" or all(result["value"][1] == "0" for result in results), results


def test_promtool_accepts_rules_and_configuration():
    for name in ("rules.yml", "alerts.yml"):
        assert "SUCCESS" in accepted(program("promtool"), "check", "rules", PROMETHEUS / name)
    assert "SUCCESS" in accepted(program("promtool"), "check", "config", PROMETHEUS / "prometheus.yml")


def test_each_alert_fires_when_it_should(tmp_path):
    cases = ROOT / "tests/docker/config/alerts_test.yml"
    named = {test["alertname"] for case in yaml.safe_load(cases.read_text())["tests"] for test in case["alert_rule_test"]}
    assert named == {rule["alert"] for rule in ALERTS}
    for name in ("rules.yml", "alerts.yml"):
        (tmp_path / name).write_text((PROMETHEUS / name).read_text())
    (tmp_path / "alerts_test.yml").write_text(cases.read_text())
    assert "SUCCESS" in accepted(program("promtool"), "test", "rules", tmp_path / "alerts_test.yml")


def test_every_alert_is_explained():
    page = (ROOT / "docs/operations.md").read_text()
    for rule in ALERTS:
        assert rule["alert"] in page
