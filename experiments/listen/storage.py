"""What a listening test keeps: pieces, listeners, who hears what, answers (tables in database.py).

Answers may come twice, late, and out of order: each has a stamp that grows in the listener's browser, and
only a newer one replaces what is there. A listener's answers are final with `finish`.
"""

import hashlib
import re
import secrets
from typing import NamedTuple, get_type_hints

from experiments.common.errors import UserError
from experiments.common.samples import as_title
from experiments.listen.database import Database
from experiments.listen.dealing import deal, listener_rng

NAME = "study.sqlite"
MOST_LISTENERS = 10_000
TOKEN, PIECE = re.compile(r"[A-Za-z0-9_-]{43}"), re.compile(r"[A-Za-z0-9_-]{22}")
EXPERIENCES = {
    "": "I prefer not to say",
    "none": "I listen to music",
    "some": "I play or sing a little",
    "much": "I have studied music, or make it for a living",
}


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


class Study(Database):
    """A listening test's database; Database says how it is opened."""

    # Pieces -----------------------------------------------------------------------------------

    def add_samples(self, rows):
        """Add pieces, those already there once only.

        rows : iterable of (digest, source, primed, title, primer_seconds, seconds)
        Returns list of int, their ids, each once.
        """
        rows = list(rows)

        def work(db):
            ids = {}
            for row in rows:
                db.execute(
                    "INSERT INTO samples (digest, source, primed, title, primer_seconds, seconds) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    row,
                )
                found = "SELECT id FROM samples WHERE digest = ? AND source = ? AND primed = ?"
                ids[db.execute(found, row[:3]).fetchone()[0]] = None
            return list(ids)

        return self.write(work)

    def samples(self):
        """All pieces that it ever had: set of (digest, source, primed)."""
        with self.connection() as db:
            return {(d, s, bool(p)) for d, s, p in db.execute("SELECT digest, source, primed FROM samples")}

    # Listeners --------------------------------------------------------------------------------

    def begin(self, token, experience, kinds, number, seed):
        """Register a listener and deal the pieces. A second call with the same token changes nothing.

        token : str, from `new_token`
        experience : a key of EXPERIENCES
        kinds : dict of kind -> list of sample ids
        number : int, pieces
        seed : int
        Raises Full.
        """

        def work(db):
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
                    (listener, position, sample, secrets.token_urlsafe(16)),  # as PIECE
                )

        self.write(work)

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

        listener : int
        piece : str
        score : int, 0..5
        stamp : int, grows with each answer that the listener gives
        heard : float, seconds
        Returns (score, stamp) as they now stand; None if the piece is not in this listener's playlist.
        Raises Finished if the listener has finished and the answer is another than the stored one.
        """

        def work(db):
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

        return self.write(work)

    def finish(self, listener):
        """Make a listener's answers final, if all are there; again changes nothing. Returns how many miss."""

        def work(db):
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

        return self.write(work)

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
            return [self.checked(Rating(*row)) for row in rows]

    def checked(self, row):
        """A Rating with texts that can be shown. Raises UserError if the row cannot be an answer."""
        hints = get_type_hints(Rating) | {"primed": int, "heard": (int, float)}
        fits = all(isinstance(value, hints[name]) for name, value in row._asdict().items())
        if not fits or not (0 <= row.score <= 5 and 0 <= row.heard < 1e6):  # NaN fails, too
            raise UserError(f"{self.path}: damaged, one of its answers is none")
        texts = {name: as_title(value) for name, value in row._asdict().items() if isinstance(value, str)}
        return row._replace(primed=bool(row.primed), **texts)

    def counts(self):
        """How many listeners began, how many finished, how many answers there are."""
        with self.connection() as db:
            return db.execute(
                "SELECT count(*), count(finished), (SELECT count(*) FROM ratings) FROM listeners"
            ).fetchone()
