# SPDX-License-Identifier: GPL-3.0-or-later
"""The man pages as man reads them, and the completions in the shells that they are for."""
import os
import shutil
import subprocess

import pytest

from node import PROGRAM

pytestmark = pytest.mark.smoke


def aptward(*arguments, **environment):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True,
                          env={**os.environ, **environment}).stdout


def complete(tmp_path, line):
    """What bash offers for the last word of `line`."""
    script = tmp_path / "completion"
    script.write_text(aptward("completion", "bash"))
    words = " ".join(f"'{word}'" for word in line.split(" "))
    shell = (f"source {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
             'set -u; _aptward; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_and_values(tmp_path):
    assert complete(tmp_path, "aptward sta") == ["status"]
    assert complete(tmp_path, "aptward status --js") == ["--json"]
    assert complete(tmp_path, "aptward config ch") == ["check"]
    assert complete(tmp_path, "aptward completion z") == ["zsh"]
    # A value of an option is no command; bash falls back to the names of files.
    assert complete(tmp_path, "aptward serve --config st") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_read_its_completion(tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completion"
    script.write_text(aptward("completion", shell))
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_configuration_is_right_as_it_stands(tmp_path):
    aptward("manual", "--write", str(tmp_path))
    example = tmp_path / "doc/aptward/examples/aptward.toml"
    assert "[[archive]]" in example.read_text()
    assert "fine" in aptward("config", "check", "--config", str(example))


def test_no_page_gives_man_a_warning(tmp_path):
    aptward("manual", "--write", str(tmp_path))
    pages = sorted((tmp_path / "man").glob("man?/*"))
    assert sorted(page.name for page in pages) == sorted(aptward("manual", "--list").split())
    for page in pages:
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", page],
                                  capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), page
        if shutil.which("mandoc"):
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                                  capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (0, ""), page


def test_two_builds_of_one_source_make_the_same_pages():
    first = aptward("manual", "aptward.toml", SOURCE_DATE_EPOCH="1700000000")
    assert first == aptward("manual", "aptward.toml.5", SOURCE_DATE_EPOCH="1700000000")
    assert "2023-11-14" in first


@pytest.mark.parametrize("words, command", [
    (["snapshot", "pin", "debian"], "aptward snapshot pin"), (["snapshot", "pins"], "aptward snapshot"),
    (["mirror", "--nonsense"], "aptward mirror"), (["nonsense"], "aptward")])
def test_a_usage_error_points_to_the_help_of_its_command(words, command):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.endswith(f"; see {command} --help\n"), done
    assert subprocess.run([*command.replace("aptward", PROGRAM, 1).split(), "--help"], capture_output=True).returncode == 0


def test_stock_lists_its_exit_statuses():
    text = " ".join(aptward("stock", "--help").split())
    for words in ("0 all of it is held", "1 something is missing", "2 usage", "3 could not tell"):
        assert words in text


def test_an_unknown_page_is_a_usage_error():
    done = subprocess.run([PROGRAM, "manual", "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "nonsense" in done.stderr
