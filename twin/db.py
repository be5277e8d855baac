"""The doorway to PostgreSQL. There is no other: every query runs in `Database.session(actor)`, as that actor.

A session is one transaction with twin.tenant, twin.actor, twin.role and twin.may_read set for its length, under a database
role that row-level security holds for. A write names its `Unit` of work and leaves one audit row in the same transaction.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from twin.access import Actor
from twin.audit import Unit
from twin.errors import NotPermitted, Unavailable
from twin.settings import DatabaseSettings

log = logging.getLogger("twin.db")
Pool = Literal["features", "tiles", "bulk", "owner"]
Query = str | sql.SQL | sql.Composed
__all__ = ["AsyncSession", "Database", "Pool", "Session", "Unit"]
Values = Sequence[Any] | Mapping[str, Any] | None
"""Bound values of a query; `Any` because they are whatever PostgreSQL can take."""

_ROLES: dict[Pool, str] = {"features": "twin_app", "tiles": "twin_tiles", "bulk": "twin_app", "owner": "twin_owner"}
_BULK = 10
"""Times as long as the API's a query of bulk work may take; the owner's, which load, have no limit."""
_SET_ACTOR = (
    "select set_config('twin.tenant', %s, true), set_config('twin.actor', %s, true),"
    " set_config('twin.role', %s, true), set_config('twin.may_read', %s, true)"
)
_AUDIT = "insert into twin.audit (tenant, action, thing, count, before_hash, after_hash, detail) values (%s, %s, %s, %s, %s, %s, %s)"


@dataclass(slots=True)
class _Told:
    """What a writing session tells of itself before it commits."""

    count: int = 0
    before: str | None = None
    after: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class Session(_Told):
    """One transaction of one actor. In a write, fill `count`, `before`, `after` and `detail` for the audit."""

    def __init__(self, connection: psycopg.Connection[Any], actor: Actor) -> None:
        super().__init__()
        self.connection = connection
        self.actor = actor

    def execute(self, query: Query, values: Values = None) -> psycopg.Cursor[Any]:
        return self.connection.execute(query, values)


class AsyncSession(_Told):
    """The same for servers' event loops."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], actor: Actor) -> None:
        super().__init__()
        self.connection = connection
        self.actor = actor

    async def execute(self, query: Query, values: Values = None) -> psycopg.AsyncCursor[Any]:
        return await self.connection.execute(query, values)


