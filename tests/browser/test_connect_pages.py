"""Connecting ThousandEyes with PagerDuty as a person does it: in Chromium, on a large screen and on a phone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = pytest.mark.chromium

REST, TE_API, TE_APP, PD_APP = "api.pagerduty.com", "api.thousandeyes.com", "app.thousandeyes.com", "app.pagerduty.com"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The installed Chromium, headless."""
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=quiet)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, Any]]:
    """Both simulators served, with a service that cannot be picked."""
    command = [sys.executable, "-m", "scenarios", "serve", "--json", "--port", "0", "--mode", "manual"]
    process = subprocess.Popen([*command, "--start", "2026-03-02T09:00:00Z"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    with httpx.Client(base_url=found["urls"][REST], trust_env=False) as client:
        client.headers["Authorization"] = f"Token token={found['keys']['pagerduty_api_key']}"
        policy = client.get("/escalation_policies").json()["escalation_policies"][0]["id"]
        service = {"type": "service", "name": "Mail gateway", "alert_creation": "create_incidents"}
        service["escalation_policy"] = {"id": policy, "type": "escalation_policy_reference"}
        client.post("/services", json={"service": service}).raise_for_status()
    yield found
    process.terminate()
    process.communicate()


def picture(page: Page, name: str, folder: Path) -> None:
    """Keep a picture, and check that nothing sticks out of the screen."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    file = Path(os.environ.get("PAGEDRILL_SCREENSHOTS") or folder) / f"connect-{name}.png"
    page.screenshot(path=file, full_page=True)
    assert file.stat().st_size > 5_000


@pytest.mark.parametrize(("width", "scheme", "script"), [(1280, "light", True), (390, "dark", False)])
def test_somebody_connects_services_in_a_browser(
    browser: Browser, facts: dict[str, Any], tmp_path: Path, width: int, scheme: Any, script: bool
) -> None:
    """From ThousandEyes' page to PagerDuty's and back, with and without scripts; every page fits and nothing fails."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
    )
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    name = f"Edge {width}"
    page.goto(facts["urls"][TE_APP])
    page.get_by_role("link", name="New integration").click()
    picture(page, f"new-{width}", tmp_path)
    page.get_by_role("button", name="Continue to PagerDuty").click()
    assert page.url.startswith(facts["urls"][PD_APP])
    picture(page, f"login-{width}", tmp_path)
    page.get_by_label("User").select_option(index=0)
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_label("Mail gateway").is_disabled()
    page.get_by_role("button", name="Connect").click()
    assert page.get_by_role("alert").inner_text() == "Pick a service, or name a new one."
    page.get_by_role("checkbox", name="Shop frontend").check()
    page.get_by_label("Name", exact=True).fill(name)
    picture(page, f"pick-{width}", tmp_path)
    page.get_by_role("button", name="Connect").click()
    assert page.url.startswith(f"{facts['urls'][TE_APP]}/integrations/pagerduty/")
    first = "created" if width == 1280 else "duplicate"
    assert page.locator(".tag").all_inner_texts() == [first, "created"]
    picture(page, f"result-{width}", tmp_path)
    page.get_by_role("row", name=name).get_by_role("link").click()
    page.get_by_label("Shop front is down").check()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_label("Shop front is down").is_checked()
    picture(page, f"rules-{width}", tmp_path)
    page.get_by_role("link", name="Integrations").click()
    assert "Shop front is down" in page.get_by_role("row", name=name).inner_text()
    picture(page, f"list-{width}", tmp_path)
    assert troubles == ["Failed to load resource: the server responded with a status of 400 (BAD REQUEST)"]
    context.close()


def test_somebody_consents_and_denies_in_a_browser(browser: Browser, facts: dict[str, Any], tmp_path: Path) -> None:
    """The consent page names scopes; denying brings the app's page an error."""
    rest = facts["urls"][REST]
    back = f"{facts['urls'][TE_API]}/_sim/"
    wish = {"name": "Roster tool", "redirects": [back], "scopes": ["oncalls.read", "schedules.write"]}
    app = httpx.post(f"{rest}/_sim/apps", json=wish, trust_env=False).json()["app"]
    challenge = "&code_challenge=" + "a" * 43 + "&code_challenge_method=S256"
    context = browser.new_context(viewport={"width": 390, "height": 700})
    page = context.new_page()
    asked = f"{app['authorize_url']}&response_type=code&scope=oncalls.read%20schedules.write{challenge}"
    page.goto(f"{asked}&redirect_uri={back}")
    page.get_by_role("button", name="Sign in").click()
    assert page.locator("li code").all_inner_texts() == ["openid", "oncalls.read", "schedules.write"]
    picture(page, "consent-390", tmp_path)
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"{back}?error=access_denied**")
    page.goto(f"{asked}&redirect_uri=https://elsewhere.example")
    assert "not registered" in page.inner_text("main")
    picture(page, "refused-390", tmp_path)
    context.close()
