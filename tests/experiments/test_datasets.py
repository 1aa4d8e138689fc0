"""The downloader, against a server on this machine."""

import hashlib
import http.server
import threading

import pytest

pytest.importorskip("pooch", reason="needs the extra 'data'")
from experiments.common import datasets
from experiments.common.datasets import RemoteFile, cache_folder, fetch
from experiments.common.errors import UserError

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """/good has CONTENT, /short breaks off, /chunks does not tell its length, /nonsense
    tells none, /missing is not there."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/nonsense":
            self.send_header("Content-Length", "many")
        elif self.path != "/chunks":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/short" else CONTENT)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Yields the server; `file(path)` is a RemoteFile on it. Nothing is kept but in this test's folder."""
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "cache"))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def file(server, path="/good", sha256=SHA256, **options):
    return RemoteFile("set/file.bin", f"http://127.0.0.1:{server.server_port}{path}", sha256, **options)


def kept(tmp_path):
    """All files in the cache."""
    return [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once(server, tmp_path, capsys):
    for _ in range(2):
        path = fetch(file(server))
        assert path == tmp_path / "cache/set/file.bin" and path.read_bytes() == CONTENT
    assert server.asked == ["/good"]
    out, err = capsys.readouterr()
    assert out == "" and "file.bin: 262144/262144 bytes" in err


@pytest.mark.parametrize("path", ["/chunks", "/nonsense"])
def test_the_server_need_not_tell_the_length(server, path):
    assert fetch(file(server, path), quiet=True).read_bytes() == CONTENT


def test_quiet(server, capsys):
    fetch(file(server), quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_file_that_has_changed_in_the_cache_is_downloaded_again(server):
    path = fetch(file(server), quiet=True)
    path.write_bytes(CONTENT[:1000])
    assert fetch(file(server), quiet=True).read_bytes() == CONTENT
    assert server.asked == ["/good", "/good"]


REFUSED = {
    "/missing": (SHA256, "the server answered 404"),
    "/short": (SHA256, "cannot be downloaded (the connection broke off)"),
    "/good": ("0" * 64, f"expected a file with SHA-256 {'0' * 64}, got another"),
    "/chunks": ("0" * 64, f"expected a file with SHA-256 {'0' * 64}, got another"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_not_the_file_is_refused_in_one_line_and_not_kept(server, tmp_path, path):
    sha256, message = REFUSED[path]
    with pytest.raises(UserError) as caught:
        fetch(file(server, path, sha256), quiet=True, otherwise="pass it with --data PATH")
    text = str(caught.value)
    assert text.startswith(f"http://127.0.0.1:{server.server_port}{path}: {message}") and "\n" not in text
    assert text.endswith("; pass it with --data PATH")
    assert kept(tmp_path) == []


@pytest.mark.parametrize("path", ["/good", "/chunks"])
def test_what_is_too_long_is_given_up(server, tmp_path, path):
    with pytest.raises(UserError, match="expected at most 100000 bytes, got more"):
        fetch(file(server, path, largest=100_000), quiet=True)
    assert kept(tmp_path) == []


def test_without_a_network(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match=r"cannot be downloaded \(no connection\); pass it with --data PATH$"):
        fetch(file(server), quiet=True, otherwise="pass it with --data PATH")
    assert kept(tmp_path) == []


def test_a_server_that_does_not_answer(monkeypatch, server):
    import requests

    def get(*arguments, **options):
        raise requests.ConnectTimeout("a long story")

    monkeypatch.setattr(requests, "get", get)
    with pytest.raises(UserError, match=r"cannot be downloaded \(no answer in time\)$"):
        fetch(file(server), quiet=True)


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(UserError, match="file.bin: cannot be kept there .*; SCRATCHNET_CACHE names another"):
        fetch(file(server), quiet=True)


def test_the_users_cache_folder(monkeypatch):
    monkeypatch.delenv("SCRATCHNET_CACHE", raising=False)
    assert cache_folder().name == "scratchnet"


def test_without_pooch(monkeypatch, server):
    monkeypatch.setattr(datasets, "import_extra", missing)
    with pytest.raises(ImportError, match=r"scratchnet\[data\]"):
        fetch(file(server))


def missing(module, extra):
    raise ImportError(f'{module} is not installed; try: pip install "scratchnet[{extra}]"')
