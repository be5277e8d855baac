"""The ground floor: settings, errors, coordinates, the database and its doorway, audit, changes, scenarios, the analysts' client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.client.service import Twin


def connect(address: str, token: str | None = None, *, timeout_s: float = 120.0) -> Twin:
    """A twin to work with: `twin.connect("http://127.0.0.1:8000").layer("land.districts").to_geodataframe()`.

    `token`: one of `twin token create`; without it only what is public is seen. `timeout_s`: how long an answer may be silent, seconds.
    Raises NotAuthenticated for a wrong token, Unavailable where no twin answers, BadInput for what is no address.
    """
    from twin.client.service import open_twin

    return open_twin(address, token, timeout_s=timeout_s)
