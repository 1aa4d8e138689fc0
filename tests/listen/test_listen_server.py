"""The server of a listening test: who is slow, silent or greedy locks nobody out, and no answer is lost."""

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from listening import ROOT, write_tone

pytest.importorskip("flask", reason="needs the extra 'listen'")
pytest.importorskip("waitress", reason="needs the extra 'listen'")
from waitress import wasyncore

from experiments.listen import server as serving
from experiments.listen.load import stored_answers, table, verdict
from experiments.listen.names import ARRIVED_AT
from experiments.listen.pages import make_app
from experiments.listen.server import make_server, open_files
from experiments.listen.sound import take_in
from experiments.listen.storage import Study
from experiments.listen.visitors import HALF, Listener, visit

ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BIG = bytes(24_000_000)  # more than the system's buffers take


def plain_app(environ, start_response):
    """Answers with the address of arrival; /big with much."""
    body = BIG if environ["PATH_INFO"] == "/big" else environ[ARRIVED_AT].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Running:
    """A server that runs in a thread of this process."""

    def __init__(self, app, most=None):
        self.server, self.port = make_server(app, "127.0.0.1", 0)
        self.server.most = most or self.server.most
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def do(self, work):
        """The result of `work(server)`, called between two rounds of the server's loop."""
        result, done = [], threading.Event()
        self.server.trigger.pull_trigger(lambda: (result.append(work(self.server)), done.set()))
        assert done.wait(30)
        return result[0]

    def kinds(self):
        """How many connections wait (0), ask (1), take (2) and are served (None)."""
        found = self.do(lambda server: [channel.spare() for channel in server.active_channels.values()])
        kinds = [spare and spare[0] for spare in found]
        return {kind: kinds.count(kind) for kind in set(kinds)}

    def stop(self):
        self.do(lambda server: wasyncore.close_all(server._map))
        self.thread.join(30)
        self.server.task_dispatcher.shutdown()
        assert not self.thread.is_alive()


@pytest.fixture
def running():
    """A function that runs an app."""
    started = []

    def run(*given, **options):
        started.append(Running(*given, **options))
        return started[-1]

    with contextlib.ExitStack() as sockets:
        run.sockets = sockets
        yield run
    for server in started:
        server.stop()


def connect(running, server, sent=b"", count=1, answer=None, buffer=None):
    """Connections that have sent this, and got an answer where one is due."""
    found = []
    for _ in range(count):
        client = running.sockets.enter_context(socket.socket())
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(30)
        client.connect(("127.0.0.1", server.port))
        client.sendall(sent)
        assert answer is None or answer in read(client, answer)
        found.append(client)
    return found


def read(client, wanted):
    """What comes, up to what is wanted, or all."""
    found = b""
    while (wanted is None or wanted not in found) and (more := client.recv(65536)):
        found += more
    return found


def until(found, wanted):
    """Wait, not for ever, until a function gives what is wanted."""
    for _ in range(1000):
        if (result := found()) == wanted:
            return
        time.sleep(0.01)
    raise AssertionError(f"expected {wanted}, got {result}")


def test_each_has_its_time(running):
    server = running(plain_app)
    connect(running, server, ASK, 3, b"127.0.0.1")
    connect(running, server, count=2)
    connect(running, server, HALF, 4)
    dripping = connect(running, server, ASK + HALF, 1, b"200 OK")
    until(server.kinds, {0: 3, 1: 7})
    began = time.time()
    for _ in range(5):  # a drip now and then buys no time
        dripping[0].sendall(b"x")
    server.do(lambda s: s.maintenance(began + serving.ASKING - 2))
    assert server.kinds() == {0: 3, 1: 7}
    server.do(lambda s: s.maintenance(began + serving.ASKING + 2))
    assert server.kinds() == {0: 3}
    server.do(lambda s: s.maintenance(began + serving.WAITING + 2))
    assert server.kinds() == {}


def test_a_request_in_two_halves_is_answered(running):
    server = running(plain_app)
    (client,) = connect(running, server, ASK[:20])
    until(server.kinds, {1: 1})
    client.sendall(ASK[20:])
    assert read(client, b"127.0.0.1").endswith(b"127.0.0.1")
    until(server.kinds, {0: 1})


def test_who_takes_nothing_holds_no_thread_and_is_dropped(running, monkeypatch):
    monkeypatch.setattr(serving, "THREADS", 2)
    server = running(plain_app)
    connect(running, server, ASK.replace(b"/ ", b"/big ") * 2, 4, buffer=4096)
    until(server.kinds, {2: 4})
    connect(running, server, ASK, 3, b"127.0.0.1")
    until(server.kinds, {0: 3, 2: 4})  # an answer comes before its thread is done
    server.do(lambda s: s.maintenance(time.time() + serving.TAKING + 2))
    assert server.kinds() == {}


