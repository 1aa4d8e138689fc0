"""The database of a listening test: one SQLite file.

    samples    the pieces: whose, with a primer or not, and which file (DIGEST.wav)
    listeners  one row each; of the token in a listener's cookie only a hash is kept
    playlist   what a listener hears, in order; `piece` is the name by which the page knows a piece
    ratings    the answers, one for each listener and piece

Every answer is a transaction of its own, on the disk when the page is told so (WAL, synchronous=FULL).
Answers may come twice, late, and out of order: each has a stamp that grows in the listener's browser, and
only a newer one replaces what is there. A listener's answers are final with `finish`.
"""

import contextlib
import hashlib
import re
import secrets
import sqlite3
from pathlib import Path
from typing import NamedTuple

from experiments.errors import UserError
from experiments.listen.dealing import deal, listener_rng

NAME = "study.sqlite"
APPLICATION_ID, VERSION = 0x5343524C, 1
MOST_LISTENERS = 10_000
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
EXPERIENCES = {
    "": "I prefer not to say",
    "none": "I listen to music",
    "some": "I play or sing a little",
    "much": "I have studied music, or make it for a living",
}
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


class Full(Exception):
    """There are MOST_LISTENERS already."""


class Finished(Exception):
    """The listener has finished: answers are final."""


class Listener(NamedTuple):
    """id : int; page_name : str, by which the page keeps this listener's answers apart; finished : bool"""

    id: int
    page_name: str
    finished: bool


class Piece(NamedTuple):
    """A piece of a listener's playlist. score and stamp are None until it is rated."""

    piece: str
    score: int | None
    stamp: int | None


class Rating(NamedTuple):
    """A row for the report. heard : seconds of the piece that were played before the answer."""

    listener: int
    experience: str
    position: int
    source: str
    primed: bool
    title: str
    sample: int
    score: int
    heard: float
    given: str


