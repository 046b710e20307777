"""A person who looks at pages: axe-core's findings, the keyboard, dark and light, no scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from playwright.sync_api import sync_playwright

from tests import browser

GRAVE = ("serious", "critical")
PATIENCE = browser.PATIENCE * 1000
FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  at.dataset.reached = 'yes';
  const box = at.getBoundingClientRect(), look = getComputedStyle(at);
  return {text: (at.innerText || at.id || at.tagName).slice(0, 60),
          seen: box.width > 0 && box.right > 0 && look.outlineStyle !== 'none'};
}"""
"""What has the keyboard's focus, and whether that can be seen."""

MAY_BE_REACHED = "a, button, input, label, summary, [tabindex]"

LEFT = """() => [...document.querySelectorAll('a[href], summary, [tabindex="0"]')]
  .filter(one => !one.dataset.reached && one.getBoundingClientRect().width > 0)
  .map(one => one.outerHTML.slice(0, 120))"""
"""What a mouse could use and the keyboard did not come to."""


@dataclass(frozen=True)
class Looking:
    """A running browser, of which every page is looked at afresh."""

    running: Any
    script: str

    @contextmanager
    def at(self, url: str, **context: Any) -> Iterator[Any]:
        """Open a page; context: what the browser pretends, as Playwright calls it."""
        with self.running.new_context(**context) as made:
            made.set_default_timeout(PATIENCE)
            page = made.new_page()
            page.goto(url)
            yield page

    def findings(self, url: str, scheme: str) -> list[str]:
        """Give what axe-core calls serious or critical, with all that is folded unfolded."""
        with self.at(url, color_scheme=scheme, reduced_motion="reduce") as page:
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            page.evaluate(self.script)
            found: Mapping[str, Any] = page.evaluate("axe.run()")
        grave = [one for one in found["violations"] if one["impact"] in GRAVE]
        return [f"{one['id']}: {node['html'][:200]}" for one in grave for node in one["nodes"]]

    def unreachable(self, url: str) -> list[str]:
        """Give what the keyboard does not come to, or where nobody sees that it did."""
        with self.at(url) as page:
            hidden = []
            for _ in range(page.locator(MAY_BE_REACHED).count() + 1):
                page.keyboard.press("Tab")
                focus = page.evaluate(FOCUS)
                if focus is None:
                    break
                hidden += [] if focus["seen"] else [focus["text"]]
            return hidden + list(page.evaluate(LEFT))

    def words(self, url: str) -> str:
        """Give what is to be read where no script runs."""
        with self.at(url, java_script_enabled=False) as page:
            return str(page.locator("body").inner_text())


@contextmanager
def looking() -> Iterator[Looking]:
    """Start Debian's Chromium, by Playwright's client, with the axe-core that a package brings."""
    script = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=browser.CHROMIUM, args=["--no-sandbox"])
        try:
            yield Looking(made, script)
        finally:
            made.close()
