"""Standard output and error of a command: warnings as lines, closed and broken streams."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from experiments.common.processes import in_processes
from experiments.common.streams import WarningLines, printable, say, warnings_as_lines, write_line

CODE = """
import os, sys, warnings
from dataclasses import dataclass
from pathlib import Path
from experiments.common.command_line import Program
from experiments.common.processes import in_processes

class Own(RuntimeWarning):
    pass

def warn(text):
    warnings.warn(text, Own)
    return os.getpid()

@dataclass(frozen=True)
class Go:
    'Go.'
    out: Path | None = None

def go(config):
    for _ in range(2):
        warnings.warn("one\\nand the same", Own)
    warnings.warn("one and the same", RuntimeWarning)
    print("é\u266f")
    os.write(1, b"from a library\\n")
    if config.out:
        file = open(config.out, "w")
        os.system("echo from a program")
        file.write("done")
        file.close()

program = Program("x", "y", "", {Go: go})
if __name__ == "__main__":
    sys.exit(program.main())
"""
pytest.importorskip("yaml", reason="needs the extra 'experiments'")
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "x.py"
    path.write_text(CODE, encoding="utf-8")
    return path


def run(script, shell, **env):
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        ["sh", "-c", f'"$0" "$1" {shell}', sys.executable, script], cwd=script.parent, text=True,
        capture_output=True, timeout=60,
        env={**os.environ, "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8", **env},
    )  # fmt: skip


@posix
def test_a_warning_is_one_line_and_each_text_is_shown_once(script):
    done = run(script, "")
    assert (done.returncode, done.stderr) == (0, "x: warning: one and the same\n")


@posix
def test_letters_that_the_encoding_has_not_are_escaped(script):
    done = run(script, "", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, r"\xe9\u266f")


@posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_else(script, closed):
    done = run(script, f"--out result {closed}")
    assert done.returncode == 0
    assert (script.parent / "result").read_text() == "done"  # and nothing of what was printed to number 1
    assert "Traceback" not in done.stderr
    assert done.stdout.count("from a") == (0 if closed.startswith((">", "<")) else 2)


@posix
@pytest.mark.parametrize("shell", ["--help >&-", "--print-config >&-", "go --help >&-"])
def test_help_that_nobody_can_read(script, shell):
    done = run(script, shell)
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_a_mistake_that_nobody_can_read_has_its_status(script):
    for closed in ("2>&-", "2>/dev/full"):
        assert run(script, f"--outt a {closed}").returncode == 2


def warn(text):
    warnings.warn(text, RuntimeWarning, stacklevel=1)
    return type(warnings.showwarning).__name__, sorted(warnings.showwarning.shown)


def test_processes_show_warnings_alike(capfd):
    with warnings.catch_warnings(), warnings_as_lines("x"):
        warnings.simplefilter("default")
        warn("told before")
        found = sorted(shown for _, shown in in_processes(warn, [("told before",), ("new",)], workers=1))
    assert found == [["new", "told before"], ["told before"]]
    assert capfd.readouterr().err == "x: warning: told before\nx: warning: new\n"


def test_python_shows_warnings_again_afterwards():
    before = warnings.showwarning
    with warnings_as_lines("x"):
        assert isinstance(warnings.showwarning, WarningLines)
    assert warnings.showwarning is before


def test_a_line_does_not_control_the_terminal():
    file = io.StringIO()
    write_line("a\x1b]0;b\x07 é\n\u202e\ud800  c", file)
    assert file.getvalue() == "a\\x1b]0;b\\x07 é \\u202e\\ud800 c\n"
    assert printable("plain text, ♯") == "plain text, ♯"


def test_titles_do_not_control_the_terminal(capsys):
    say("a\x1b[2J title\n\tof ♯ – ·\n")
    say()
    assert capsys.readouterr().out == "a\\x1b[2J title\n\\tof ♯ – ·\n\n\n"


def test_a_line_stands_above_a_progress_bar():
    tqdm = pytest.importorskip("tqdm", reason="needs the extra 'experiments'").tqdm
    file = io.StringIO()
    with tqdm(total=3, file=file, ncols=20) as bar:
        bar.update(1)
        drawn = len(file.getvalue())
        write_line("x: warning: a", file)
    assert "\rx: warning: a\n" in file.getvalue()[drawn:]


def test_nobody_listens():
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    write_line("x", Broken())