def new_token():
    """A token for a cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def hashed(token):
    return hashlib.sha256(token.encode()).digest()


class Study:
    """A listening test's database. Any number of threads and processes may use it at once.

    Parameters
    ----------
    path : path-like
        The file.
    create : bool
        Make it, if it is not there; otherwise it is opened for reading only.

    Raises
    ------
    UserError
        If it is not a listening test's database, or of a newer version.
    """

    def __init__(self, path, create=False):
        self.path, self.readonly = Path(path), not create
        if not create and not self.path.is_file():
            raise UserError(f"{self.path}: no such file; expected the {NAME} of a listening test")
        try:
            with self.connection() as db:
                if create and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    self._make(db)
                kind = db.execute("PRAGMA application_id").fetchone()[0]
                version = db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: not a listening test's database ({error})") from None
        if kind != APPLICATION_ID:
            raise UserError(f"{self.path}: not a listening test's database")
        if version != VERSION:
            raise UserError(f"{self.path}: made by another version (format {version}, expected {VERSION})")

    def _make(self, db):
        db.execute("PRAGMA journal_mode = WAL")
        with transaction(db):
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return  # another process was faster
            for statement in SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")

    @contextlib.contextmanager
    def connection(self):
        """A connection for one piece of work; threads do not share them."""
        mode = "ro" if self.readonly else "rwc"
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=20, isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = FULL")
            yield db

    # Pieces -----------------------------------------------------------------------------------

    def add_samples(self, rows):
        """Add pieces, those already there once only.

        Parameters
        ----------
        rows : iterable of (digest, source, primed, title, primer_seconds, seconds)

        Returns
        -------
        list of int, their ids, each once
        """
        ids = {}
        with self.connection() as db, transaction(db):
            for row in rows:
                db.execute(
                    "INSERT INTO samples (digest, source, primed, title, primer_seconds, seconds) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    row,
                )
                found = "SELECT id FROM samples WHERE digest = ? AND source = ? AND primed = ?"
                ids[db.execute(found, row[:3]).fetchone()[0]] = None
        return list(ids)

    # Listeners --------------------------------------------------------------------------------

    def begin(self, token, experience, kinds, number, seed):
        """Register a listener and deal the pieces. A second call with the same token changes nothing.

        Parameters
        ----------
        token : str
            From `new_token`.
        experience : a key of EXPERIENCES
        kinds : dict of kind -> list of sample ids
        number : int, pieces
        seed : int

        Raises
        ------
        Full
        """
        with self.connection() as db, transaction(db):
            if db.execute("SELECT 1 FROM listeners WHERE token_hash = ?", (hashed(token),)).fetchone():
                return
            if db.execute("SELECT count(*) FROM listeners").fetchone()[0] >= MOST_LISTENERS:
                raise Full
            listener = db.execute(
                "INSERT INTO listeners (token_hash, page_name, experience, seed) VALUES (?, ?, ?, ?)",
                (hashed(token), secrets.token_hex(8), experience, seed),
            ).lastrowid
            times = dict(db.execute("SELECT sample, count(*) FROM playlist GROUP BY sample"))
            for position, sample in enumerate(deal(kinds, times, number, listener_rng(seed, listener))):
                db.execute(
                    "INSERT INTO playlist VALUES (?, ?, ?, ?)",
                    (listener, position, sample, secrets.token_urlsafe(16)),
                )

    def listener(self, token):
        """The Listener with this token, or None."""
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            return None
        with self.connection() as db:
            row = db.execute(
                "SELECT id, page_name, finished IS NOT NULL FROM listeners WHERE token_hash = ?",
                (hashed(token),),
            ).fetchone()
        return Listener(row[0], row[1], bool(row[2])) if row else None

    def playlist(self, listener):
        """What a listener (id) hears, in order: list of Piece."""
        with self.connection() as db:
            rows = db.execute(
                "SELECT piece, score, stamp FROM playlist LEFT JOIN ratings USING (listener, sample) "
                "WHERE listener = ? ORDER BY position",
                (listener,),
            )
            return [Piece(*row) for row in rows]

    def digest(self, listener, piece):
        """The file of a piece of this listener's playlist; None for anything else."""
        with self.connection() as db:
            row = db.execute(
                "SELECT digest FROM playlist JOIN samples ON samples.id = sample "
                "WHERE listener = ? AND piece = ?",
                (listener, piece),
            ).fetchone()
        return row[0] if row else None

    def rate(self, listener, piece, score, stamp, heard):
        """Store an answer, unless there is a newer one.

        Parameters
        ----------
        listener : int
        piece : str
        score : int, 0..5
        stamp : int
            Grows with each answer that the listener gives.
        heard : float, seconds

        Returns
        -------
        (score, stamp) as they now stand; None if the piece is not in this listener's playlist

        Raises
        ------
        Finished
            If the listener has finished and the answer is another than the stored one.
        """
        with self.connection() as db, transaction(db):
            row = db.execute(
                "SELECT sample, finished IS NOT NULL FROM playlist JOIN listeners ON listeners.id = listener "
                "WHERE listener = ? AND piece = ?",
                (listener, piece),
            ).fetchone()
            if row is None:
                return None
            sample, finished = row
            if not finished:
                db.execute(
                    "INSERT INTO ratings (listener, sample, score, stamp, heard) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET score = excluded.score, stamp = excluded.stamp, "
                    "heard = max(heard, excluded.heard), given = excluded.given "
                    "WHERE excluded.stamp > ratings.stamp",
                    (listener, sample, score, stamp, heard),
                )
            stored = db.execute(
                "SELECT score, stamp FROM ratings WHERE listener = ? AND sample = ?", (listener, sample)
            ).fetchone()
            if finished and stamp > stored[1]:
                raise Finished
            return stored

    def finish(self, listener):
        """Make a listener's answers final, if all are there; again changes nothing. Returns how many miss."""
        with self.connection() as db, transaction(db):
            missing = db.execute(
                "SELECT count(*) FROM playlist LEFT JOIN ratings USING (listener, sample) "
                "WHERE listener = ? AND score IS NULL",
                (listener,),
            ).fetchone()[0]
            if not missing:
                db.execute(
                    "UPDATE listeners SET finished = datetime() WHERE id = ? AND finished IS NULL",
                    (listener,),
                )
        return missing

    # The report -------------------------------------------------------------------------------

    def ratings(self):
        """All answers, by listener and position: list of Rating."""
        with self.connection() as db:
            rows = db.execute(
                "SELECT listener, experience, position, source, primed, title, sample, score, heard, given "
                "FROM ratings JOIN playlist USING (listener, sample) "
                "JOIN listeners ON listeners.id = listener JOIN samples ON samples.id = sample "
                "ORDER BY listener, position"
            )
            return [Rating(*row)._replace(primed=bool(row[4])) for row in rows]

    def counts(self):
        """How many listeners began, how many finished, how many answers there are."""
        with self.connection() as db:
            return db.execute(
                "SELECT count(*), count(finished), (SELECT count(*) FROM ratings) FROM listeners"
            ).fetchone()


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
