"""docker/helm installed by Helm into a cluster that only listens; docker/kserve as it stands.

Objects of Kubernetes itself are checked against its published schemas, strictly: no unknown field; those
of KServe against the models in its Python package. KEDA's and the Prometheus operator's have no schemas
to be had here.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from cluster import Cluster
from kserve_models import Models

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CHART = ROOT / "docker/helm"
VERSIONS = ("1.30", "1.34", "1.37")

INSTALL = """
import ctypes, json, sys
library = ctypes.CDLL(sys.argv[1])
library.helm_sdkpy_last_error.restype = ctypes.c_char_p
def check(code):
    if code:
        sys.exit(library.helm_sdkpy_last_error().decode())
handle, result = ctypes.c_ulonglong(), ctypes.c_char_p()
check(library.helm_sdkpy_config_create(b"vision", sys.argv[2].encode(), b"", b"{}", ctypes.byref(handle)))
if sys.argv[4] == "lint":
    check(library.helm_sdkpy_lint(handle, sys.argv[3].encode(), ctypes.byref(result)))
else:
    options = json.dumps({"wait": False, "timeout_seconds": 20, "disable_openapi_validation": True, "server_side_apply": "false"})
    check(library.helm_sdkpy_install(handle, b"shop", sys.argv[3].encode(), sys.argv[4].encode(), b"", options.encode(), ctypes.byref(result)))
print(result.value.decode())
"""


def helm(kubeconfig, what):
    """In a process of its own: Helm's library is Go, and leaves threads behind."""
    words = [sys.executable, "-c", INSTALL, os.environ["HELM_LIBRARY"], str(kubeconfig), str(CHART), what]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.fixture
def install(tmp_path):

    cluster = Cluster()

    def start(values=None):
        done = helm(cluster.kubeconfig(tmp_path / "kubeconfig"), json.dumps(values or {}))
        assert done.returncode == 0, done.stderr
        return cluster.made()

    yield start
    cluster.close()


GPU = {"image": {"repository": "spotter", "tag": "cuda"}, "gpu": {"enabled": True, "resource": "nvidia.com/mig-1g.10gb", "runtimeClassName": "nvidia"}}
FULL = {
    "autoscaling": {"kind": "keda"}, "serviceMonitor": {"enabled": True, "labels": {"release": "monitoring"}},
    "prometheusRule": {"enabled": True}, "keysSecret": "keys", "tlsSecret": "certificate", "modelVolume": {"persistentVolumeClaim": {"claimName": "models"}},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]},
    "env": [{"name": "SPOTTER_LOG_LEVEL", "value": "warn"}], "nodeSelector": {"disk": "fast"}, "podLabels": {"a": "b"},
    "podAnnotations": {"c": "d"}, "tolerations": [{"key": "gpu", "operator": "Exists"}], "imagePullSecrets": [{"name": "pull"}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "x", "operator": "Exists"}]}]}}},
}
CASES = {"plain": {}, "gpu": GPU, "full": FULL, "hpa": {"autoscaling": {"kind": "hpa", "cpuPercent": 80}}, "bare": {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}}}


def of_kind(objects, kind):
    return [thing for thing in objects if thing["kind"] == kind]


def is_own(thing):
    return "." not in thing["apiVersion"].split("/")[0] or thing["apiVersion"].split("/")[0].endswith("k8s.io")


@pytest.mark.parametrize("name", CASES)
def test_what_helm_installs_keeps_to_the_schemas_of_kubernetes(install, name):
    objects = install(CASES[name])
    assert {"Deployment", "Service", "ConfigMap"} <= {thing["kind"] for thing in objects}
    checked = 0
    for thing in filter(is_own, objects):
        for version in VERSIONS:
            kubernetes_validate.validate(thing, version, strict=True)
            checked += 1
    others = sorted({thing["kind"] for thing in objects if not is_own(thing)})
    print(f"\nfigure: chart, {name}: {len(objects)} objects, {checked} checks against Kubernetes {', '.join(VERSIONS)}; not checked: {others}", end="")


def test_helm_lints_the_chart(tmp_path):
    done = helm(tmp_path / "none", "lint")
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stdout and "WARNING" not in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"replica": 3}, "replica"),
        ({"config": {"listen": {"port": 1}}}, "listen"),
        ({"resources": {"limits": {"memory": "1Gi"}}, "gpu": {"resource": "gpu"}}, "gpu/resource"),
        ({"autoscaling": {"kind": "magic"}}, "autoscaling/kind"),
        ({"terminationGracePeriodSeconds": 5, "drainDelaySeconds": 5}, "terminationGracePeriodSeconds"),
    ],
)
def test_wrong_values_are_refused_by_name(tmp_path, values, word):

    cluster = Cluster()
    try:
        done = helm(cluster.kubeconfig(tmp_path / "kubeconfig"), json.dumps(values))
        assert done.returncode != 0
        assert word in done.stderr or word.replace("/", ".") in done.stderr, done.stderr
        assert not cluster.made()
    finally:
        cluster.close()


def test_a_gpu_is_asked_for(install):
    pod = of_kind(install(GPU), "Deployment")[0]["spec"]["template"]["spec"]
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == 1
    assert {"name": "SPOTTER_BACKEND", "value": "cuda"} in pod["containers"][0]["env"]


