#!/bin/sh
# bench/gpu.sh [OPTION]...: for a machine with an NVIDIA GPU. Runs the self-test there, then measures
# every model, batch size and precision beside what the GPU could do at best and beside ONNX Runtime
# where that is installed with CUDA or TensorRT. Options: bench/gpu.sh --help.
#
# Everything is written to build/bench/gpu/: selftest.txt, measured.json, measured.csv and report.md,
# which is what to send when something is wrong or slow.
set -eu
exec "${PYTHON:-python3}" "$(dirname "$0")/gpu/measure.py" "$@"