def test_nobody_asks_far_ahead(running):
    server = running(plain_app)
    (client,) = connect(running, server, ASK * (serving.PIPELINED + 30))
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    until(server.kinds, {})
    (client,) = connect(running, server, ASK * 2)
    assert read(client, b"\r\n\r\n127.0.0.1HTTP").count(b"200 OK") == 2
    until(server.kinds, {0: 1})


def test_a_full_house_makes_room(running, monkeypatch):
    monkeypatch.setattr(serving, "ROOM", 5)
    server = running(plain_app, most=40)
    connect(running, server, HALF, 100)
    connect(running, server, ASK, 102, b"127.0.0.1")
    connect(running, server, HALF, 100)
    for _ in range(10):
        connect(running, server, ASK, 1, b"127.0.0.1")
    assert sum(server.kinds().values()) <= 40


def test_who_waits_goes_first_then_who_asks_longest(running, monkeypatch):
    monkeypatch.setattr(serving, "ROOM", 1)
    server = running(plain_app)
    connect(running, server, HALF, 5)
    until(server.kinds, {1: 5})
    connect(running, server, ASK, 5, b"127.0.0.1")
    late = connect(running, server, HALF + b"late", 5)
    until(server.kinds, {0: 5, 1: 10})
    server.server.most = 12  # and two places are kept free
    until(server.kinds, {1: 10})
    server.server.most = 7
    until(server.kinds, {1: 5})
    for client in late:
        client.sendall(b"\r\n\r\n")
        assert b"200 OK" in read(client, b"200 OK")


def test_the_operator_sees_no_flood(running, caplog, monkeypatch):
    monkeypatch.setattr(serving, "THREADS", 1)

    def broken(environ, start_response):
        time.sleep(0.005)
        raise RuntimeError("broken")

    server = running(broken)
    connect(running, server, b"nonsense\r\n\r\n" + HALF, 5)
    clients = connect(running, server, ASK, 40)
    assert all(read(client, b"500 Internal") for client in clients)
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # to be reset
        client.close()
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.msg for record in said] == ["Exception while serving /"]


def test_a_fault_of_the_server_itself_holds_no_connection(running, monkeypatch, caplog):
    def fault(task):
        raise MemoryError

    server = running(plain_app)
    with monkeypatch.context() as patch:
        patch.setattr(serving.HTTPChannel, "service", fault)
        for client in connect(running, server, ASK, 3):
            assert client.recv(100) == b""
    until(server.kinds, {})
    connect(running, server, ASK, 1, b"127.0.0.1")
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # waitress leaves the socket
def test_connections_that_are_gone_before_they_are_let_in_do_no_harm(running, monkeypatch):
    server = running(plain_app)

    def gone(*given, **options):
        raise OSError(22, "Invalid argument")

    with monkeypatch.context() as patch:
        patch.setattr(serving.Channel, "__init__", gone)
        (client,) = connect(running, server, ASK)
        with contextlib.suppress(ConnectionError):
            assert client.recv(4096) == b""
    connect(running, server, ASK, 1, b"127.0.0.1")


@pytest.mark.parametrize("limits, found", [((256, 9000), 5000), ((256, 1024), 1024), ((8000, 8000), 8000)])
def test_more_files_are_asked_for(limits, found, monkeypatch):
    resource = pytest.importorskip("resource")
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, wanted: asked.append(wanted))
    assert open_files(5000) == found
    assert asked == ([] if limits[0] == 8000 else [(found, limits[1])])
    monkeypatch.setitem(sys.modules, "resource", None)
    assert open_files(5000) == 512


def mutated(request, rng):
    """A request with a few bytes changed, left out, or said again."""
    for _ in range(rng.integers(1, 5)):
        place, length = rng.integers(len(request)), rng.integers(0, 12)
        again = request[place : place + length] * 9
        pieces = [b"", rng.bytes(length), again, b"9" * 4000, b"\r\n", b"\0"]
        request = request[:place] + pieces[rng.integers(6)] + request[place + rng.integers(0, 9) :]
    return request


def test_requests_that_are_none(running, tmp_path, caplog):
    study, audio, kinds = make_study(tmp_path)
    server, rng = running(make_app(study, audio, kinds, 3, 1)), np.random.default_rng(0)
    origin = f"http://127.0.0.1:{server.port}"
    head = f"Host: 127.0.0.1:{server.port}\r\nOrigin: {origin}\r\nCookie: listener={'a' * 43}\r\n"
    requests = [
        f'GET / HTTP/1.1\r\n{head}Range: bytes=0-9\r\nIf-None-Match: "a"\r\n\r\n',
        f"POST /begin HTTP/1.1\r\n{head}Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 11\r\n\r\nconsent=yes",
        f"POST /rate HTTP/1.1\r\n{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        'Expect: 100-continue\r\n\r\n11\r\n{"piece": "aaaaa"}\r\n0\r\n\r\n',
    ]
    seen = set()
    for number in range(900):
        request = mutated(requests[number % 3].encode(), rng)
        with contextlib.suppress(OSError):  # the server may close before it has all
            (client,) = connect(running, server, request)
            client.shutdown(socket.SHUT_WR)
            answers = read(client, None)
            seen |= {line.split()[1] for line in answers.split(b"\n") if line.startswith(b"HTTP/1.")}
    wrong = {status for status in seen if status >= b"500"}
    assert {b"200", b"303", b"400"} < seen and wrong <= {b"501"}  # a Transfer-Encoding that is not known
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    connect(running, server, ASK, 1, b"200 OK")


