"""The page of a rehearsal as a person sees it: opened from disk in Chromium, offline."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The installed Chromium, headless."""
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=quiet)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A page and the report it was made from."""
    page = tmp_path_factory.mktemp("page") / "rehearsal.html"
    command = [sys.executable, "-m", "scenarios", "rehearse", "--scenario", "unanswered", "--json", "--html", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return page, json.loads(done.stdout)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_tells_the_whole_story_offline_on_any_screen(
    browser: Browser, rehearsal: tuple[Path, dict[str, object]], width: int, tmp_path: Path
) -> None:
    """Figures, everybody notified and the next step are shown; nothing is fetched, nothing overflows, no errors."""
    file, report = rehearsal
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    troubles: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert troubles == []
    assert page.get_by_role("heading", level=1).inner_text() == report["summary"]
    pages = report["pages"]
    assert isinstance(pages, list)
    assert page.locator("tbody tr").count() == len(pages)
    assert str(report["next_step"]) in page.locator(".next").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture = Path(os.environ.get("PAGEDRILL_SCREENSHOTS") or tmp_path) / f"rehearsal-{width}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000
    context.close()
