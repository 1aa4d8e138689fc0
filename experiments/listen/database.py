"""The database of a listening test: one SQLite file.

    samples    the pieces: whose, with a primer or not, and which file (DIGEST.wav)
    listeners  one row each; of the token in a listener's cookie only a hash is kept
    playlist   what a listener hears, in order; `piece` is the name by which the page knows a piece
    ratings    the answers, one for each listener and piece

Every answer is on the disk when the page is told so (WAL, synchronous=FULL). A disk takes its time for that,
so answers that come while it is busy are stored together, by whichever thread is next.
"""

import contextlib
import sqlite3
import threading
import weakref
from pathlib import Path

from experiments.common.errors import UserError

APPLICATION_ID, VERSION = 0x5343524C, 1
SCHEMA = """
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, source TEXT NOT NULL, primed INTEGER NOT NULL,
    title TEXT NOT NULL, primer_seconds REAL, seconds REAL NOT NULL, UNIQUE (digest, source, primed));
CREATE TABLE listeners (
    id INTEGER PRIMARY KEY, token_hash BLOB NOT NULL UNIQUE, page_name TEXT NOT NULL,
    experience TEXT NOT NULL, seed INTEGER NOT NULL, began TEXT NOT NULL DEFAULT (datetime()), finished TEXT);
CREATE TABLE playlist (
    listener INTEGER NOT NULL REFERENCES listeners, position INTEGER NOT NULL,
    sample INTEGER NOT NULL REFERENCES samples, piece TEXT NOT NULL UNIQUE,
    PRIMARY KEY (listener, position), UNIQUE (listener, sample));
CREATE TABLE ratings (
    listener INTEGER NOT NULL, sample INTEGER NOT NULL,
    score INTEGER NOT NULL CHECK (score BETWEEN 0 AND 5), stamp INTEGER NOT NULL, heard REAL NOT NULL,
    given TEXT NOT NULL DEFAULT (datetime()), PRIMARY KEY (listener, sample),
    FOREIGN KEY (listener, sample) REFERENCES playlist (listener, sample));
"""


class Database:
    """The file, made or checked. Any number of threads and processes may use it at once.

    path : path-like, the file
    create : bool, make it, if it is not there; otherwise it is opened for reading only
    Raises UserError if it is not a listening test's database, or of a newer version.
    """

    def __init__(self, path, create=False):
        self.path, self.readonly = Path(path), not create
        self.idle = []  # connections; closing the last one of a database makes the disk work
        self.close = weakref.finalize(self, close_all, self.idle)
        self.waiting, self.waiting_lock, self.turn = [], threading.Lock(), threading.Lock()
        if not create and not self.path.is_file():
            raise UserError(f"{self.path}: no such file; expected the study.sqlite of a listening test")
        try:
            with self.connection() as db:
                if create and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    self._make(db)
                kind = db.execute("PRAGMA application_id").fetchone()[0]
                version = db.execute("PRAGMA user_version").fetchone()[0]
                rows = db.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
                tables = sorted(str(row[0]) for row in rows)
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: not a listening test's database ({error})") from None
        if kind != APPLICATION_ID:
            raise UserError(f"{self.path}: not a listening test's database")
        if version != VERSION:
            raise UserError(f"{self.path}: made by another version (format {version}, expected {VERSION})")
        if tables != wanted_tables():  # a view or a trigger could do anything
            raise UserError(f"{self.path}: not a listening test's database (other tables)")

    def _make(self, db):
        db.execute("PRAGMA journal_mode = WAL")
        with transaction(db):
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return  # another process was faster
            for statement in wanted_tables():
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")

    @contextlib.contextmanager
    def connection(self):
        """A connection for one piece of work, then for another; never for two at a time."""
        db = None
        try:
            db = self._connect()
            yield db
        except BaseException as error:
            if db is not None:
                db.close()
            if isinstance(error, UnicodeDecodeError):  # the text of an error quotes a damaged file
                raise sqlite3.DatabaseError("damaged") from None
            raise
        self.idle.append(db)

    def _connect(self):
        with contextlib.suppress(IndexError):
            return self.idle.pop()
        mode = "ro" if self.readonly else "rwc"
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        db = sqlite3.connect(uri, uri=True, timeout=20, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA trusted_schema = OFF")
        except BaseException:
            db.close()
            raise
        return db

    def write(self, work):
        """The result of `work(connection)`, stored with that of other threads that write at the same time.

        Raises whatever `work` raises or then nothing of it is stored; sqlite3.Error or then nothing of all
            is.
        """
        job = Job(work)
        with self.waiting_lock:
            self.waiting.append(job)
        with self.turn:
            if not job.done:  # by the thread that was here before
                with self.waiting_lock:
                    jobs, self.waiting = self.waiting, []
                self._write(jobs)
        if job.error is not None:
            raise job.error
        return job.result

    def _write(self, jobs):
        try:
            with self.connection() as db, transaction(db):
                for job in jobs:
                    job.run(db)
        except BaseException as error:
            for job in jobs:
                job.error = job.error or error
        for job in jobs:
            job.done = True


class Job:
    """Work that waits to be written, and what came of it."""

    def __init__(self, work):
        self.work, self.result, self.error, self.done = work, None, None, False

    def run(self, db):
        """All of the work, or nothing of it."""
        db.execute("SAVEPOINT job")
        try:
            self.result = self.work(db)
        except Exception as error:
            self.error = error
            db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")


def close_all(connections):
    while connections:
        connections.pop().close()


def wanted_tables():
    """The statements that make the tables, as the database keeps them."""
    return sorted(filter(None, map(str.strip, SCHEMA.split(";\n"))))


@contextlib.contextmanager
def transaction(db):
    """All or nothing; writers wait for one another here, not half-way."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
