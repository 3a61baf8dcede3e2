"""The program from outside: `spotter config`, help, exit status, and where messages go."""

import json
import os
import pathlib
import re

import pytest
from conftest import ROOT


def commands(spotter):
    listed = spotter("help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def printed(result):
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_the_program_alone_shows_its_usage_and_fails(spotter):
    result = spotter()
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: spotter COMMAND")


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_goes_to_standard_output(spotter, word):
    result = spotter(word)
    assert (result.returncode, result.stderr) == (0, "")
    assert "config" in result.stdout


def test_the_version_is_that_of_the_project(spotter):
    version = re.search(r"project\(spotter VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert spotter("--version").stdout == f"spotter {version.group(1)}\n"


def test_every_command_has_help_of_80_columns(spotter):
    for command in commands(spotter):
        result = spotter(command, "--help")
        assert (result.returncode, result.stderr) == (0, ""), command
        assert result.stdout.startswith(f"Usage: spotter {command} "), command
        assert "--help" in result.stdout
        assert [line for line in result.stdout.splitlines() if len(line) > 80] == [], command
        assert spotter("help", command).stdout == result.stdout


@pytest.mark.parametrize(
    "words, message",
    [
        (["confg"], "spotter: unknown command 'confg'; did you mean 'config'?\nTry 'spotter help'.\n"),
        (["--what"], "spotter: unknown option '--what'\nTry 'spotter help'.\n"),
        (["help", "nothing"], "spotter: unknown command 'nothing'\nTry 'spotter help'.\n"),
        (["help", "srve"], "spotter: unknown command 'srve'; did you mean 'serve'?\nTry 'spotter help'.\n"),
        (["help", "config", "x"], "spotter help: unexpected argument 'x'\nTry 'spotter help --help'.\n"),
        (["config"], "spotter config: needs either --check FILE or --print\nTry 'spotter config --help'.\n"),
        (["config", "--print", "--check", "x"],
         "spotter config: needs either --check FILE or --print\nTry 'spotter config --help'.\n"),
        (["config", "--print", "x"],
         "spotter config: unexpected argument 'x'\nTry 'spotter config --help'.\n"),
        (["config", "--prin"],
         "spotter config: unknown option '--prin'; did you mean '--print'?\nTry 'spotter config --help'.\n"),
        (["config", "--print", "--limits-side", "0"],
         "spotter config: --limits-side: found \"0\", expected a whole number from 1 to 16384\n"
         "Try 'spotter config --help'.\n"),
    ],
)
def test_wrong_usage_is_named_on_standard_error_with_status_2(spotter, words, message):
    result = spotter(*words)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", message)


def test_a_wrong_variable_is_named(spotter):
    result = spotter("config", "--print", variables={"SPOTTER_LOG_LEVEL": "loud"})
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(
        'spotter config: SPOTTER_LOG_LEVEL: found "loud", expected one of debug, info, warn, error\n'
    )


def test_print_shows_what_wins_of_all_four_sources(spotter, tmp_path):
    (tmp_path / "c.json").write_text(
        json.dumps({"workers": 2, "decode_workers": 2, "limits": {"queue_ms": 2}})
    )
    shown = printed(
        spotter(
            "config", "--print", "--config", "c.json", "--limits-queue-ms", "4",
            variables={"SPOTTER_DECODE_WORKERS": "3", "SPOTTER_LIMITS_QUEUE_MS": "3"},
        )
    )
    assert shown["workers"] == 2
    assert shown["decode_workers"] == 3
    assert shown["limits"]["queue_ms"] == 4
    assert shown["limits"]["pictures"] == 16


def test_what_print_shows_can_be_read_back_from_another_folder(spotter, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c.json").write_text(
        json.dumps({"models": [{"detector": "nanodet-m-320", "weights": "../w.safetensors"}]})
    )
    first = spotter("config", "--print", "--config", "a/c.json", "--iou", "0.7")
    model = printed(first)["models"][0]
    assert os.path.normpath(model["weights"]) == str(tmp_path / "w.safetensors")
    assert (model["name"], model["iou"]) == ("nanodet-m-320", 0.7)
    assert "confidence" not in model
    (tmp_path / "again.json").write_text(first.stdout)
    again = spotter("config", "--print", "--config", tmp_path / "again.json", cwd="/")
    assert again.stdout == first.stdout


def test_check_accepts_the_example_and_what_print_shows(spotter, tmp_path):
    result = spotter("config", "--check", ROOT / "config" / "spotter.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("spotter.json: ok, 1 model\n")
    (tmp_path / "c.json").write_text(spotter("config", "--print").stdout)
    assert spotter("config", "--check", "c.json").stdout == "c.json: ok, 0 models\n"


def test_check_is_about_the_file_alone(spotter, tmp_path):
    (tmp_path / "c.json").write_text('{"models": [{"detector": "unheard-of"}]}')
    result = spotter("config", "--check", "c.json", variables={"SPOTTER_MODEL": "nanodet-m-320"})
    assert result.returncode == 1
    assert result.stderr.startswith("spotter: c.json: models[0].detector: ")


BAD_FILES = [
    ('{"limits": {"quue_ms": 1}}', "limits.quue_ms: unknown key; did you mean 'queue_ms'?"),
    ('{"limits": {"side": true}}', "limits.side: found true, expected a whole number from 1 to 16384"),
    ('{"workers": 1,\n "workers": 2}', "line 2, column 10: duplicate object key near '\"workers\"'"),
    ('{"workers": 1', "line 1, column 13: '}' expected near end of file"),
    ("[" * 5000, "line 1: nested deeper than 16 levels"),
    ("\ufeff{}", "begins with a byte order mark; save it as UTF-8 without one"),
    (" " * (1 << 20) + "{}", "is larger than 1048576 bytes"),
    ('{"limits": {"body_bytes": 1073741824}}',
     "limits.bytes_in_flight: found 335544320, expected at least limits.body_bytes, which is 1073741824"),
    ('{"models": [{"detector": "nanodet-m-320", "weights": "no.safetensors"}]}',
     "models[0].weights: no.safetensors: No such file or directory"),
    ('{"models": [{"detector": "nanodet-m-320", "labels": "/no/labels.txt"}]}',
     "models[0].labels: /no/labels.txt: No such file or directory"),
    ('{"models": [{"detector": "nanodet-m-320", "calibration": "no.json"}]}',
     "models[0].calibration: no.json: No such file or directory"),
    ('{"models": [{"detector": "nanodet-m-32"}]}',
     "models[0].detector: detector 'nanodet-m-32' is not known; did you mean 'nanodet-m-320'?; there are {detectors}"),
    ('{"access": {"origins": "example.org"}}',
     'access.origins: found "example.org", expected * or origins such as https://example.org, with commas between them'),
    ('{"access": {"keys": "no.keys"}}', "access.keys: no.keys: No such file or directory"),
    ('{"tls": {"certificate": "no.pem"}}', "tls.key: is missing; a certificate and its key go together"),
]


@pytest.mark.parametrize("text, message", BAD_FILES, ids=[m[:40] for _, m in BAD_FILES])
def test_check_refuses_a_bad_file_with_one_sentence(spotter, tmp_path, text, message):
    (tmp_path / "c.json").write_text(text, encoding="utf-8")
    result = spotter("config", "--check", "c.json")
    listed = json.loads(spotter("models", "--json").stdout) if "{detectors}" in message else []
    message = message.replace("{detectors}", ", ".join(one["name"] for one in listed))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"spotter: c.json: {message}\n"


def test_a_file_that_cannot_be_read_is_named(spotter, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, message in {
        "nothing.json": "nothing.json: No such file or directory",
        "folder": "folder: is not a file",
        "pipe": "pipe: is not a file",
        "folder/c.json/x": "folder/c.json/x: No such file or directory",
    }.items():
        for words in (["--check", name], ["--print", "--config", name]):
            result = spotter("config", *words)
            assert (result.returncode, result.stdout) == (1, ""), name
            assert result.stderr == f"spotter: {message}\n"


@pytest.mark.skipif(
    not pathlib.Path("/dev/full").is_char_device(), reason="/dev/full is not the device it should be"
)
def test_output_that_cannot_be_written_is_a_failure(spotter):
    with open("/dev/full", "w", encoding="utf-8") as full:
        for words in (["config", "--print"], ["help"], ["config", "--markdown"]):
            result = spotter(*words, stdout=full)
            assert result.returncode == 1, words
            assert "No space left on device" in result.stderr


def test_the_documentation_is_what_the_table_says(spotter):
    written = spotter("config", "--markdown").stdout
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == written, (
        "write it again: spotter config --markdown > docs/configuration.md"
    )


def test_class_names_of_the_data_sets_are_complete():
    shared = ROOT.parent / "shared" / "specs"
    coco = (ROOT / "config" / "labels" / "coco80.txt").read_text(encoding="utf-8").splitlines()
    voc = (ROOT / "config" / "labels" / "voc20.txt").read_text(encoding="utf-8").splitlines()
    assert (len(set(coco)), len(set(voc))) == (80, 20)
    if not shared.is_dir():
        pytest.skip("no ../shared to compare with")
    assert coco == (shared / "coco80.txt").read_text(encoding="utf-8").splitlines()
    assert voc == (shared / "voc21.txt").read_text(encoding="utf-8").splitlines()[1:]
