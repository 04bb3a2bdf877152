import json
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "service"))
from service_fixtures import serve, server  # noqa: E402, F401

CHROMIUM = Path(os.environ.get("LINNET_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM} (LINNET_CHROMIUM)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


class Page:
    """A page of a server, and all that it said and asked for."""

    def __init__(self, browser, server, path="", wait="#facts dd", **context):
        self.address = f"http://127.0.0.1:{server.port}/"
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"exception: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(self.address + path)
        self.page.wait_for_selector(wait)

    def type(self, field, text):
        self.page.fill(f"#{field}", text)

    def tab(self, name):
        self.page.click(f"#tab-{name}")

    def text(self, place):
        return self.page.inner_text(f"#{place}")

    def await_true(self, expression, seconds=60):
        """Playwright's own waiting needs eval() inside the page, which the page forbids."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            self.page.wait_for_timeout(20)

    def await_text(self, place, words, seconds=60):
        self.await_true(f"document.getElementById({json.dumps(place)}).innerText.includes({json.dumps(words)})", seconds)


@pytest.fixture
def open_page(browser):
    pages = []

    def open_one(server, **context):
        pages.append(Page(browser, server, **context))
        return pages[-1]

    yield open_one
    for page in pages:
        page.context.close()
