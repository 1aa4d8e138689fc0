"""The pages of the listening test, as a Flask application.

    GET  /              what it is, and consent
    POST /begin         deals the pieces; twice is as once, for the cookie is set by GET /
    GET  /listen        the page that plays and rates (static/listen.js)
    GET  /audio/PIECE   a piece of the listener's own playlist, whole or by ranges
    POST /rate          one answer, as JSON; may be sent again
    POST /finish        makes the answers final
    GET  /thanks

A listener is known by a random token in a cookie, and reaches what belongs to that token; nothing that is
sent tells whose a piece is. Requests that change something must come from the page itself, and all must ask
for this machine by one of its names (names.py).
"""

import re
import sqlite3
from urllib.parse import urlsplit

from experiments.common.errors import import_extra
from experiments.listen.logs import say_seldom
from experiments.listen.names import ARRIVED_AT, OnlyByName
from experiments.listen.storage import EXPERIENCES, PIECE, TOKEN, Finished, Full, new_token

COOKIE, COOKIE_SECONDS = "listener", 90 * 24 * 3600
MOST_REQUEST_BYTES = 4096
MOST_STAMP = 2**53 - 1  # the largest integer that JavaScript counts with
DIGEST = re.compile(r"[0-9a-f]{64}")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with "no-referrer" forms would come from the origin "null"
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def make_app(study, audio, kinds, number, minutes, seed=0, names=("localhost",)):
    """The application.

    study : Study
    audio : Path, the folder of the pieces, DIGEST.wav
    kinds : dict of (source, primed) -> list of sample ids, dealt to new listeners
    number : int, pieces for each listener
    minutes : int, about how long that takes
    seed : int
    names : iterable of str, the host names and addresses by which it may be asked for, beside the address
        that a request reached
    Returns flask.Flask.
    Raises ImportError if flask is not installed.
    """
    flask = import_extra("flask", "listen")
    from werkzeug.exceptions import HTTPException, ServiceUnavailable

    app = flask.Flask("experiments.listen")
    app.config["MAX_CONTENT_LENGTH"] = MOST_REQUEST_BYTES
    app.wsgi_app = OnlyByName(app.wsgi_app, names, HEADERS)
    say_seldom(app.logger)
    request = flask.request
    audio = audio.absolute()

    def go(page):
        return flask.redirect(flask.url_for(page), 303)

    def current():
        return study.listener(request.cookies.get(COOKIE))

    @app.before_request
    def refuse_other_sites():
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        if not is_same_origin(request.headers, request.host):
            flask.abort(403, "This request did not come from the page of the test.")

    @app.after_request
    def add_headers(response):
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(HTTPException)
    def explain(error):
        if request.path == "/rate":
            return {"error": error.description}, error.code
        return flask.render_template("message.html", title=error.name, text=error.description), error.code

    @app.errorhandler(sqlite3.DatabaseError)
    @app.errorhandler(OSError)
    def explain_disk(error):
        """A full or broken disk. The page tries again; whoever runs the test sees one line."""
        app.logger.error("%s: %s", "study.sqlite" if isinstance(error, sqlite3.Error) else "a file", error)
        return explain(ServiceUnavailable("Nothing can be stored just now. Please try again later."))

    @app.errorhandler(Full)
    def explain_full(error):
        text = "Enough people have taken part. Thank you all the same."
        return flask.render_template("message.html", title="The test is over", text=text), 503

    @app.get("/")
    def welcome():
        if current():
            return go("listen")
        page = flask.render_template("welcome.html", number=number, minutes=minutes, experiences=EXPERIENCES)
        response = flask.make_response(page)
        if not TOKEN.fullmatch(request.cookies.get(COOKIE, "")):
            response.set_cookie(
                COOKIE, new_token(), COOKIE_SECONDS, httponly=True, samesite="Lax", secure=request.is_secure
            )
        return response

    @app.post("/begin")
    def begin():
        token = request.cookies.get(COOKIE, "")
        if not TOKEN.fullmatch(token):
            flask.abort(400, "This page keeps your place with a cookie. Please allow it, then begin again.")
        if request.form.get("consent") != "yes" or request.form.get("experience", "") not in EXPERIENCES:
            flask.abort(400, "Please tick the box if you want to take part.")
        study.begin(token, request.form.get("experience", ""), kinds, number, seed)
        return go("listen")

    @app.get("/listen")
    def listen():
        listener = current()
        if listener is None:
            return go("welcome")
        if listener.finished:
            return go("thanks")
        pieces = [
            {"id": p.piece, "audio": flask.url_for("piece", name=p.piece), "score": p.score, "stamp": p.stamp}
            for p in study.playlist(listener.id)
        ]
        content = {"listener": listener.page_name, "rate": flask.url_for("rate"), "pieces": pieces}
        return flask.render_template("listen.html", content=content, number=len(pieces))

    @app.get("/audio/<name>")
    def piece(name):
        listener = current()
        digest = study.digest(listener.id, name) if listener and PIECE.fullmatch(name) else None
        path = audio / f"{digest}.wav"
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest) or not path.is_file():
            flask.abort(404, "There is no such piece.")
        response = flask.send_file(path, "audio/wav", conditional=True, etag=name, max_age=3600)
        if response.status_code == 206 and ARRIVED_AT in request.environ:
            send_part(response, path, request.environ)
        del response.headers["Last-Modified"]  # pieces of one source were often made at one time
        del response.headers["Content-Disposition"]
        response.cache_control.public, response.cache_control.private = None, True
        return response

    @app.post("/rate")
    def rate():
        listener = current()
        if listener is None:
            flask.abort(401, "Your place is not known here any more.")
        try:
            answer = request.get_json()
        except RecursionError:  # brackets in brackets
            answer = None
        problem = problem_of(answer)
        if problem:
            flask.abort(400, problem)
        try:
            stored = study.rate(listener.id, *(answer[key] for key in ("piece", "score", "stamp", "heard")))
        except Finished:
            flask.abort(409, "You have finished; answers are final.")
        if stored is None:
            flask.abort(404, "There is no such piece.")
        return {"score": stored[0], "stamp": stored[1]}

    @app.post("/finish")
    def finish():
        listener = current()
        if listener is None:
            return go("welcome")
        return go("listen" if study.finish(listener.id) else "thanks")

    @app.get("/thanks")
    def thanks():
        listener = current()
        if listener is None or not listener.finished:
            return go("welcome")
        return flask.render_template("thanks.html")

    return app


