"""Chromium as the tests use it: drawn by software, silent towards every other host; and what they do in it again and again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import Service

PATIENCE_MS = 120_000
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def login_address(service: Service, role: str) -> str:
    """The address that signs somebody in with a role."""
    login = service.twin("login", "--actor", f"a {role}", "--role", role)
    link = re.search(r"/login\?token=\S+", login.stdout.replace("\n", ""))
    assert link, login.stdout + login.stderr
    return service.address + link[0]


def new_page(browser: Browser, *, width: int, height: int) -> Page:
    """A page of somebody who has been here before: nobody guides them."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script("localStorage.setItem('twin-tour-seen', 'yes')")
    return page


def said(selector: str, words: str) -> str:
    """JavaScript: whether an element, wherever a shadow hides it, says some words."""
    return f"""() => {{ const find = root => root.querySelector('{selector}') ??
      [...root.querySelectorAll('*')].map(one => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
      return find(document)?.textContent.includes('{words}') ?? false; }}"""
