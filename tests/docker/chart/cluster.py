"""As much of a Kubernetes API as `helm install` talks to: it tells which kinds there are, keeps what it is
sent and gives it back. What it keeps is what a cluster would have been asked to run."""

import http.server
import json
import threading

# group/version: plural name -> kind
KINDS = {
    "v1": {"configmaps": "ConfigMap", "services": "Service", "pods": "Pod", "secrets": "Secret", "namespaces": "Namespace"},
    "apps/v1": {"deployments": "Deployment"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "monitoring.coreos.com/v1": {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"},
    "keda.sh/v1alpha1": {"scaledobjects": "ScaledObject"},
}


def status(code, reason):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason}


def resources(version):
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    found = [{"name": name, "singularName": kind.lower(), "namespaced": kind != "Namespace", "kind": kind, "verbs": verbs} for name, kind in KINDS[version].items()]
    return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": found}


def groups():
    found = []
    for version in KINDS:
        if "/" in version:
            name = {"groupVersion": version, "version": version.split("/")[1]}
            found.append({"name": version.split("/")[0], "versions": [name], "preferredVersion": name})
    return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


class Cluster:
    def __init__(self):
        self.objects = {}  # path -> object
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if body and "json" not in self.headers["Content-Type"]:  # Helm's own notes, in protobuf
                    code, reply = 201, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "note"}}
                else:
                    code, reply = cluster.answer(self.command, self.path.split("?")[0], json.loads(body) if body else None)
                data = json.dumps(reply).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, body):
        if path == "/version":
            return 200, {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        if path == "/apis":
            return groups()
        for version in KINDS:
            if path == ("/api/" if "/" not in version else "/apis/") + version:
                return resources(version)
        if method == "GET":
            if path in self.objects:
                return 200, self.objects[path]
            return (200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}) if path.endswith("/secrets") else status(404, "NotFound")
        if method == "POST":
            self.objects[f"{path}/{body['metadata']['name']}"] = body
            return 201, body
        if method in ("PUT", "PATCH") and body is not None:
            self.objects[path] = body
            return 200, body
        self.objects.pop(path, None)
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def made(self):
        return list(self.objects.values())

    def kubeconfig(self, path):
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "vision"}}],
        }))
        return path

    def close(self):
        self.server.shutdown()
