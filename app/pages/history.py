"""What happened to one feature, step by step: when its source was fetched, when it came into the twin, which branches touched it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.i18n import Words
from app.pages.context import Row
from app.pages.provenance import day

if TYPE_CHECKING:
    from twin.db import Session

MOST: Final = 20
"""Steps by branches that are told."""
OPERATIONS: Final = {
    "add": "Added in the plan “{name}” by {author}",
    "modify": "Changed in the plan “{name}” by {author}",
    "remove": "Taken away in the plan “{name}” by {author}",
}
MERGED: Final = "The plan “{name}” was merged"


def steps_by_branches(session: Session, layer: str, ident: str) -> list[Row]:
    """What the branches that the session may see did to a feature, the oldest first, at most MOST."""
    query = (Path(__file__).parent / "history.sql").read_text(encoding="utf-8")
    cursor = session.execute(query, {"layer": layer, "id": ident, "most": MOST})
    names = [one.name for one in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def history_html(values: Row, say: Words) -> str:
    """The steps as a list, the oldest first; empty where nothing is known. All values are escaped."""
    source = values.get("source")
    told = source if isinstance(source, Mapping) else {}
    steps: list[tuple[Any, str]] = [  # `Any`: a moment as text or as datetime
        (told.get("retrieved_at"), say("The source was fetched")),
        (values.get("valid_from"), say("Came into the twin")),
    ]
    for step in values.get("steps") or ():
        words = {"name": str(step["name"]), "author": str(step.get("author") or say("nobody named"))}
        steps.append((step["at"], say(OPERATIONS[str(step["operation"])], **words)))
        steps.append((step.get("merged_at"), say(MERGED, name=words["name"])))
    steps.append((values.get("valid_to"), say("No longer there")))
    known = sorted((day(at), place, text) for place, (at, text) in enumerate(steps) if at)
    rows = "".join(f"<li><time>{escape(at)}</time> {escape(text)}</li>" for at, _, text in known)
    return f'<h3>{escape(say("History"))}</h3><ol class="history">{rows}</ol>' if rows else ""
