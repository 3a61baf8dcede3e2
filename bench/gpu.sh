#!/bin/sh
# bench/gpu.sh [OPTION]...: for a machine with an NVIDIA GPU. Runs the self-test there, then measures
# every model, batch size and precision beside what the GPU could do at best and beside ONNX Runtime
# where that is installed with CUDA or TensorRT. Options are those of bench/gpu/measure.py.
#
# Everything is written to build/bench/gpu/: selftest.txt, measured.json, measured.csv and report.md,
# which is what to send when something is wrong or slow.
set -eu
cd "$(dirname "$0")/.."

spotter=${SPOTTER:-build/spotter}
backend=${BENCH_BACKEND:-cuda} # another one only to try this script
out=build/bench/gpu
[ -x "$spotter" ] || { echo "bench: build first: make build" >&2; exit 1; }
mkdir -p "$out"

echo "self-test on $backend; minutes, the reference is slow"
passed=0
"$spotter" selftest --backend "$backend" >"$out/selftest.txt" 2>&1 || passed=$?
tail -n 1 "$out/selftest.txt"
grep -h '^FAIL' "$out/selftest.txt" || true

python3 bench/gpu/measure.py --spotter "$spotter" --backend "$backend" --out "$out" "$@"
exit "$passed"
