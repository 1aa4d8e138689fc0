import io
import time

import pytest

pytest.importorskip("tqdm", reason="needs the extra 'experiments'")
import experiments.common.errors
import experiments.common.progress
from experiments.common.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines_of(stream):
    return stream.getvalue().splitlines()


def test_a_terminal_sees_rate_time_left_and_loss():
    terminal = Terminal()
    with Progress(10, "training", unit="chorus", file=terminal) as progress:
        assert "training" in terminal.getvalue()  # at once, before the first (slow) unit is done
        for _ in range(5):
            time.sleep(0.03)
            progress.update(1, loss=0.123456)
    shown = terminal.getvalue()
    assert "\r" in shown and "0.1235" in shown and "chorus/s" in shown and "5/10" in shown and "50%" in shown


def test_a_log_file_gets_few_whole_lines():
    log = io.StringIO()
    with Progress(5000, "training", unit="chorus", file=log) as progress:
        for i in range(5000):
            progress.update(1, loss=1 / (i + 1))
    lines = lines_of(log)
    assert 2 <= len(lines) <= 3 and "\r" not in log.getvalue()
    assert lines[0].startswith("training: 0/5000 chorus")
    assert lines[-1].startswith("training: 5000/5000 chorus") and "loss=0.0002" in lines[-1]
    assert "left" in lines[-1] and "chorus/s" in lines[-1]


def test_a_log_file_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(experiments.common.progress, "SECONDS_BETWEEN_LINES", 0.05)
    log = io.StringIO()
    with Progress(20, file=log) as progress:
        now = progress.bar.last_print_t
        for k in range(20):
            progress.bar._time = lambda k=k: now + 0.01 * (k + 1)
            progress.update()
    assert 3 <= len(lines_of(log)) <= 8


def test_a_passing_bar_shows_itself_only_when_it_takes_long(monkeypatch):
    terminal = Terminal()
    with Progress(3, "judging", file=terminal, passing=True) as progress:
        progress.update(3)
    assert terminal.getvalue().strip() == ""
    monkeypatch.setattr(experiments.common.progress, "SECONDS_OF_SILENCE", 0.01)
    with Progress(3, "judging", file=terminal, passing=True) as progress:
        for _ in range(3):
            time.sleep(0.15)
            progress.update(1)
    shown = terminal.getvalue()
    assert "judging" in shown and "\n" not in shown and shown.rstrip().count("\r") > 1


def test_figures_change_within_a_unit():
    terminal = Terminal()
    with Progress(2, file=terminal) as progress:
        progress.bar.mininterval = 0.0
        progress.tell(now="compiling")
        assert "now=compiling" in terminal.getvalue() and "0/2" in terminal.getvalue()
        terminal.truncate(0)
        progress.bar.mininterval = 1e9
        progress.tell(loss=0.25)  # too soon to be shown
        assert terminal.getvalue() == ""
        progress.update(1, now=None)
    assert "loss=0.25" in terminal.getvalue() and "compiling" not in terminal.getvalue()


def test_an_unknown_total():
    log, terminal = io.StringIO(), Terminal()
    for stream in (log, terminal):
        with Progress(None, "reading", unit="file", file=stream) as progress:
            progress.update(3, name="a.mid")
        assert "3" in stream.getvalue() and "a.mid" in stream.getvalue() and "None" not in stream.getvalue()


def test_quiet_is_silent_and_needs_no_tqdm(monkeypatch, capsys):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(experiments.common.errors.importlib, "import_module", missing)
    with Progress(3, quiet=True) as progress:
        progress.update(3, loss=0.5)
    assert capsys.readouterr() == ("", "")
    with pytest.raises(
        ImportError, match=r'tqdm is not installed; try: pip install "scratchnet\[experiments\]"'
    ):
        Progress(3)


def test_standard_error_by_default(capsys):
    with Progress(2, "x") as progress:
        progress.update(2)
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err


def test_an_exception_passes_and_the_bar_is_finished():
    log = io.StringIO()
    with pytest.raises(KeyError), Progress(10, file=log) as progress:
        progress.update(4)
        raise KeyError("x")
    assert "4/10" in lines_of(log)[-1]