class Database:
    """Pools of connections to one database, one per kind of work.

    `conninfo` is a libpq string. `login_as_role` says that the server lets this process log in as twin_app, twin_tiles and
    twin_owner themselves (the private cluster does); otherwise each connection takes the role on with SET ROLE.
    """

    def __init__(self, conninfo: str, settings: DatabaseSettings, *, login_as_role: bool = False) -> None:
        self.conninfo = conninfo
        self.settings = settings
        self.login_as_role = login_as_role
        self._pools: dict[Pool, ConnectionPool] = {}
        self._async_pools: dict[Pool, AsyncConnectionPool] = {}
        self._making = threading.Lock()

    def conninfo_of(self, pool: Pool) -> str:
        if self.login_as_role:
            return psycopg.conninfo.make_conninfo(self.conninfo, user=_ROLES[pool], application_name=f"twin-{pool}")
        return psycopg.conninfo.make_conninfo(self.conninfo, application_name=f"twin-{pool}")

    def preamble(self, pool: Pool) -> str:
        """What every connection of a pool is told once: its role, its limits, its planner's habits."""
        allowed = self.settings.statement_timeout_s
        seconds = {"tiles": self.settings.tile_timeout_s, "features": allowed, "bulk": _BULK * allowed}.get(pool, 0)
        words = [
            "set timezone = 'UTC'",
            "set jit = off",
            "set plan_cache_mode = force_custom_plan",
            f"set statement_timeout = {int(seconds * 1000)}",
        ]
        if pool == "tiles":
            words += ["set max_parallel_workers_per_gather = 0", "set default_transaction_read_only = on"]
        if not self.login_as_role:
            words.insert(0, f"set role {_ROLES[pool]}")
        return "; ".join(words)

    def _pool(self, kind: Pool) -> ConnectionPool:
        with self._making:
            if kind not in self._pools:

                def configure(connection: psycopg.Connection[Any]) -> None:
                    connection.execute(self.preamble(kind))
                    connection.commit()

                self._pools[kind] = ConnectionPool(
                    self.conninfo_of(kind), min_size=0, max_size=self.settings.pool_size,
                    timeout=self.settings.pool_wait_s, configure=configure, check=ConnectionPool.check_connection,
                    open=True, name=f"twin-{kind}", reconnect_timeout=5.0,
                )  # fmt: skip
            return self._pools[kind]

    async def _async_pool(self, kind: Pool) -> AsyncConnectionPool:
        if kind not in self._async_pools:

            async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
                await connection.execute(self.preamble(kind))
                await connection.commit()

            pool = AsyncConnectionPool(
                self.conninfo_of(kind), min_size=0, max_size=self.settings.pool_size, timeout=self.settings.pool_wait_s,
                configure=configure, check=AsyncConnectionPool.check_connection, open=False, name=f"twin-async-{kind}",
                reconnect_timeout=5.0,
            )  # fmt: skip
            await pool.open()
            # Another task may have been first while this one opened.
            if self._async_pools.setdefault(kind, pool) is not pool:
                await pool.close()
        return self._async_pools[kind]

    def close(self) -> None:
        """Close the pools of this thread's kind; safe to call twice."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    async def close_async(self) -> None:
        for pool in self._async_pools.values():
            await pool.close()
        self._async_pools.clear()

    @contextmanager
    def session(self, actor: Actor, *, pool: Pool = "features", unit: Unit | None = None) -> Iterator[Session]:
        """A transaction as `actor`; commits at the end of the block, rolls back on an error.

        `pool="owner"` writes the base layers and needs the right `operate`. A `unit` makes it a write that is audited.
        Raises Unavailable when the database is away or every connection is taken, NotPermitted for a write by anonymous.
        """
        _check(actor, pool, unit)
        try:
            with self._pool(pool).connection() as connection:
                connection.execute(_SET_ACTOR, _words(actor))
                session = Session(connection, actor)
                yield session
                if unit is not None:
                    connection.execute(_AUDIT, _audit_row(actor, unit, session))
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise _away(error) from error

    @asynccontextmanager
    async def async_session(
        self, actor: Actor, *, pool: Pool = "features", unit: Unit | None = None
    ) -> AsyncIterator[AsyncSession]:
        """As `session`, on the running event loop."""
        _check(actor, pool, unit)
        try:
            async with (await self._async_pool(pool)).connection() as connection:
                await connection.execute(_SET_ACTOR, _words(actor))
                session = AsyncSession(connection, actor)
                yield session
                if unit is not None:
                    await connection.execute(_AUDIT, _audit_row(actor, unit, session))
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise _away(error) from error


def _check(actor: Actor, pool: Pool, unit: Unit | None) -> None:
    if pool == "owner":
        actor.require("operate", "changing the base layers")
    if unit is not None and actor.tenant is None:
        raise NotPermitted(f"anonymous may not write ({unit.action} {unit.thing})", remedy="sign in first")


def _words(actor: Actor) -> tuple[str, str, str, str]:
    return (str(actor.tenant or ""), actor.name, actor.role, ",".join(sorted(actor.may_read)))


def _audit_row(actor: Actor, unit: Unit, told: _Told) -> tuple[Any, ...]:
    return (actor.tenant, unit.action, unit.thing, told.count, told.before, told.after, Jsonb(told.detail))


def _away(error: Exception) -> Unavailable:
    log.warning("a query was not answered: %s: %s", type(error).__name__, str(error).strip())
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Unavailable("the query took longer than its limit", remedy="ask for a smaller area or fewer layers")
    if isinstance(error, psycopg.errors.DiskFull):
        return Unavailable(
            "the database's disk is full",
            remedy="free space where the database lies, then run it again: what was at work was not kept",
        )
    if isinstance(error, PoolTimeout):
        return Unavailable("every connection to the database is taken, or it is away", remedy="try again in a moment")
    return Unavailable("the database is away", remedy="try again in a moment; `twin doctor` says more")
