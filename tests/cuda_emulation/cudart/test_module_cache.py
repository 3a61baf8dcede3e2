"""A translated module is kept under a name of all that made it: what is changed is translated anew."""

import os
import pathlib
import shutil
import subprocess

import pytest

EMULATION = pathlib.Path(__file__).resolve().parents[1]
PARTS = ["ptx/ptx_to_c", "ptx/parse.py", "ptx/instructions.py", "ptx/device.h", "source/runtime.h"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of what translates, and a cache that holds what it makes."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("ptx", "source"):
        shutil.copytree(EMULATION / folder, root / "tests" / "cuda_emulation" / folder)
    assert len(translated(root)) == 1
    return root


def translated(root):
    """The modules in the cache after a run."""
    environment = {**os.environ, "EMULATED_CUDA_SOURCE": str(root), "EMULATED_CUDA_CACHE": str(root / "cache")}
    subprocess.run([os.environ["PROGRAM"]], env=environment, check=True, capture_output=True, timeout=120)
    return set((root / "cache").glob("*.so"))


def test_an_unchanged_module_is_translated_once(project):
    assert translated(project) == translated(project)


@pytest.mark.parametrize("part", PARTS)
def test_a_change_of_what_translates_makes_a_module_anew(project, part):
    before = translated(project)
    path = project / "tests" / "cuda_emulation" / part
    path.write_text(path.read_text() + ("\n/* changed */\n" if part.endswith(".h") else "\n# changed\n"))
    assert len(translated(project) - before) == 1


def test_the_parts_are_all_that_a_translation_includes():
    """device.h is what translated C includes; whatever it includes of this project is a part as well."""
    for part in PARTS:
        lines = (EMULATION / part).read_text().splitlines() if part.endswith(".h") else []
        included = [line.split('"')[1] for line in lines if line.startswith('#include "')]
        assert {path.removeprefix("tests/cuda_emulation/") for path in included} <= set(PARTS)
