"""The pages of a listening test: what they show, store, refuse, and never tell."""

import json
import re
import sqlite3
import wave

import pytest
from listening import SAME_SITE, write_tone

pytest.importorskip("flask", reason="needs the extra 'listen'")
from flask.testing import FlaskClient

from experiments.listen.pages import make_app
from experiments.listen.sound import take_in
from experiments.listen.storage import Study, new_token

SOURCES = (("lstm", False), ("lstm", True), ("human", False))


class Browser(FlaskClient):
    """A client that reads responses to their end, and so closes their files."""

    def open(self, *given, **options):
        return super().open(*given, **{"buffered": True, **options})


@pytest.fixture
def app(tmp_path):
    audio = tmp_path / "audio"
    audio.mkdir()
    study = Study(tmp_path / "study.sqlite", create=True)
    kinds = {}
    for k, (source, primed) in enumerate(SOURCES):
        heard = take_in(write_tone(tmp_path / f"{k}.wav", pitch=300 + 100 * k), audio)
        kinds[source, primed] = study.add_samples([(heard.digest, source, primed, "a title", None, 1.0)])
    app = make_app(study, audio, kinds, 3, 2)
    app.test_client_class = Browser
    app.testing, app.study, app.audio = True, study, audio
    return app


def begin(app, **form):
    """A browser whose listener has begun."""
    client = app.test_client()
    client.get("/")
    answer = client.post("/begin", data={"consent": "yes", "experience": "some", **form}, headers=SAME_SITE)
    assert answer.status_code == 303, answer.text
    return client


def content_of(client):
    page = client.get("/listen").text
    return json.loads(re.search(r'id="content">(.*?)</script>', page, re.S)[1])


def pieces_of(client):
    return content_of(client)["pieces"]


def rate(client, piece, score=3, stamp=1, headers=SAME_SITE, **other):
    return client.post(
        "/rate", json={"piece": piece, "score": score, "stamp": stamp, "heard": 1.5, **other}, headers=headers
    )


# The way through ----------------------------------------------------------------------------------


def test_from_welcome_to_thanks(app):
    client = app.test_client()
    welcome = client.get("/")
    assert "3 short pieces" in welcome.text and "about 2\nminutes" in welcome.text
    assert client.get("/listen").location == "/" == client.get("/thanks").location
    begun = client.post("/begin", data={"consent": "yes", "experience": "much"}, headers=SAME_SITE)
    assert begun.status_code == 303 and begun.location == "/listen" == client.get("/").location
    pieces = pieces_of(client)
    assert len(pieces) == 3 and all(piece["score"] is None for piece in pieces)
    for i, piece in enumerate(pieces):
        assert client.post("/finish", headers=SAME_SITE).location == "/listen"  # not all rated
        assert rate(client, piece["id"], i, i).json == {"score": i, "stamp": i}
    assert [piece["score"] for piece in pieces_of(client)] == [0, 1, 2]
    for _ in range(2):
        assert client.post("/finish", headers=SAME_SITE).location == "/thanks"
    assert "saved" in client.get("/thanks").text and client.get("/listen").location == "/thanks"
    assert rate(client, pieces[0]["id"], 5, 9).status_code == 409
    assert [row.score for row in app.study.ratings()] == [0, 1, 2]
    assert {row.experience for row in app.study.ratings()} == {"much"}


def test_a_form_sent_twice_begins_once(app):
    client = app.test_client()
    client.get("/"), client.get("/")
    for _ in range(2):
        client.post("/begin", data={"consent": "yes"}, headers=SAME_SITE)
    assert app.study.counts() == (1, 0, 0)


def test_an_answer_sent_twice_counts_once(app):
    client = begin(app)
    piece = pieces_of(client)[0]["id"]
    for _ in range(3):
        assert rate(client, piece).json == {"score": 3, "stamp": 1}
    assert rate(client, piece, 5, 4).json == {"score": 5, "stamp": 4}
    assert rate(client, piece, 0, 2).json == {"score": 5, "stamp": 4}
    assert app.study.counts() == (1, 0, 1)


@pytest.mark.parametrize("form", [{"consent": ""}, {"consent": "no"}, {"experience": "all of it"}])
def test_no_consent_no_test(app, form):
    client = app.test_client()
    client.get("/")
    refused = client.post("/begin", data={"consent": "yes", **form}, headers=SAME_SITE)
    assert refused.status_code == 400 and "tick the box" in refused.text and app.study.counts()[0] == 0