def is_same_origin(headers, host):
    """Whether a request comes from a page of this host, as browsers tell and pages cannot feign."""
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    try:
        return origin is not None and urlsplit(origin).netloc == host
    except ValueError:
        return False


def send_part(response, path, environ):
    """Let the server read a part from the file as its listener takes it, as it does with the whole file.

    It sends Content-Length bytes. Otherwise a thread would read all of it, however slowly it is taken.
    """
    from werkzeug.wsgi import wrap_file

    response.response.close()
    file = open(path, "rb")
    file.seek(response.content_range.start)
    response.response = wrap_file(environ, file)


def problem_of(answer):
    """What is wrong with the JSON of an answer; "" if nothing. Numbers may have thousands of digits."""
    if not isinstance(answer, dict):
        return "expected an object with piece, score, stamp and heard"
    if not isinstance(answer.get("piece"), str) or not PIECE.fullmatch(answer["piece"]):
        return "expected the name of a piece"
    whole = {key: type(answer.get(key)) is int for key in ("score", "stamp")}
    if not whole["score"] or not 0 <= answer["score"] <= 5:
        return "expected a score of 0, 1, 2, 3, 4 or 5"
    if not whole["stamp"] or not 0 <= answer["stamp"] <= MOST_STAMP:
        return "expected a stamp, a whole number"
    heard = answer.get("heard")
    if type(heard) not in (int, float) or not 0 <= heard < 1e6:  # NaN fails, too
        return "expected heard, seconds"
    return ""
