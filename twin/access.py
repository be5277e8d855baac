"""Who asks, on whose behalf, and what they may do.

Roles are ordered: each may do what the one before it may. Every query runs as an `Actor` through `db.session`.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from twin.audit import Unit
from twin.errors import BadInput, NotAuthenticated, NotPermitted

if TYPE_CHECKING:
    from twin.db import Database

Role = Literal["anonymous", "viewer", "planner", "approver", "operator", "admin"]
Right = Literal["read", "plan", "approve", "operate", "administer"]
TokenKind = Literal["bearer", "login", "cookie"]

ROLES: tuple[Role, ...] = get_args(Role)
_NEEDS: dict[Right, Role] = {
    "read": "anonymous",
    "plan": "planner",
    "approve": "approver",
    "operate": "operator",
    "administer": "admin",
}
LONGEST_TTL = timedelta(days=366)
LONGEST_SECRET = 200
"""Characters of a token that is looked at at all."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or a service, that asks. Anonymous has no tenant and reads public layers only.

    `may_read` names classifications beyond `public`. Personal data is in nobody's role: it takes a purpose.
    """

    name: str
    role: Role
    tenant: int | None
    may_read: frozenset[str] = frozenset()

    def can(self, right: Right) -> bool:
        return ROLES.index(self.role) >= ROLES.index(_NEEDS[right])

    def require(self, right: Right, what: str) -> None:
        """NotPermitted, or NotAuthenticated for anonymous, where the role does not reach."""
        if self.can(right):
            return
        if self.role == "anonymous":
            raise NotAuthenticated(
                f"{what} is not open to anonymous", remedy="sign in with `twin login`, or send a token as Bearer"
            )
        raise NotPermitted(
            f"{self.name} ({self.role}) may not do this: {what}",
            remedy=f"ask somebody with the role {_NEEDS[right]} or higher",
        )


def actor(name: str, role: Role, tenant: int = 1) -> Actor:
    """An authenticated actor of a tenant, with what the role may read."""
    return Actor(name, role, tenant, frozenset({"public", "restricted"}))


ANONYMOUS = Actor("anonymous", "anonymous", None)
SYSTEM = actor("system", "admin")
"""The twin itself: migrations, loads from the command line of the machine's owner, the change reader."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token just made. `secret` exists only here: the database keeps its hash."""

    secret: str
    actor: Actor
    expires_at: datetime


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def issue(
    database: Database, by: Actor, *, name: str, role: Role, ttl: timedelta, kind: TokenKind = "bearer"
) -> IssuedToken:
    """Make a token for `name`. Needs the role admin. Raises BadInput for a role or a lifetime that cannot be."""
    by.require("administer", "making tokens")
    if role not in ROLES or role == "anonymous":
        raise BadInput(f"{role!r} is not a role for a token", remedy=f"choose one of {', '.join(ROLES[1:])}")
    if not timedelta(0) < ttl <= LONGEST_TTL:
        raise BadInput(f"a token cannot live {ttl}", remedy="give a lifetime of more than 0 s and at most 366 days")
    if not name.strip() or len(name) > 200:
        raise BadInput("a token needs an actor's name of 1 to 200 characters", remedy="pass --actor NAME")
    secret = secrets.token_urlsafe(32)
    expires = datetime.now(UTC) + ttl
    with database.session(by, pool="owner", unit=Unit("token.create", f"{kind}:{name}:{role}")) as session:
        session.execute(
            "insert into twin.token (hash, tenant, actor, role, kind, expires_at) values (%s, %s, %s, %s, %s, %s)",
            (_hash(secret), by.tenant, name, role, kind, expires),
        )
        session.count = 1
    return IssuedToken(secret, actor(name, role, by.tenant or 1), expires)


def redeem(database: Database, secret: str, *, kind: Literal["bearer", "cookie"] = "bearer") -> Actor | None:
    """The actor of a token that stands, or None."""
    if not secret or len(secret) > LONGEST_SECRET:
        return None
    with database.session(ANONYMOUS) as session:
        row = session.execute("select tenant, actor, role from twin.holder(%s, %s)", (_hash(secret), kind)).fetchone()
    return actor(row[1], row[2], row[0]) if row else None


def signer(database: Database, ident: bytes) -> tuple[bytes, Actor] | None:
    """The key that a token signs addresses with, by the name of the token in them, and who reads by them: its holder, as a viewer."""
    with database.session(ANONYMOUS) as session:
        row = session.execute("select key, tenant, actor from twin.signer(%s)", (ident,)).fetchone()
    return (bytes(row[0]), actor(row[2], "viewer", row[1])) if row else None


def sign_in(database: Database, login: str, *, lifetime: timedelta) -> IssuedToken:
    """Spend a login token for a cookie's. Raises NotAuthenticated for one that was used, is too old or is not known."""
    refused = NotAuthenticated(
        "this link was used already, or is older than its time", remedy="`twin login` prints a new one"
    )
    if not login or len(login) > LONGEST_SECRET:
        raise refused
    secret = secrets.token_urlsafe(32)
    with database.session(actor("sign-in", "viewer"), unit=Unit("session.open", "cookie")) as session:
        row = session.execute(
            "select tenant, actor, role from twin.sign_in(%s, %s, %s)",
            (_hash(login), _hash(secret), int(lifetime.total_seconds())),
        ).fetchone()
        if row is None:
            raise refused
        session.count = 1
        session.detail = {"actor": row[1], "role": row[2]}
    return IssuedToken(secret, actor(row[1], row[2], row[0]), datetime.now(UTC) + lifetime)


def revoke(database: Database, by: Actor, *, secret: str) -> bool:
    """End a token at once; True where there was one that stood."""
    with database.session(by, unit=Unit("token.revoke", by.name)) as session:
        row = session.execute("select twin.revoke_token(%s)", (_hash(secret),)).fetchone()
        ended = bool(row and row[0])
        session.count = int(ended)
    return ended


def admin_token_exists(database: Database) -> bool:
    """Whether somebody could administer a service that is open to the network."""
    with database.session(SYSTEM, pool="owner") as session:
        row = session.execute(
            "select 1 from twin.token where kind = 'bearer' and role = 'admin' and expires_at > now() and revoked_at is null limit 1"
        ).fetchone()
    return row is not None