# A whole test ---------------------------------------------------------------------------------------


def make_study(folder, pieces=3):
    """A study, its folder of sound, and what is dealt."""
    audio = folder / "audio"
    audio.mkdir()
    study = Study(folder / "study.sqlite", create=True)
    heard = [take_in(write_tone(folder / f"{k}.wav", pitch=300 + 50 * k), audio) for k in range(pieces)]
    ids = study.add_samples([(h.digest, "lstm", False, "a", None, 1.0) for h in heard])
    return study, audio, {("lstm", False): ids}


def check_load(running, folder, count, others, most):
    study, audio, kinds = make_study(folder)
    server = running(make_app(study, audio, kinds, 3, 1), most=most)
    listeners, times = asyncio.run(visit(server.port, count, **others))
    acknowledged = {piece: score for who in listeners for piece, score in who.acknowledged.items()}
    assert len(acknowledged) == 3 * count and sum(who.unanswered for who in listeners) == 0
    assert stored_answers(study) == acknowledged
    assert study.counts()[1:] == (count, 3 * count)
    assert {page: len(seconds) for page, seconds in times.items()} == {
        "welcome": count, "begin": count, "pieces": count, "sound": 3 * count, "answer": 3 * count,
        "finish": count,
    }  # fmt: skip
    assert f"{3 * count} of {6 * count} answers acknowledged, 0 of them" in verdict(
        listeners, times, acknowledged, []
    )
    assert len(table(times, times).splitlines()) == 7


def test_all_are_answered_among_those_who_disturb(running, tmp_path, caplog):
    check_load(running, tmp_path, 30, {"waiting": 60, "halves": 60, "untaken": 4}, most=160)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.slow
def test_a_class_of_two_hundred(running, tmp_path, caplog):
    check_load(running, tmp_path, 200, {"waiting": 400, "halves": 200, "untaken": 20}, most=None)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


SERVE = """
import sys
from pathlib import Path
from experiments.listen.pages import make_app
from experiments.listen.server import make_server
from experiments.listen.storage import Study
folder = Path(sys.argv[1])
study = Study(folder / "study.sqlite", create=True)
server, port = make_server(make_app(study, folder / "audio", {("lstm", False): [1, 2, 3, 4, 5]}, 5, 1),
                           "127.0.0.1", int(sys.argv[2]))
print(port, flush=True)
server.run()
"""


class Killed:
    """A server in a process of its own, killed and started again on its port as answers come."""

    def __init__(self, folder):
        self.folder, self.port, self.answers, self.kills = folder, 0, 0, [150, 350]
        self.start()

    def start(self):
        command = [sys.executable, "-c", SERVE, str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    async def answer(self, listener, piece, score, stamp):
        """Send an answer until the server says that it has it, as the page does."""
        listener.acknowledged.pop(piece, None)
        while piece not in listener.acknowledged:
            await listener.rate(piece, score, stamp)
            await asyncio.sleep(0 if piece in listener.acknowledged else 0.05)
        self.answers += 1
        if self.kills and self.answers >= self.kills[0]:
            self.kills.pop(0)
            self.stop()  # in the midst of what the others send
            self.start()


@pytest.mark.slow
def test_500_answers_under_two_kills(tmp_path):
    study, _, _ = make_study(tmp_path, 5)
    server = Killed(tmp_path)

    async def take_part(seed):
        rng, listener = np.random.default_rng(seed), Listener(server.port)
        pieces = await listener.begin()
        for stamp in range(5):
            for piece in pieces:
                await server.answer(listener, piece["id"], int(rng.integers(6)), stamp)
        listener.leave()
        return listener.acknowledged

    async def all_take_part():
        return await asyncio.gather(*(take_part(seed) for seed in range(20)))

    try:
        told = asyncio.run(all_take_part())
    finally:
        server.stop()
    assert server.answers == 500 and server.kills == []
    assert stored_answers(study) == {piece: score for answers in told for piece, score in answers.items()}
    with study.connection() as db:
        assert {row[0] for row in db.execute("SELECT stamp FROM ratings")} == {4}


@pytest.mark.slow
def test_the_trial_itself(tmp_path):
    command = "load --listeners 3 --waiting 2 --halves 2 --untaken 1 --quiet".split()
    done = subprocess.run(
        [sys.executable, "-m", "experiments.listen", *command], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0 and done.stderr == ""
    assert "18 of 18 answers acknowledged, 0 of them lost" in done.stdout
    assert "0 lines of errors from the server" in done.stdout
