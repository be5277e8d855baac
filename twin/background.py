"""Tasks that work for ever beside a service, and how they end."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is theirs. `Any`: their results are not asked for.

    A cancellation may be lost where it meets the end of what a task waits for, so it is said again every second.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
