# The commands of this project; everything else is CMake (CMakePresets.json).
#
#   make demo    install what is missing, build, serve the bundled model, post a sample picture
#   make check   install what the tests need, build, run every test
#   make build   only build: build/spotter
#   make bench   compare with other runtimes on this machine (also: make bench-peers)
#   make bench-serving  load this server and others on this machine
#   make load    put the server under load on this machine, about three minutes
#   make fuzz    look for inputs that break it, FUZZ_SECONDS long (600)
#   make docker-check  build the container images and try them (root; half an hour)
#   make format  format the C sources

.PHONY: demo check build bench bench-peers bench-serving load fuzz docker-check format clean
MAKEFLAGS += --no-print-directory

demo:
	@tools/install-packages build demo
	@$(MAKE) build
	@tools/demo

check:
	@tools/install-packages build test
	@tests/docker/programs
	@tests/check

build:
	@tools/require cmake ninja pkg-config cc
	@cmake --preset release -DSPOT_TESTS=$(if $(wildcard /usr/include/cmocka.h),ON,OFF) >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
	@rm -f build-configure.log
	@cmake --build build

docker-check:
	@tools/install-packages build test docker
	@$(MAKE) build
	@docker/check

bench bench-peers: build
	@bench/run

bench-serving: build
	@bench/serving/run

load: build
	@tests/load/run

fuzz:
	@tests/fuzz/run

format:
	@git ls-files '*.c' '*.h' '*.inc' '*.cu' '*.cuh' | xargs clang-format -i

clean:
	@rm -rf build build-*
