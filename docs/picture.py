"""Makes docs/picture.png from the page of a running twin.

    python docs/picture.py [http://127.0.0.1:8000/app?at=…]

Asked as anonymous, so that nothing restricted is in it. Needs the packages of requirements/test.txt and Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SETTLE_MS = 40_000
"""Software rendering draws a tilted city slowly; a picture of half of it is no picture."""


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/app"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
        page.goto(address, wait_until="load")
        page.wait_for_selector("canvas", state="attached", timeout=60_000)
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=Path(__file__).with_name("picture.png"))
        browser.close()


if __name__ == "__main__":
    main()
