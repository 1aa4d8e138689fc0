"""The listening test in a real browser, headless: it plays, keeps answers, and finds its place again."""

import os
import shutil
import signal

import pytest
from listening import Server, write_run, write_tone

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("flask", reason="needs the extra 'listen'")
pytest.importorskip("waitress", reason="needs the extra 'listen'")
pytest.importorskip("playwright", reason="needs the extra 'browser'")
from playwright.sync_api import expect, sync_playwright

from experiments.listen.storage import Study

CHROMIUM = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    ),
    None,
)
PIECES = 5
PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}
OPTIONS = ["--mute-audio", "--disable-background-networking"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        OPTIONS.append("--no-sandbox")  # Chromium's sandbox refuses root
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / name, name, 1, 3.0, 300) for name in ("lstm", "rnn")]
    write_tone(folder / "people" / "a.wav", 3.0, 500)
    return [*runs, "--human", folder / "people", "--out", folder / "out"]


@pytest.fixture(scope="module")
def server(arguments, chromium):
    with Server(*arguments) as server:
        yield server


@pytest.fixture
def stored(arguments):
    """A function: the scores of the listener that came last, in the order of the pieces."""

    def scores():
        ratings = Study(arguments[-1] / "study.sqlite").ratings()
        return [row.score for row in ratings if row.listener == ratings[-1].listener]

    return scores


def enter(context, url):
    """A page with the first piece."""
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if "Security" in said.text else None)
    page.goto(url)
    page.get_by_label("I play or sing a little").check()
    page.get_by_role("button", name="Begin").click()
    assert page.url.rstrip("/") == url  # the box of consent is not ticked
    page.get_by_label("I take part").check()
    page.get_by_role("button", name="Begin").click()
    expect(heading(page)).to_have_text(f"Piece 1 of {PIECES}")
    return page


def heading(page):
    return page.get_by_role("heading", level=1)


def score(page, number):
    return page.locator(f"[data-score='{number}']")


def can_rate(page):
    expect(score(page, 0)).to_have_attribute("aria-disabled", "false")


def played(page):
    return page.evaluate("document.getElementById('audio').currentTime")


def test_by_keyboard_from_beginning_to_end(chromium, server, stored):
    with chromium.new_context() as context:
        page = enter(context, server.url)
        page.keyboard.press("4")  # not before listening
        expect(page.locator("#hint")).to_have_text("Listen first, then rate.")
        for i in range(PIECES):
            expect(heading(page)).to_have_text(f"Piece {i + 1} of {PIECES}")
            page.keyboard.press("Space")
            expect(page.get_by_role("button", name="Pause")).to_be_visible()
            can_rate(page)
            if i == 0:
                before = played(page)
                page.wait_for_timeout(400)
                assert played(page) > before + 0.2  # it really plays
                page.keyboard.press("Space")
                expect(page.get_by_role("button", name="Play")).to_be_visible()
            page.keyboard.press(str(i))
            expect(score(page, i)).to_have_attribute("aria-pressed", "true")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        expect(heading(page)).to_have_text(f"Piece {PIECES - 1} of {PIECES}")
        page.keyboard.press("5")  # an answer changed
        expect(page.locator("#saved")).to_have_text("Saved")
        assert stored() == [0, 1, 2, 5, 4]
        finish = page.get_by_role("button", name="Finish")
        for _ in range(12):  # all that is needed is reached with the tabulator, and shows it
            page.keyboard.press("Tab")
            if finish.evaluate("button => button === document.activeElement"):
                break
        assert finish.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
        context.set_offline(True)
        page.keyboard.press("Enter")
        expect(page.locator("#hint")).to_contain_text("there is no connection now")
        context.set_offline(False)
        page.keyboard.press("Enter")
        page.wait_for_url("**/thanks")
        page.goto(server.url)
        expect(heading(page)).to_have_text("Thank you!")
        assert page.problems == []


def test_with_a_thumb_on_a_phone(chromium, server, stored):
    with chromium.new_context(**PHONE, color_scheme="dark", reduced_motion="reduce") as context:
        page = enter(context, server.url)
        for i in range(2):
            page.get_by_role("button", name="Play").tap()
            can_rate(page)
            score(page, 3 + i).tap()
            expect(score(page, 3 + i)).to_have_attribute("aria-pressed", "true")
            page.get_by_role("button", name="Next").tap()
        expect(page.locator("#saved")).to_have_text("Saved")
        assert stored() == [3, 4]
        wide, all_of_it = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= all_of_it  # nothing to scroll sideways
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is None or (box["width"] >= 44 and box["height"] >= 44)
        assert page.get_by_role("button", name="Next").bounding_box()["y"] < 640
        page.reload()  # its place is kept
        expect(heading(page)).to_have_text(f"Piece 3 of {PIECES}")
        page.get_by_role("button", name="Back").tap()
        expect(score(page, 4)).to_have_attribute("aria-pressed", "true")
        assert page.problems == []


def test_offline_for_a_while(chromium, server, stored):
    with chromium.new_context() as context:
        page = enter(context, server.url)
        page.get_by_role("button", name="Play").click()
        can_rate(page)
        page.wait_for_load_state("networkidle")  # the next piece was fetched ahead
        context.set_offline(True)
        score(page, 1).click()
        expect(page.locator("#saved")).to_have_text("1 answer not saved yet")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        can_rate(page)
        page.keyboard.press("5")
        page.keyboard.press("2")  # of two answers to one piece the last counts
        expect(page.locator("#saved")).to_have_text("2 answers not saved yet")
        context.set_offline(False)
        expect(page.locator("#saved")).to_have_text("Saved")
        assert stored() == [1, 2]


def test_a_server_in_trouble_and_a_place_that_is_lost(chromium, server, stored):
    with chromium.new_context() as context:
        page = enter(context, server.url)
        page.keyboard.press("Space")
        can_rate(page)
        context.route("**/rate", lambda route: route.fulfill(status=500))
        page.keyboard.press("2")
        expect(page.locator("#saved")).to_have_text("1 answer not saved yet")
        context.unroute("**/rate")
        expect(page.locator("#saved")).to_have_text("Saved")  # it tries again by itself
        assert stored() == [2]
        context.clear_cookies()
        page.keyboard.press("3")
        expect(page.locator("#saved")).to_contain_text("Not saved: Your place is not known here any more.")
        assert stored() == [2]


def test_a_server_that_dies_and_a_page_that_is_closed(chromium, arguments, stored):
    with chromium.new_context() as context:
        with Server(*arguments) as server:
            url, port = server.url, server.url.rpartition(":")[2]
            page = enter(context, url)
            page.keyboard.press("Space")
            can_rate(page)
            server.stop(signal.SIGKILL)
        score(page, 5).click()
        expect(page.locator("#saved")).to_have_text("1 answer not saved yet")
        page.close()
        with Server(*arguments, port=port):
            page = context.new_page()
            page.goto(url)
            expect(heading(page)).to_have_text(f"Piece 2 of {PIECES}")
            expect(page.locator("#saved")).to_have_text("Saved")
            assert stored() == [5]
            page.keyboard.press("ArrowLeft")
            expect(score(page, 5)).to_have_attribute("aria-pressed", "true")
