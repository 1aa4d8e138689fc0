"""Listeners without ears, and those who disturb: many at once, in one process, for `load` and the tests.

A listener keeps one connection, opens it again when the server has closed it, as browsers do, and rates what
it was dealt. Others hold connections: they wait after an answer, send half a request, at once or in drips, or
ask for pieces and take nothing.
"""

import asyncio
import contextlib
import json
import re
import socket
import time

import numpy as np

ADDRESS = "127.0.0.1"
PATIENCE = 60  # seconds for an answer, before it counts as none
SECOND = 1.0  # between drips
THANKS = b"GET /thanks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF = b"GET /listen HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Listener:
    """One listener.

    acknowledged : dict of piece -> score, the answers that the server says it has
    unanswered : int, requests that got no answer
    """

    def __init__(self, port, times=None):
        self.port, self.times = port, {} if times is None else times
        self.reader = self.writer = None
        self.cookie, self.acknowledged, self.unanswered = "", {}, 0

    async def ask(self, page, method, path, body=b"", kind=""):
        """Status and body of one answer, (0, b"") for none; its seconds are added to `times[page]`."""
        began = time.perf_counter()
        for _ in range(3):
            try:
                request = self.request(method, path, body, kind)
                status, content = await asyncio.wait_for(self.exchange(request), PATIENCE)
            except (OSError, EOFError, TimeoutError):
                self.leave()
                continue
            self.times.setdefault(page, []).append(time.perf_counter() - began)
            return status, content
        self.unanswered += 1
        return 0, b""

    def request(self, method, path, body=b"", kind=""):
        host = f"{ADDRESS}:{self.port}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Origin: http://{host}"]
        lines += [f"Cookie: listener={self.cookie}"] if self.cookie else []
        lines += [f"Content-Type: {kind}"] if kind else []
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

    async def exchange(self, request):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(ADDRESS, self.port)
        self.writer.write(request)
        headers = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?i)content-length: (\d+)", headers)
        content = await self.reader.readexactly(int(length[1]) if length else 0)
        if "connection: close" in headers.lower():
            self.leave()
        if found := re.search(r"listener=([\w-]{43})", headers):
            self.cookie = found[1]
        return int(headers.split()[1]), content

    def leave(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def begin(self):
        """The pieces dealt: list of dict with id and audio, empty if the server did not answer."""
        await self.ask("welcome", "GET", "/")
        await self.ask("begin", "POST", "/begin", b"consent=yes", FORM)
        _, page = await self.ask("pieces", "GET", "/listen")
        found = re.search(rb'id="content">(.*?)</script>', page, re.S)
        return json.loads(found[1])["pieces"] if found else []

    async def rate(self, piece, score, stamp):
        answer = {"piece": piece, "score": score, "stamp": stamp, "heard": 3.0}
        status, _ = await self.ask("answer", "POST", "/rate", json.dumps(answer).encode(), JSON)
        if status == 200:
            self.acknowledged[piece] = score

    async def take_part(self, together, seed):
        """From the first page to the last; each answer waits for `together`, so that all come at once."""
        rng = np.random.default_rng(seed)
        for stamp, piece in enumerate(await self.begin()):
            await self.ask("sound", "GET", piece["audio"])
            await together.wait()
            await self.rate(piece["id"], int(rng.integers(6)), stamp)
        await self.ask("finish", "POST", "/finish")
        self.leave()


class Together:
    """Lets all of so many go when the last has come, or after PATIENCE: one may have been lost."""

    def __init__(self, count):
        self.count, self.here, self.all_here = count, 0, asyncio.Event()

    async def wait(self):
        self.here += 1
        all_here = self.all_here
        if self.here == self.count:
            self.here, self.all_here = 0, asyncio.Event()
            all_here.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(all_here.wait(), PATIENCE)


async def disturb(port, waiting, halves, untaken, stop):
    """Hold so many connections of each kind, opened again when they are closed, until `stop` is set."""
    greedy = Listener(port)
    pieces = await greedy.begin() if untaken else []
    greedy.leave()
    all_pieces = b"".join(greedy.request("GET", piece["audio"]) for piece in pieces[:3])
    await asyncio.gather(
        *(hold(port, THANKS, b"", stop) for _ in range(waiting)),
        *(hold(port, HALF, b"x" * (k % 2), stop) for k in range(halves)),
        *(hold(port, all_pieces, b"", stop, takes=False) for _ in range(untaken)),
    )


async def hold(port, first, drip, stop, takes=True):
    """One connection after the other: `first`, then `drip` each SECOND until the server closes it."""
    loop = asyncio.get_running_loop()
    while not await is_set(stop, 0.01):
        with socket.socket() as connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            if not takes:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(connection, (ADDRESS, port))
            await loop.sock_sendall(connection, first)
            while not await is_set(stop, SECOND):
                if drip:
                    await loop.sock_sendall(connection, drip)
                if takes and not read_all(connection):
                    break


def read_all(connection):
    """Read what has come; whether the connection is open still."""
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    return False


async def is_set(stop, seconds):
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


async def visit(port, count, waiting=0, halves=0, untaken=0, done=lambda: None):
    """So many listeners at once, among connections that disturb.

    Returns listeners : list of Listener, who have finished; times : dict of page -> list of float, seconds.
    """
    times, stop, together = {}, asyncio.Event(), Together(count)
    listeners = [Listener(port, times) for _ in range(count)]
    others = asyncio.create_task(disturb(port, waiting, halves, untaken, stop))
    await asyncio.sleep(SECOND if waiting or halves or untaken else 0)  # until they are there

    async def one(number):
        await listeners[number].take_part(together, number)
        done()

    try:
        await asyncio.gather(*(one(number) for number in range(count)))
    finally:
        stop.set()
        await others
    return listeners, times