def test_without_cookies_it_says_so(app):
    client = app.test_client(use_cookies=False)
    client.get("/")
    refused = client.post("/begin", data={"consent": "yes"}, headers=SAME_SITE)
    assert refused.status_code == 400 and "cookie" in refused.text


def test_when_enough_have_taken_part(app, monkeypatch):
    monkeypatch.setattr("experiments.listen.storage.MOST_LISTENERS", 0)
    client = app.test_client()
    client.get("/")
    full = client.post("/begin", data={"consent": "yes"}, headers=SAME_SITE)
    assert full.status_code == 503 and "Enough people" in full.text


# Sound --------------------------------------------------------------------------------------------


def test_sound_whole_and_by_ranges(app):
    client = begin(app)
    url = pieces_of(client)[0]["audio"]
    whole = client.get(url)
    assert whole.status_code == 200 and whole.content_type == "audio/wav"
    assert whole.headers["Accept-Ranges"] == "bytes"
    size = len(whole.data)
    assert whole.data[:4] == b"RIFF" and size == 44 + 16000
    for asked, first, last in (
        ("0-1", 0, 1),
        ("44-99", 44, 99),
        ("16000-", 16000, size - 1),
        ("-10", size - 10, size - 1),
    ):
        part = client.get(url, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206 and part.data == whole.data[first : last + 1]
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert client.get(url, headers={"Range": "bytes=99999-"}).status_code == 416
    etag = whole.headers["ETag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    part = client.get(url, headers={"Range": "bytes=0-1", "If-Range": etag})
    assert part.status_code == 206 and client.head(url).headers["Content-Length"] == str(size)


def test_nothing_sent_tells_whose_a_piece_is(app):
    client = begin(app)
    files = sorted(path.stem for path in app.audio.iterdir())
    responses = [client.get("/listen")] + [client.get(piece["audio"]) for piece in pieces_of(client)]
    for response in responses:
        told = str(response.headers) + (response.text if response.mimetype == "text/html" else "")
        for secret in ("lstm", "human", "primed", 'title"', "a title", "Last-Modified", "filename", *files):
            assert secret not in told
    lengths = {len(response.data) for response in responses[1:]}
    assert len(lengths) == 1
    other = begin(app)
    assert not {p["id"] for p in pieces_of(client)} & {p["id"] for p in pieces_of(other)}


def test_copies_are_plain_sound(app):
    for path in app.audio.iterdir():
        with wave.open(str(path)) as file:
            assert path.stat().st_size == 44 + 2 * file.getnframes()


# Who may do what ----------------------------------------------------------------------------------


def test_other_listeners_pieces_and_answers_stay_theirs(app):
    mine, other = begin(app), begin(app)
    piece = pieces_of(mine)[0]
    rate(mine, piece["id"], 5)
    assert other.get(piece["audio"]).status_code == 404
    assert rate(other, piece["id"], 0, 99).status_code == 404
    assert all(p["score"] is None for p in pieces_of(other))
    assert [row.score for row in app.study.ratings()] == [5]
    assert content_of(mine)["listener"] != content_of(other)["listener"]


def test_guessed_cookies_open_nothing(app):
    mine = begin(app)
    piece = pieces_of(mine)[0]
    for guess in ("", "1", new_token(), "../../study.sqlite", "' OR '1'='1", "x" * 3000, "é" * 43):
        client = app.test_client()
        client.set_cookie("listener", guess)
        assert client.get("/listen").location == "/"
        assert client.get(piece["audio"]).status_code == 404
        assert rate(client, piece["id"]).status_code == 401
        assert client.post("/finish", headers=SAME_SITE).location == "/"
    assert app.study.ratings() == []


def test_no_name_leads_to_another_file(app, tmp_path):
    client = begin(app)
    digest = next(app.audio.iterdir()).stem
    names = [digest, f"{digest}.wav", "study.sqlite", "../study.sqlite", "..%2Fstudy.sqlite",
             "%2e%2e/study.sqlite", "..\\study.sqlite", "/etc/passwd", "%2Fetc%2Fpasswd", "a\x00", "'",
             "x" * 3000, "é"]  # fmt: skip
    for folder in ("/audio/", "/static/", "/static/../", "/"):
        for name in names:
            response = client.get(folder + name)
            foreign = (folder + name).startswith("//")  # another host's, then
            assert response.status_code in ((400,) if foreign else (301, 308, 404)), (folder, name)
            assert b"SQLite" not in response.data and b"root:" not in response.data
    for path in (
        "/report",
        "/results",
        "/answers.csv",
        "/study.sqlite",
        "/static/../pages.py",
        "/templates/base.html",
    ):
        assert client.get(path).status_code == 404


def test_even_a_spoiled_database_leads_to_no_other_file(app, tmp_path):
    client = begin(app)
    urls = [piece["audio"] for piece in pieces_of(client)]
    write_tone(tmp_path / "secret.wav")
    with sqlite3.connect(app.study.path) as db:
        db.execute("UPDATE samples SET digest = '../secret' || substr('  ', 1, id - 1)")
    db.close()
    assert [client.get(url).status_code for url in urls] == [404] * 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
def test_other_sites_change_nothing(app, headers):
    client = begin(app)
    piece = pieces_of(client)[0]["id"]
    assert rate(client, piece, headers=headers).status_code == 403
    assert client.post("/finish", headers=headers).status_code == 403
    fresh = app.test_client()
    fresh.get("/")
    assert fresh.post("/begin", data={"consent": "yes"}, headers=headers).status_code == 403
    assert app.study.counts() == (1, 0, 0)


GOOD = {"score": 3, "stamp": 1, "heard": 1.0}
BAD_ANSWERS = [
    *({**GOOD, "score": bad} for bad in (-1, 6, 3.0, 2.5, "3", True, None, [3], float("nan"), 10**30)),
    *({**GOOD, "stamp": bad} for bad in (-1, 2**53, 1.5, "1", True, None)),
    *({**GOOD, "heard": bad} for bad in (-1, 1e9, float("nan"), float("inf"), "1", True, None)),
    *({**GOOD, "piece": bad} for bad in (None, 7, ["x"], {})),
]


@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=str)
def test_bad_answers_are_refused(app, answer):
    client = begin(app)
    refused = client.post("/rate", json={"piece": pieces_of(client)[0]["id"], **answer}, headers=SAME_SITE)
    assert refused.status_code == 400 and refused.json["error"] and app.study.ratings() == []


@pytest.mark.parametrize(
    "body, kind, status",
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 4000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"score=3", "application/x-www-form-urlencoded", 415),
        (b'"' + b"x" * 10_000 + b'"', "application/json", 413),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_requests(app, body, kind, status):
    client = begin(app)
    app.testing = False  # as users meet it: no exception passes
    refused = client.post("/rate", data=body, content_type=kind, headers=SAME_SITE)
    assert refused.status_code == status and refused.json["error"]


def test_headers_and_cookie(app):
    client = app.test_client()
    welcome = client.get("/")
    cookie = welcome.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    assert re.match(r"listener=[A-Za-z0-9_-]{43};", cookie)
    assert "Secure" in app.test_client().get("/", base_url="https://localhost").headers["Set-Cookie"]
    assert "Set-Cookie" not in client.get("/").headers
    client = begin(app)
    urls = ["/", "/listen", "/thanks", "/nowhere", "/static/listen.js", pieces_of(client)[0]["audio"]]
    for response in map(client.get, urls):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
    assert client.get("/listen").headers["Cache-Control"] == "no-store"
    assert "private" in client.get(urls[-1]).headers["Cache-Control"]


def test_pages_need_nothing_from_elsewhere(app):
    client = begin(app)
    for url in ("/listen", "/static/listen.js", "/static/listen.css", "/thanks", "/"):
        text = client.get(url, follow_redirects=True).text
        assert "http:" not in text and "https:" not in text and "//" not in re.sub(r"// .*", "", text)
        assert not re.search(r"\son\w+=|style=", text)  # the policy would not let them run


def test_a_full_disk_is_said_and_the_answer_can_come_again(app, monkeypatch, caplog):
    client = begin(app)
    piece = pieces_of(client)[0]["id"]

    def refuse(*answer):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(app.study, "rate", refuse)
        answer = rate(client, piece)
    assert answer.status_code == 503 and answer.json["error"].startswith("Nothing can be stored")
    assert [record.getMessage() for record in caplog.records] == ["study.sqlite: database or disk is full"]
    assert rate(client, piece).json == {"score": 3, "stamp": 1}


def test_wrong_methods_and_paths_get_a_page(app):
    client = begin(app)
    assert client.get("/begin").status_code == 405 == client.get("/rate").status_code
    missing = client.get("/nowhere")
    assert missing.status_code == 404 and "To the test" in missing.text
