"""The states of a branch, and who may set them: nobody approves what they wrote themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from twin.access import Right
from twin.errors import BadInput, Conflict, NotPermitted
from twin.scenarios import branches, conflicts

if TYPE_CHECKING:
    from twin.db import Session

State = Literal["draft", "submitted", "approved", "archived"]
_STEPS: dict[tuple[str, str], Right] = {
    ("draft", "submitted"): "plan",
    ("submitted", "draft"): "plan",
    ("submitted", "approved"): "approve",
    ("approved", "draft"): "approve",
    ("draft", "archived"): "plan",
    ("submitted", "archived"): "plan",
    ("approved", "archived"): "approve",
    ("archived", "draft"): "plan",
}
LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Review:
    """A state set, by whom, at which version of the branch."""

    old_state: State
    new_state: State
    author: str
    at: datetime
    version: int
    note: str


def set_state(session: Session, branch: int, state: State, *, note: str = "") -> branches.Branch:
    """Take a branch to another state.

    Raises Conflict for a step that leads nowhere, a submission with open conflicts and what was merged; NotPermitted for an
    approver who had a hand in it.
    """
    session.actor.require("plan", "changing a scenario's state")
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise BadInput(f"a note of more than {LONGEST_NOTE} characters", remedy="shorten it")
    session.execute("select from twin.scenario where id = %s for update", (branch,))
    found = branches.get(session, branch)
    right = _STEPS.get((found.state, state))
    if right is None or found.merged_at is not None:
        ways = [new for old, new in _STEPS if old == found.state and found.merged_at is None]
        raise Conflict(
            f"scenario {branch} is {'merged' if found.merged_at else found.state} and cannot become {state}",
            remedy=f"it can become {' or '.join(ways)}" if ways else "make a new branch from it",
        )
    session.actor.require(right, f"taking a scenario from {found.state} to {state}")
    if state == "submitted" and (waiting := conflicts.open_count(session, branch)):
        raise Conflict(f"scenario {branch} has {waiting} open conflicts", remedy="resolve them first")
    if state == "approved":
        _not_ones_own(session, found)
    session.execute(
        "insert into twin.review (tenant, scenario, old_state, new_state, version, note)"
        " values (twin.tenant(), %s, %s, %s, %s, %s)",
        (branch, found.state, state, found.version, note),
    )
    session.execute(
        "update twin.scenario set state = %s, changed_at = clock_timestamp() where id = %s", (state, branch)
    )
    session.count += 1
    session.detail |= {"from": found.state, "to": state, "version": found.version}
    return branches.get(session, branch)


def reviews(session: Session, branch: int) -> list[Review]:
    """The states that were set, newest first."""
    rows = session.execute(
        "select old_state, new_state, author, at, version, note from twin.review where scenario = %s order by id desc",
        (branch,),
    ).fetchall()
    return [Review(*row) for row in rows]


def _not_ones_own(session: Session, found: branches.Branch) -> None:
    wrote = session.execute(
        "select exists (select from twin.change_set where scenario = %s and author = %s)",
        (found.id, session.actor.name),
    ).fetchone()
    if found.author == session.actor.name or (wrote and wrote[0]):
        raise NotPermitted(
            f"{session.actor.name} had a hand in scenario {found.id} and cannot approve it",
            remedy="ask another approver",
        )
