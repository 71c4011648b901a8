"""What a browser lets the page do, and who may show it in a frame."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.acts import opened_film
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What a text would do that had become markup, and which of the policy's directives says no.
TRIED = """async () => {
  const refused = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    refused.push(event.effectiveDirective);
  });
  const put = (name, given) =>
    document.body.append(Object.assign(document.createElement(name), given));
  put("img", {src: "https://example.com/seen.png"});
  put("script", {src: "https://example.com/other.js"});
  put("iframe", {src: "https://example.com/"});
  put("object", {data: "/"});
  await fetch("https://example.com/", {method: "POST", body: "films"}).catch(() => 0);
  await new Promise((done) => setTimeout(done, 300));
  return [...new Set(refused)].sort();
}"""


def test_the_page_lives_with_its_policy_and_nothing_in_it_reaches_another_host(
    page: Page, server: Server, faults: list[str]
) -> None:
    page.goto(server.url)
    page.get_by_role("tab", name="Outliers").click()
    opened_film(page)
    for tab in ("Results", "Train"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    lived = list(faults)

    refused = page.evaluate(TRIED)

    assert lived == []
    assert refused == ["connect-src", "frame-src", "img-src", "object-src", "script-src-elem"]


def test_a_page_of_another_host_can_not_show_the_app_in_a_frame(
    browser: Browser, server: Server
) -> None:
    page = browser.new_page()
    page.set_content(f'<iframe src="{server.url}" name="app"></iframe>')
    frame = page.frame("app")

    assert frame is not None
    page.wait_for_function("document.querySelector('iframe').contentDocument === null")
    expect(frame.locator("#header")).to_have_count(0)
    assert not frame.url.startswith(server.url)
