"""What one kind of work may take from another: pools apart, limits on every connection, plans made for the values at hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from tests.tiles.conftest import HOUSES, SOUTH, TRIED, WEST, run
from tiles import vector
from tiles.cache import TileCache
from tiles.service import VectorTiles
from twin.access import ANONYMOUS
from twin.db import Database, Pool
from twin.errors import Unavailable
from twin.grid import tile_at
from twin.settings import DatabaseSettings

HERE = tile_at(WEST + 0.1, SOUTH + 0.1, 14)
IMPATIENT = DatabaseSettings(url="", pool_size=2, pool_wait_s=0.3, statement_timeout_s=0.4, tile_timeout_s=0.2)


@pytest.fixture
def impatient(country: Database) -> Iterator[Database]:
    """The trial country behind small pools and short limits."""
    database = Database(country.conninfo, IMPATIENT, login_as_role=country.login_as_role)
    yield database
    database.close()


@pytest.mark.parametrize(("pool", "limit"), [("tiles", "200ms"), ("features", "400ms"), ("bulk", "4s")])
def test_every_pooled_connection_has_its_limit_and_custom_plans(impatient: Database, pool: Pool, limit: str) -> None:
    with impatient.session(ANONYMOUS, pool=pool) as session:
        shown = [
            session.execute(f"show {name}").fetchone()[0] for name in ("statement_timeout", "plan_cache_mode", "jit")
        ]
    assert shown == [limit, "force_custom_plan", "off"]


def test_a_query_past_its_limit_ends_as_503(impatient: Database) -> None:
    with (
        pytest.raises(Unavailable, match="longer than its limit"),
        impatient.session(ANONYMOUS, pool="tiles") as session,
    ):
        session.execute("select pg_sleep(5)")


def test_a_full_pool_refuses_its_own_work_and_no_other(impatient: Database) -> None:
    async def whole() -> None:
        vectors = VectorTiles(TRIED, impatient, TileCache(1 << 20))
        await vectors.learn()
        async with contextlib.AsyncExitStack() as taken:
            for _ in range(2):
                await taken.enter_async_context(impatient.async_session(ANONYMOUS, pool="tiles"))
            with pytest.raises(Unavailable) as refused:
                await vectors.answer((HOUSES,), HERE, actor=ANONYMOUS)
            assert refused.value.retry_after_s > 0
            for pool in ("features", "bulk"):
                async with impatient.async_session(ANONYMOUS, pool=pool) as session:
                    await session.execute("select 1")
        assert (await vectors.answer((HOUSES,), HERE, actor=ANONYMOUS)).body

    run(impatient, whole())


def test_the_sixth_run_of_a_tile_s_query_on_one_connection_is_planned_as_the_first(country: Database) -> None:
    async def whole() -> None:
        part = vector.part(HOUSES, 14)
        assert part is not None
        values = vector.bound(HERE)
        async with country.async_session(ANONYMOUS, pool="tiles") as session:
            statement = vector.layer_query(part, 14)
            for _ in range(12):
                await session.connection.execute(statement, values, prepare=True)
            found = await session.execute("select sum(custom_plans), sum(generic_plans) from pg_prepared_statements where statement like '%asmvt%'")  # fmt: skip
            assert await found.fetchone() == (12, 0)

    run(country, whole())


def test_a_lost_backend_is_listened_for_again_and_no_change_is_missed(own_country: Database) -> None:
    from tests.tiles.conftest import POSTS
    from tiles import mending
    from twin import background, changes
    from twin.access import SYSTEM

    async def whole() -> None:
        vectors = VectorTiles(TRIED, own_country, TileCache(1 << 20))
        heard: list[int] = []

        async def told(change: changes.Change) -> None:
            heard.append(change.seq)

        work = [
            asyncio.create_task(changes.advance_for_ever(own_country)),
            asyncio.create_task(vectors.follow(told=told)),
        ]
        try:
            async with asyncio.timeout(10):
                while vectors.history is None:  # noqa: ASYNC110  # it starts once
                    await asyncio.sleep(0.02)
            for round_ in range(5):
                with own_country.session(SYSTEM, pool="owner") as session:
                    session.execute("update tried.posts set name = name || '.' where id = '1'")
                    mending.refresh(session.connection, POSTS, fids=[1])
                if round_ in (1, 3):
                    await asyncio.to_thread(_kill_listeners, own_country)
            async with asyncio.timeout(15):
                while len(heard) < 5:  # noqa: ASYNC110  # five edits
                    await asyncio.sleep(0.05)
            assert heard == sorted(heard)
            assert vectors.history is not None
            assert vectors.history.seq == heard[-1]
        finally:
            await background.end(*work)

    run(own_country, whole())


def _kill_listeners(database: Database) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        killed = connection.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and query like 'listen%'"
        ).fetchone()
        assert killed is not None
