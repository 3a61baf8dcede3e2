"""The built program with the plug-in as it is delivered, on the emulated CUDA libraries.

Variables: SPOTTER (the program), EMULATED (the folder of libcudart.so.13 and libcudnn.so.9), PLUGIN (another
spotter-cuda.so than the one beside the program), SPOT_SHARED, EMULATED_CUDA_CACHE (translated kernels).
"""
import importlib.util
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = pathlib.Path(os.environ.get("SPOTTER", ROOT / "build-cuda" / "spotter"))
LIBRARIES = os.environ.get("EMULATED", str(PROGRAM.parent / "emulated"))
SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", ROOT.parent / "shared"))
PLUGIN = os.environ.get("PLUGIN", str(PROGRAM.parent / "spotter-cuda.so"))
WEIGHTS = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"
FOUND_PROBLEMS = 86  # exit status of a process in which the emulation found problems
TIME_LIMIT = 600

os.environ["SPOTTER"] = str(PROGRAM)
os.environ.setdefault("TEST_PATIENCE", "300")
spec = importlib.util.spec_from_file_location("http_servers", ROOT / "tests" / "http" / "conftest.py")
http_servers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(http_servers)
http_servers.PATIENCE = 300
http_servers.until.__defaults__ = (300,)


def variables(**settings):
    """An environment; settings are those of cudart/emulated.h: order="eager" is EMULATED_CUDA_ORDER."""
    known = {key: value for key, value in os.environ.items()
             if key == "EMULATED_CUDA_CACHE" or not key.startswith(("EMULATED_CUDA_", "SPOTTER_"))}
    return {**known, "LD_LIBRARY_PATH": LIBRARIES, "SPOTTER_CUDA_PLUGIN": PLUGIN, "XDG_CACHE_HOME": LIBRARIES,
            **{f"EMULATED_CUDA_{key.upper()}": str(value) for key, value in settings.items()}}


def run(*words, program=PROGRAM, time_limit=TIME_LIMIT, **settings):
    return subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, timeout=time_limit,
                          env=variables(**settings), check=False)


def serve(folder, *flags, weights=WEIGHTS, backend="cuda", wait=True, plugin="tune=off,plans=off", **settings):
    """A server whose stop() fails when the emulation found a problem; plugin: its --backend-settings."""
    words = ["--model", f"nanodet-m-320={weights}", "--batch-max-size", 2, "--limits-queue-ms", "60000", "--limits-request-ms", "100000", *flags]
    if backend == "cuda":
        words += ["--backend-settings", plugin]
    return http_servers.Server(folder, *words, backend=backend, wait=wait, variables=variables(**settings))
