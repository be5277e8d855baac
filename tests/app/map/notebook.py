"""A notebook without its front end: a real kernel, and a page that holds a widget as anywidget's front end would, of another origin."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import Browser, Page

HOST = """
class Model {
  constructor(state) { this.state = state; this.heard = {}; this.changed = {}; }
  get(name) { return this.state[name]; }
  set(name, value) { this.changed[name] = value; this.hear({ [name]: value }); }
  save_changes() { const told = this.changed; this.changed = {}; return window.toKernel?.(JSON.stringify(told)); }
  on(event, callback) { (this.heard[event] ??= []).push(callback); }
  off(event, callback) { this.heard[event] = (this.heard[event] ?? []).filter((one) => one !== callback); }
  hear(state) {
    Object.assign(this.state, state);
    for (const name of Object.keys(state)) for (const one of this.heard[`change:${name}`] ?? []) one();
  }
}
window.hold = async (state) => {
  window.widget = new Model(state);
  const address = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  window.ended = await (await import(address)).default.render({ model: window.widget, el: document.getElementById("out") });
};
"""
PAGE = f"<!doctype html><meta charset=utf-8><title>notebook</title><body><div id=out></div><script>{HOST}</script>"


class Notebook:
    """Cells run in the kernel; the widget that one of them makes is put on the page, and each hears of the other's changes."""

    def __init__(self, client: BlockingKernelClient, page: Page) -> None:
        self.client = client
        self.page = page
        self._comm = ""

    def run(self, cell: str) -> str:
        """What the cell prints. Raises AssertionError with its traceback where it fails."""
        said: list[str] = []
        asked = self.client.execute(cell)
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            kind, content = message["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                said.append(content["text"])
            elif kind == "error":
                raise AssertionError("\n".join(content["traceback"]))
            elif kind == "comm_open" and "_esm" in content["data"]["state"]:
                self._comm = content["comm_id"]
                self._open(content["data"]["state"])
            elif kind == "comm_msg" and content["comm_id"] == self._comm and content["data"].get("method") == "update":
                self.page.evaluate("(state) => window.widget.hear(state)", content["data"]["state"])
            elif (
                kind == "status"
                and content["execution_state"] == "idle"
                and message["parent_header"].get("msg_id") == asked
            ):
                return "".join(said)

    def value(self, expression: str) -> Any:
        """An expression's value in the kernel. `Any`: JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def wait(self, expression: str, *, seconds: float = 60) -> Any:
        """The value of an expression in the kernel once it holds. `Any`: JSON."""
        ends = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < ends, f"{expression} stays {found!r}"
            self.page.wait_for_timeout(300)
        return found

    def _open(self, state: dict[str, Any]) -> None:
        self.page.evaluate("(state) => window.hold(state)", state)

    def tell(self, changed: str) -> None:
        """Hand what the page changed to the kernel, as the front end does."""
        data = {"method": "update", "state": json.loads(changed), "buffer_paths": []}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": self._comm, "data": data}))


@contextmanager
def held(browser: Browser) -> Iterator[Page]:
    """A page of another origin that can hold a widget: `window.hold(state)`."""

    class Blank(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode() if self.path == "/" else b"")

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": 1000, "height": 620})
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
    finally:
        page.close()
        server.shutdown()
        server.server_close()


@contextmanager
def opened(browser: Browser, environment: dict[str, str]) -> Iterator[Notebook]:
    """A notebook with a kernel of its own."""
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    try:
        with held(browser) as page:
            notebook = Notebook(client, page)
            page.expose_function("toKernel", notebook.tell)
            yield notebook
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
