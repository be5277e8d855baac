"""Archives as files over HTTP, for clients that read them by ranges: `/tiles/archives/{name}.pmtiles`.

It stands in front of the application's compression, which would spoil ranges.
"""

from __future__ import annotations

import hashlib

from starlette.responses import FileResponse, Response

from tiles.archive_format import MEDIA_TYPE
from tiles.archive_serving import Archives
from tiles.hot import AsgiApp, Receive, Scope, Send

PREFIX = "/tiles/archives/"


class ArchiveFiles:
    """Answers GET and HEAD of archives that stood the checks, whole or by range; passes everything else on."""

    def __init__(self, app: AsgiApp, archives: Archives) -> None:
        self.app = app
        self.archives = archives

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX) and scope["method"] in ("GET", "HEAD"):
            path = self.archives.file(scope["path"].removeprefix(PREFIX))
            if path is not None and path.is_file():
                seen = path.stat()
                stamp = f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns}".encode()
                tag = f'"{hashlib.blake2b(stamp, digest_size=12).hexdigest()}"'
                headers = {"ETag": tag, "Cache-Control": "public, no-cache"}
                asked = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"").decode(
                    "latin-1"
                )
                if asked and (tag in asked or asked.strip() == "*"):
                    await Response(status_code=304, headers=headers)(scope, receive, send)
                else:
                    await FileResponse(path, headers=headers, media_type=MEDIA_TYPE, stat_result=seen)(
                        scope, receive, send
                    )
                return
        await self.app(scope, receive, send)
