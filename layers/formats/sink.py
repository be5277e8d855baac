"""A file that only passes through: what a writer puts in is taken out chunk by chunk."""

from __future__ import annotations

import io


class Chunks(io.RawIOBase):
    """Takes writes in order; `taken` gives what came since it was last asked. It cannot seek or be read."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any buffer, as writers hand it over
        part = bytes(data)
        self._parts.append(part)
        self._place += len(part)
        return len(part)

    def tell(self) -> int:
        return self._place

    def taken(self) -> bytes:
        """The bytes written since the last call."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found
