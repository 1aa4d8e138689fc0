"""What serves the pages: waitress, with limits for a class of listeners and those who disturb it.

Waitress reads requests and writes answers in one loop, and computes in a few threads: whoever is slow or
silent holds a connection, never a thread. Connections are many here, and none is kept for nothing:

    asking     nothing came yet, or half a request     ASKING seconds for all of it, however it drips
    waiting    answered, and kept for what may come    WAITING seconds
    taking     its answer is on the way                TAKING seconds without a byte taken

When the house is full, the first to go are those that wait, then those that ask, then those that take; of
each the one that has done so for longest. A browser comes back by itself. (Servers that read a request in a
thread, as cheroot and gunicorn do, lose one to each half of a request.)
"""

import contextlib
import logging
import socket
import time

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

from experiments.common.errors import UserError
from experiments.listen.logs import say_seldom
from experiments.listen.names import ARRIVED_AT

CONNECTIONS, ROOM = 2000, 50  # six for each of 200 browsers, and more; so many are kept free for newcomers
ASKING, WAITING, TAKING = 10, 15, 30  # seconds
THREADS = 32  # as many answers wait for the disk together
PIPELINED = 4  # requests ahead of their answers; browsers send none
HEADER_BYTES, BODY_BYTES = 16_384, 65_536
NEVER = 2**40  # bytes: a thread that waits until a browser takes its answer is lost to all others
FILES_EACH, OTHERS = 2, 200  # descriptors of a connection, its socket and its piece; those of the database


class Request(HTTPRequestParser):
    """A request. Waitress logs the path also of one that could not be read, which has none."""

    path = ""


class Task(WSGITask):
    """A request, which knows at which address of this machine it arrived."""

    def get_environment(self):
        environ = super().get_environment()
        environ[ARRIVED_AT] = self.channel.arrived_at
        return environ


class Channel(HTTPChannel):
    """A connection, which knows what it is doing and since when."""

    task_class, parser_class = Task, Request

    def __init__(self, server, sock, addr, adj, map=None):
        super().__init__(server, sock, addr, adj, map)
        self.arrived_at, self.asked, self.answered = sock.getsockname()[0], self.creation_time, False

    def received(self, data):
        before = self.request
        taken = super().received(data)
        self.answered |= bool(self.requests)
        if self.request is not before:
            self.asked = time.time()
        if len(self.requests) > PIPELINED:
            self.will_close = True
        return taken

    def service(self):
        try:
            super().service()
        except BaseException:  # nobody goes on with it
            self.requests, self.close_when_flushed = [], True
            self.server.pull_trigger()
            raise

    def spare(self):
        """How well it can be done without: (0 waiting, 1 asking or 2 taking, since when), or None."""
        if self.requests:
            return None
        if self.total_outbufs_len:
            return 2, self.last_activity
        if self.request is not None or not self.answered:
            return 1, self.asked
        return 0, self.last_activity

    # One that was closed in this round of the loop is still asked.

    def readable(self):
        return self._fileno is not None and super().readable()

    def writable(self):
        return self._fileno is not None and super().writable()


class Server(TcpWSGIServer):
    """A waitress server that closes what is spare."""

    channel_class = Channel
    most = CONNECTIONS

    def maintenance(self, now):
        """Close what was given its time; every second."""
        limits = WAITING, ASKING, TAKING
        for channel, (kind, since) in self.spare_channels():
            if now - since > limits[kind]:
                channel.handle_close()  # at once: with will_close, who takes nothing is waited for

    def spare_channels(self):
        found = [(channel, channel.spare()) for channel in self.active_channels.values()]
        return [(channel, spare) for channel, spare in found if spare is not None]

    def readable(self):
        """Whether to let somebody in, after making room."""
        excess = len(self.active_channels) - (self.most - ROOM)
        if excess > 0:
            spare = sorted(self.spare_channels(), key=lambda pair: pair[1])
            for channel, _ in spare[: excess + ROOM]:
                channel.handle_close()
        return super().readable() and len(self.active_channels) < self.most

    def handle_accept(self):
        """Let in all who knock; each round of the loop looks at every connection."""
        for _ in range(min(ROOM, self.most - len(self.active_channels))):
            before = len(self.active_channels)
            with contextlib.suppress(OSError):  # gone already
                super().handle_accept()
            if len(self.active_channels) == before:
                return


def make_server(app, host, port):
    """A server that has its socket already, and the port.

    Raises UserError if it cannot have it.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such address"
        raise UserError(
            f"cannot listen on {host}, port {port} ({reason}); try other --host or --port"
        ) from None
    server = Server(
        app, {}, _sock=bound, sockinfo=(family, bound.type, bound.proto, bound.getsockname()),
        bind_socket=False, ident=None, threads=THREADS, connection_limit=2 * CONNECTIONS, cleanup_interval=1,
        max_request_header_size=HEADER_BYTES, max_request_body_size=BODY_BYTES, outbuf_high_watermark=NEVER,
        asyncore_use_poll=True, log_socket_errors=False,
    )  # fmt: skip
    files = open_files(FILES_EACH * CONNECTIONS + OTHERS) - OTHERS
    server.most = max(2 * ROOM, min(CONNECTIONS, files // FILES_EACH))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each request that waits its turn
    say_seldom(logging.getLogger("waitress"))
    return server, bound.getsockname()[1]


def open_files(wanted):
    """How many files this process may have open, after asking for so many."""
    try:
        import resource
    except ImportError:  # Windows: select() takes 512 sockets
        return 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS promises more than it gives
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    return soft
