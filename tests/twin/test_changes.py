import asyncio

import pytest

from twin import changes
from twin.access import SYSTEM
from twin.audit import Unit
from twin.db import Database

SQUARE = "st_multi(st_makeenvelope({0}, -2, {0} + 0.1, -1.9, 4326))"


def add(database: Database, *places: float) -> None:
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "land.districts")) as session:
        values = ", ".join(f"('d{place}', {SQUARE.format(place)}, 'open-data')" for place in places)
        session.execute(f"insert into land.districts (id, geom, origin) values {values}")


def test_an_insert_an_update_and_a_delete_tell_old_and_new_place(fresh_database: Database) -> None:
    add(fresh_database, 29.0)
    with fresh_database.session(SYSTEM, pool="owner", unit=Unit("test", "x")) as session:
        session.execute(f"update land.districts set geom = {SQUARE.format(30.0)}")
    with fresh_database.session(SYSTEM, pool="owner", unit=Unit("test", "x")) as session:
        session.execute("delete from land.districts")
    with fresh_database.session(SYSTEM) as session:
        rows = session.execute("select layer, count, west, east from twin.change order by id").fetchall()
    assert [(r[0], r[1], round(r[2], 3), round(r[3], 3)) for r in rows] == [
        ("land.districts", 1, 29.0, 29.1), ("land.districts", 1, 29.0, 30.1), ("land.districts", 1, 30.0, 30.1),
    ]  # fmt: skip


def test_many_features_in_one_statement_are_one_change_with_their_common_extent(fresh_database: Database) -> None:
    add(fresh_database, *(29 + n / 1000 for n in range(300)))
    with fresh_database.session(SYSTEM) as session:
        rows = session.execute("select count, west, east from twin.change").fetchall()
    assert [(r[0], round(r[1], 3), round(r[2], 3)) for r in rows] == [(300, 29.0, 29.399)]


def test_followers_get_every_change_once_in_order_even_those_before_they_came(fresh_database: Database) -> None:
    async def play() -> list[changes.Change]:
        got: list[changes.Change] = []
        reader = asyncio.create_task(changes.advance_for_ever(fresh_database))

        async def listen() -> None:
            async for change in changes.follow(fresh_database, 0):
                got.append(change)
                if len(got) == 20:
                    return

        await asyncio.to_thread(add, fresh_database, 29.0)
        follower = asyncio.create_task(listen())
        for number in range(1, 20):
            await asyncio.to_thread(add, fresh_database, 29.0 + number / 100)
        await asyncio.wait_for(follower, 15)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await fresh_database.close_async()
        return got

    got = asyncio.run(play())
    assert [change.seq for change in got] == list(range(1, 21))
    assert all(change.scenario is None and change.extent is not None for change in got)
