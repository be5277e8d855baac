"""What the tests of the page ask beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import Service


@pytest.fixture(scope="module")
def asked(service: Service) -> Iterator[httpx.Client]:
    """The service as a planner asks it."""
    headers = {"Authorization": f"Bearer {service.tokens['planner']}"}
    with httpx.Client(base_url=service.address, headers=headers, timeout=120) as client:
        yield client
