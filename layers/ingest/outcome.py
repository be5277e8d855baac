"""What became of one source: the figures of the closing table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["loaded", "unchanged", "absent", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows of one source. `read` counts rows that belong to the layer (after `keep` and `prepare`); `repaired` those
    changed to fit the contract; `quarantined` those kept aside with their reason; `failed` states say why in `remark`
    and what to do in `remedy`.
    """

    source: str
    layer: str
    path: str
    state: State
    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    repaired: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    remark: str = ""
    remedy: str = ""

    @property
    def loaded(self) -> int:
        """Rows of the source that stand in the layer now."""
        return self.inserted + self.updated + self.unchanged

    @property
    def failed(self) -> bool:
        return self.state == "failed"

    def to_json(self) -> dict[str, str | int | float]:
        return {**asdict(self), "loaded": self.loaded, "seconds": round(self.seconds, 3)}


def exit_status(outcomes: list[Outcome]) -> int:
    """0 when nothing failed, else 1: absent files are no failure."""
    return int(any(one.failed for one in outcomes))
