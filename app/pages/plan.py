"""Planning on the page: the panel of the workbench, which branch the address names, and its words."""

# param declares its types at run time:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any, Final

from app.i18n import Words
from app.map.component import PlanPanel
from app.pages.context import PlannerContext
from app.pages.plan_terms import term_texts
from app.pages.plan_words import workbench_texts

PANEL_WIDTH: Final = 376
"""Of the panel beside the map, CSS pixels; a form's fields stand beside their names."""


def plan_texts(say: Words) -> dict[str, str]:
    """The words of the workbench."""
    return workbench_texts(say) | term_texts(say)


def plan_panel(context: PlannerContext, **options: Any) -> PlanPanel:
    """The panel, for whoever has the session. `options` are its parameters, and those of its layout (`Any`: of all types)."""
    rights = {right: right in context.rights for right in ("plan", "approve", "operate")}
    return PlanPanel(actor={"name": context.actor, **rights}, sizing_mode="stretch_width", margin=0, **options)