def test_the_pods_are_asked_nothing_while_they_drain(install):
    pod = of_kind(install(), "Deployment")[0]["spec"]["template"]["spec"]
    delay = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > delay + 30
    assert pod["enableServiceLinks"] is False
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_configuration_is_one_that_spotter_takes(install, tmp_path):
    config = of_kind(install(), "ConfigMap")[0]["data"]["spotter.json"]
    (tmp_path / "spotter.json").write_text(config)
    subprocess.run([os.environ.get("SPOTTER", str(ROOT / "build/spotter")), "config", "--check", str(tmp_path / "spotter.json")], check=True)


def test_rules_reach_the_operator_unchanged(install):
    groups = of_kind(install(FULL), "PrometheusRule")[0]["spec"]["groups"]
    files = [yaml.safe_load((ROOT / "docker/prometheus" / name).read_text()) for name in ("rules.yml", "alerts.yml")]
    assert groups == [group for file in files for group in file["groups"]]


def test_prometheus_can_read_the_query_of_keda(install, tmp_path):
    query = of_kind(install(FULL), "ScaledObject")[0]["spec"]["triggers"][0]["metadata"]["query"]
    assert 'namespace="vision", service="shop-spotter"' in query
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "r", "expr": query}]}]}))
    subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yml")], check=True)


def test_selectors_find_the_pods(install):
    objects = install(FULL)
    labels = of_kind(objects, "Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    selectors = [of_kind(objects, "Deployment")[0]["spec"]["selector"]["matchLabels"], of_kind(objects, "PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"],
                 of_kind(objects, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"], *(s["spec"]["selector"] for s in of_kind(objects, "Service"))]
    assert all(selector.items() <= labels.items() for selector in selectors)
    monitor = of_kind(objects, "ServiceMonitor")[0]["spec"]["selector"]["matchLabels"]
    assert [s["metadata"]["name"] for s in of_kind(objects, "Service") if monitor.items() <= s["metadata"]["labels"].items()] == ["shop-spotter"]


def test_with_a_certificate_everything_asks_by_https(install):
    objects = install(FULL)
    container = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "SPOTTER_TLS_KEY", "value": "/etc/spotter-tls/tls.key"} in container["env"]
    assert {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {"HTTPS"}
    assert of_kind(objects, "ServiceMonitor")[0]["spec"]["endpoints"][0]["scheme"] == "https"


def options():
    return set(re.findall(r"SPOTTER_[A-Z0-9_]+", (ROOT / "docs/configuration.md").read_text()))


def test_only_options_that_exist_are_set(install):
    environment = of_kind(install(FULL), "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    files = " ".join(path.read_text() for path in (ROOT / "docker/kserve").glob("*.yaml"))
    assert {one["name"] for one in environment} | set(re.findall(r"SPOTTER_[A-Z0-9]+_?[A-Z0-9_]+", files)) <= options()


def kserve():
    for path in sorted((ROOT / "docker/kserve").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


def pod(containers, **others):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **others}}


def test_kserve_runtimes_have_the_form_that_kserve_asks_for():
    runtimes = [thing for thing in kserve() if thing["kind"] == "ClusterServingRuntime"]
    assert [thing["metadata"]["name"] for thing in runtimes] == ["spotter", "spotter-gpu"]
    for runtime in runtimes:
        spec = runtime["spec"]
        assert runtime["apiVersion"] == "serving.kserve.io/v1alpha1"
        assert spec["protocolVersions"] == ["v2"]
        assert [container["name"] for container in spec["containers"]] == ["kserve-container"]
        assert {"name": "SPOTTER_CONFIG", "value": "/mnt/models/spotter.json"} in spec["containers"][0]["env"]
        for version in VERSIONS:
            kubernetes_validate.validate(pod(spec["containers"]), version, strict=True)


def test_inference_services_ask_for_a_runtime_that_is_there():
    things = list(kserve())
    runtimes = {t["metadata"]["name"]: {f["name"] for f in t["spec"]["supportedModelFormats"]} for t in things if t["kind"] == "ClusterServingRuntime"}
    services = [t for t in things if t["kind"] == "InferenceService"]
    assert len(services) == 2
    for service in services:
        predictor = service["spec"]["predictor"]
        assert predictor["model"]["modelFormat"]["name"] in runtimes[predictor["model"]["runtime"]]
        assert predictor["model"]["protocolVersion"] == "v2"
        assert predictor["enableServiceLinks"] is False
    on_gpu = [s for s in services if s["spec"]["predictor"]["model"]["runtime"] == "spotter-gpu"]
    assert [s["spec"]["predictor"]["model"]["resources"]["limits"]["nvidia.com/gpu"] for s in on_gpu] == ["1"]


KSERVE_KINDS = {"ClusterServingRuntime": "V1alpha1ClusterServingRuntime", "InferenceService": "V1beta1InferenceService"}


def test_kserve_knows_every_field_that_is_set():
    models = Models(os.environ["KSERVE_MODELS"])
    for thing in kserve():
        assert models.problems(thing, KSERVE_KINDS[thing["kind"]]) == []


def test_a_field_that_kserve_does_not_know_is_found():
    models = Models(os.environ["KSERVE_MODELS"])
    thing = next(thing for thing in kserve() if thing["kind"] == "InferenceService")
    thing["spec"]["predictor"]["model"]["protocol"] = "v2"
    thing["spec"]["predictor"]["minReplicas"] = "2"
    assert models.problems(thing, "V1beta1InferenceService") == [
        ".spec.predictor.minReplicas is no int",
        ".spec.predictor.model.protocol is unknown to V1beta1ModelSpec",
    ]
