"""What many edits and many branches weigh: time bounded with room for a busy machine, storage by what was edited."""

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely

from twin.access import SYSTEM, actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.scenarios import branches, history
from twin.scenarios.branches import Edit, create, diff, digest, listing, write

LAYER = "infrastructure.buildings"
PLANNER = actor("Uwase", "planner")
STOCK, MANY = 12_000, 10_000


@pytest.fixture(scope="module")
def stock(database: Database) -> Database:
    with database.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute(
            "insert into infrastructure.buildings (id, geom, origin, storeys, height_m, use) select 'b' || g,"
            " st_makeenvelope(29 + mod(g, 200) * 0.005, -2 - (g / 200) * 0.005, 29.0001 + mod(g, 200) * 0.005,"
            " -1.9999 - (g / 200) * 0.005, 4326), 'synthetic', 1, 3.2, 'residential' from generate_series(1, %s) g",
            (STOCK,),
        )
        session.execute("analyze infrastructure.buildings")
    return database


def edits(count: int) -> list[Edit]:
    """Half new houses, the rest changed or removed."""
    made = [
        Edit(
            LAYER, "add", f"n{n}", shapely.box(29.5 + n * 1e-5, -2.9, 29.5 + n * 1e-5 + 1e-5, -2.89999), {"storeys": 2}
        )
        for n in range(count // 2)
    ]
    made += [Edit(LAYER, "modify", f"b{n}", fields={"height_m": 9.5, "storeys": 3}) for n in range(1, count // 4 + 1)]
    return made + [Edit(LAYER, "remove", f"b{count // 4 + n}") for n in range(1, count // 4 + 1)]


def test_ten_thousand_edits_are_one_change_set_of_seconds_and_go_back_as_fast(stock: Database) -> None:
    begun = time.perf_counter()
    with stock.session(PLANNER, pool="bulk", unit=Unit("test", "many")) as session:
        number = create(session, "many").id
        write(session, number, edits(MANY))
    wrote = time.perf_counter() - begun
    with stock.session(PLANNER) as session:
        full = digest(session, number)
        assert len(diff(session, number)) == MANY
        noted = session.execute(
            "select count(*), sum(count) from twin.change where scenario = %s", (number,)
        ).fetchone()
    assert noted is not None
    assert noted[0] < MANY / 10, "a change per cell, not per feature"
    assert noted[1] == MANY
    begun = time.perf_counter()
    with stock.session(PLANNER, pool="bulk", unit=Unit("test", "many")) as session:
        history.undo(session, number)
        assert digest(session, number) == "base"
        history.redo(session, number)
        assert digest(session, number) == full
    moved = time.perf_counter() - begun
    begun = time.perf_counter()
    with stock.session(PLANNER, pool="bulk", unit=Unit("test", "many")) as session:
        write(session, number, [Edit(LAYER, "modify", "b9000", fields={"height_m": 12.0})])
    once = time.perf_counter() - begun
    print(
        f"{MANY} edits: {wrote:.2f} s ({MANY / wrote:.0f}/s); undo and redo {moved:.2f} s; one more edit {once * 1000:.0f} ms"
    )
    assert wrote < 120
    assert moved < 120
    assert once < 10


def test_a_thousand_branches_weigh_what_was_edited_and_are_listed_at_once(stock: Database) -> None:
    some, each = 1_000, 100
    with stock.session(PLANNER, pool="bulk", unit=Unit("test", "branches")) as session:
        sizes = [_size(session)]
        session.execute(
            "insert into twin.scenario (tenant, name) select 1, 'branch ' || g from generate_series(1, %s) g", (some,)
        )
        numbers = [
            row[0] for row in session.execute("select id from twin.scenario where name like 'branch %%' order by id")
        ]
        for at in (0, 1):
            few = [Edit(LAYER, "modify", f"b{n}", fields={"height_m": 4.5}) for n in range(1, each + 1)]
            for number in numbers[at * 5 : at * 5 + 5]:
                write(session, number, few)
            sizes.append(_size(session))
        # The rest is laid down as the first was written.
        session.execute(
            "insert into twin.overlay select s.id, o.layer, o.id, o.fid, o.tenant, o.classification, o.operation, o.version, o.geom,"
            " o.was, o.row, o.before, o.was_row, null from twin.scenario s, twin.overlay o"
            " where s.id = any(%s) and o.scenario = %s",
            (numbers[10:], numbers[0]),
        )
        session.execute("update twin.scenario set modified = 100 where id = any(%s)", (numbers[10:],))
    grown = np.diff(sizes)
    print(f"bytes an edit, history counted: {grown[0] / (5 * each):.0f}, then {grown[1] / (5 * each):.0f}")
    assert grown[1] <= 1.5 * grown[0] + 2**17
    assert grown.max() / (5 * each) < 16_384
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        with stock.session(PLANNER) as session:
            found = listing(session, limit=1000)
        taken.append(time.perf_counter() - begun)
        assert len(found) == some
        assert sum(one.modified == each for one in found) >= some - 1
    with stock.session(PLANNER) as session:
        plan = "\n".join(
            row[0]
            for row in session.execute(
                f"explain {branches.LIST}", {"state": None, "after": None, "limit": 1000}
            ).fetchall()
        )
    print(f"listing of {some}: {min(taken) * 1000:.0f} ms")
    assert "overlay" not in plan, "the listing reads no differences"
    assert min(taken) < 0.5


def _size(session: Session) -> int:
    row = session.execute(
        "select sum(pg_total_relation_size(('twin.' || t)::regclass)) from unnest(array['overlay', 'edit', 'change_set', 'move']) t"
    ).fetchone()
    return int(row[0]) if row else 0
