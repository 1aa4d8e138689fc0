"""Requests that no browser sends: each is refused or answered, none is an error of the server, none changes
what is not the sender's.
"""

import io
import json
import logging

import pytest
from hypothesis import example, given
from hypothesis import settings as rules
from hypothesis import strategies as st
from listening import write_tone

pytest.importorskip("flask", reason="needs the extra 'listen'")
from werkzeug.test import run_wsgi_app

from experiments.listen.names import ARRIVED_AT
from experiments.listen.pages import make_app
from experiments.listen.sound import take_in
from experiments.listen.storage import Study

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
BIG = "9" * 4000


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """An app, as users meet it: no exception passes; the cookie of one listener, and a piece of hers."""
    folder = tmp_path_factory.mktemp("study")
    study = Study(folder / "study.sqlite", create=True)
    heard = take_in(write_tone(folder / "a.wav", 0.5), folder)
    kinds = {("lstm", False): study.add_samples([(heard.digest, "lstm", False, "a", None, 1.0)])}
    app = make_app(study, folder, kinds, 1, 1)
    app.study, app.token, app.other = study, "m" * 43, "o" * 43
    study.begin(app.token, "some", kinds, 1, 0)
    study.begin(app.other, "", kinds, 1, 0)
    app.piece = study.playlist(1)[0].piece
    study.rate(2, study.playlist(2)[0].piece, 5, 1, 1.0)
    return app


def ask(app, method="GET", path="/", body=b"", kind="", cookie="", host="localhost", **headers):
    """Status and body of one answer; headers in WSGI's names, without HTTP_."""
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path,
        "QUERY_STRING": headers.pop("query", ""), "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": headers.pop("length", str(len(body))), "HTTP_HOST": host, "HTTP_COOKIE": cookie,
        "HTTP_ORIGIN": "http://localhost", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input_terminated": True, ARRIVED_AT: "127.0.0.1",
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }  # fmt: skip
    content, status, _ = run_wsgi_app(app, environ, buffered=True)
    return int(status.split()[0]), b"".join(content)


def is_refused_or_answered(app, *given, **options):
    """Whether there was no error, and the other listener's answer is what it was."""
    status, _ = ask(app, *given, **options)
    others = [row.score for row in app.study.ratings() if row.listener == 2]
    return status < 500 and others == [5] and app.study.playlist(2)[0].stamp == 1


# Requests ---------------------------------------------------------------------------------------------

latin = st.text(st.characters(max_codepoint=255), max_size=40)
nasty = st.sampled_from(
    ["", " ", "\0", "\xa0", "é" * 43, BIG, "-1", "NaN", "../../x", "%00", "%ff%fe", "a" * 64 + ".b", "[::1",
     "null", "http://[", "bytes=0-", "bytes=9-1", f"bytes={BIG}-", f"bytes=-{BIG}", "bytes=0-1,3-4",
     "bytes=-0", "Thu, 01 Jan 99999 00:00:00 GMT", "Thu, 99 Jan 1970 00:00:00 +9999", 'W/"', '"', "*", "=;=;",
     "x" * 3000]
)  # fmt: skip
values = latin | nasty
paths = st.sampled_from(
    ["/", "/begin", "/listen", "/rate", "/finish", "/thanks", "/audio/", "/static/listen.js"]
)
methods = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "", "\xff"])
headers = st.dictionaries(
    st.sampled_from(
        ["RANGE", "IF_RANGE", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "IF_MATCH", "ORIGIN", "REFERER",
         "SEC_FETCH_SITE", "ACCEPT", "ACCEPT_ENCODING", "AUTHORIZATION", "X_FORWARDED_HOST", "EXPECT",
         "TRANSFER_ENCODING", "USER_AGENT"]
    ),
    values,
    max_size=3,
)  # fmt: skip
kinds = st.sampled_from(
    [JSON, FORM, "multipart/form-data", "multipart/form-data; boundary=x", "", "/", ";", f"{JSON}; charset=x"]
)
forms = st.sampled_from([b"consent=yes", b"consent=yes&experience=\xff", b"{", b"--x\r\n"])


@rules(max_examples=100)
@given(st.data())
def test_any_request_is_refused_or_answered(site, data):
    draw = data.draw
    path = draw(paths) + draw(st.just("") | st.just(site.piece) | values)
    body = draw(st.binary(max_size=60) | forms)
    cookie = draw(st.just(f"listener={site.token}") | values.map(lambda value: f"listener={value}") | values)
    options = {"cookie": cookie, "kind": draw(kinds | values), **draw(headers)}
    if draw(st.booleans()):
        options["host"] = draw(values)
    if draw(st.integers(0, 4)) == 0:
        options["length"] = draw(values)
    options["query"] = draw(st.just("") | values)
    assert is_refused_or_answered(site, draw(methods), path, body, **options)


leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(), max_size=8)
leaves |= st.sampled_from([10**400, -(10**400), 2**63, 2**64, -(2**63), "\ud800", "\0", "é" * 22, 1e308])
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("piece", "score", "stamp", "heard")


@rules(max_examples=100)
@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=2) | json_values)
@example({"piece": "\ud800"})
@example({"heard": 10**400})
@example({"stamp": 2**63})
def test_any_answer_is_refused_or_stored(site, changes):
    good = {"piece": site.piece, "score": 3, "stamp": 1, "heard": 1.0}
    answer = good | changes if isinstance(changes, dict) else changes
    body = json.dumps(answer).encode("utf-8", "surrogatepass")
    assert is_refused_or_answered(site, "POST", "/rate", body, JSON, f"listener={site.token}")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "raw",
    [
        BIG,
        f"-{BIG}",
        f"1e{BIG}",
        f"0.{BIG}",
        '"\\ud800"',
        '"\ud800"',
        "1e999",
        "NaN",
        "Infinity",
        '"\\u0000"',
    ],
    ids=lambda raw: raw[:12].encode("ascii", "replace").decode(),
)
def test_numbers_and_letters_that_are_none(site, key, raw):
    good = {"piece": json.dumps(site.piece), "score": "3", "stamp": "1", "heard": "1.0"}
    body = "{" + ", ".join(f'"{name}": {value}' for name, value in (good | {key: raw}).items()) + "}"
    body = body.encode("utf-8", "surrogatepass")
    status, said = ask(site, "POST", "/rate", body, JSON, f"listener={site.token}")
    fits = key == "heard" and raw.startswith("0.")
    assert status == (200 if fits else 400) and (fits or json.loads(said)["error"])


@pytest.mark.parametrize(
    "host",
    ["evil.example", "a" * 64, "a" * 64 + ".example", "a" * 4000, "localhost.evil.example", "é.example",
     "10.1.2.3", "[::2]", "[::1", "localhost:x", "localhost:999999", "localhost@evil.example",
     "localhost, evil.example", "localhost/", " ", "", ".", "..", "\xa0localhost", "localhost\0", "xn--a",
     "127.1"],
    ids=lambda host: host[:22].encode("ascii", "replace").decode() or "none",
)  # fmt: skip
def test_other_names_are_not_answered(site, host):
    for path in ("/", "/listen", "/static/listen.js", f"/audio/{site.piece}", "/nowhere", "/rate"):
        status, said = ask(site, path=path, host=host, cookie=f"listener={site.token}")
        assert status == 400 and b"--name" in said and b"RIFF" not in said


def test_a_refusal_is_said_without_what_was_sent_and_logged_once(site, caplog):
    for _ in range(3):
        status, said = ask(site, path="/<script>", host="localhost")
        assert status == 404 and b"<script>" not in said
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
