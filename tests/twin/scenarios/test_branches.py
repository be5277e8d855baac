import pytest
import shapely
from psycopg import sql

from twin.access import ANONYMOUS, SYSTEM, Actor, actor
from twin.audit import Unit
from twin.db import Database, Session
from twin.errors import Conflict, NotAuthenticated, NotFound, NotPermitted
from twin.scenarios.branches import Branch, Edit, create, write
from twin.scenarios.overlay import relation

PLANNER = actor("Uwase", "planner")
LAYER = "land.districts"


def square(lon: float) -> shapely.Geometry:
    return shapely.MultiPolygon([shapely.box(lon, -2.0, lon + 0.1, -1.9)])


@pytest.fixture
def country(fresh_database: Database) -> Database:
    with fresh_database.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        for number in range(3):
            session.execute(
                "insert into land.districts (id, geom, origin, name) values (%s, st_geomfromwkb(%s, 4326), 'open-data', %s)",
                (f"d{number}", shapely.to_wkb(square(29 + number)), f"District {number}"),
            )
    return fresh_database


def seen(session: Session, branch: int, *, box: sql.Composable | None = None) -> dict[str, tuple[str, str, float]]:
    rows = session.execute(
        sql.SQL("select id, name, origin, st_xmin(geom) from {} t").format(relation(LAYER, box=box)),
        {"scenario": branch},
    ).fetchall()
    return {row[0]: (row[1], row[2], round(row[3], 3)) for row in rows}


def plan(database: Database, name: str, *edits: Edit, parent: int | None = None) -> Branch:
    with database.session(PLANNER, unit=Unit("scenario.edit", name)) as session:
        return write(session, create(session, name, parent=parent).id, edits).branch


def test_a_branch_is_the_base_less_removed_plus_added_and_changed(country: Database) -> None:
    branch = plan(
        country, "new town",
        Edit(LAYER, "remove", "d0"),
        Edit(LAYER, "modify", "d1", fields={"name": "Renamed"}),
        Edit(LAYER, "add", "d9", geometry=square(30.5), fields={"name": "Added"}),
    )  # fmt: skip
    with country.session(PLANNER) as session:
        assert seen(session, branch.id) == {
            "d1": ("Renamed", "planned", 30.0), "d2": ("District 2", "open-data", 31.0), "d9": ("Added", "planned", 30.5),
        }  # fmt: skip
        assert session.execute("select count(*) from land.districts where origin = 'planned'").fetchone() == (0,)
        fids = [
            row[0]
            for row in session.execute(
                "select fid from twin.overlay union all select fid from land.districts where id in ('d2')"
            ).fetchall()
        ]
    assert len(set(fids)) == len(fids)


def test_a_branch_of_a_branch_sees_its_parent_and_its_own_word_wins(country: Database) -> None:
    parent = plan(
        country, "parent", Edit(LAYER, "remove", "d0"), Edit(LAYER, "modify", "d1", fields={"name": "Parent's"})
    )
    child = plan(country, "child", Edit(LAYER, "modify", "d1", fields={"name": "Child's"}), parent=parent.id)
    with country.session(PLANNER) as session:
        assert {name: row[0] for name, row in seen(session, child.id).items()} == {"d1": "Child's", "d2": "District 2"}
        assert {name: row[0] for name, row in seen(session, parent.id).items()} == {
            "d1": "Parent's",
            "d2": "District 2",
        }


def test_a_box_limits_both_halves_and_a_moved_feature_leaves_its_old_place(country: Database) -> None:
    branch = plan(country, "move", Edit(LAYER, "modify", "d0", geometry=square(33.0)))
    old = sql.SQL("st_makeenvelope(28.9, -2.1, 29.2, -1.8, 4326)")
    new = sql.SQL("st_makeenvelope(32.9, -2.1, 33.2, -1.8, 4326)")
    with country.session(PLANNER) as session:
        assert seen(session, branch.id, box=old) == {}
        assert set(seen(session, branch.id, box=new)) == {"d0"}


def test_an_edit_tells_the_old_and_the_new_extent_of_its_scenario(country: Database) -> None:
    branch = plan(country, "move", Edit(LAYER, "modify", "d0", geometry=square(33.0)))
    with country.session(SYSTEM) as session:
        rows = session.execute(
            "select layer, scenario, round(west::numeric, 1), round(east::numeric, 1) from twin.change where scenario is not null"
        ).fetchall()
    assert [(r[0], r[1], float(r[2]), float(r[3])) for r in rows] == [(LAYER, branch.id, 29.0, 33.1)]


def test_what_cannot_be_is_refused_and_the_branch_unharmed(country: Database) -> None:
    branch = plan(country, "first", Edit(LAYER, "remove", "d0"))
    for edit in (
        Edit(LAYER, "modify", "d0"),
        Edit(LAYER, "remove", "d77"),
        Edit(LAYER, "add", "d1", geometry=square(30)),
    ):
        with pytest.raises(Conflict), country.session(PLANNER, unit=Unit("scenario.edit", "first")) as session:
            write(session, branch.id, [Edit(LAYER, "remove", "d2"), edit])
    with country.session(PLANNER) as session:
        assert set(seen(session, branch.id)) == {"d1", "d2"}
    with pytest.raises(NotFound), country.session(PLANNER, unit=Unit("scenario.edit", "x")) as session:
        write(session, 4711, [])


def test_viewers_and_anonymous_make_no_branches(country: Database) -> None:
    with pytest.raises(NotPermitted), country.session(actor("Kamana", "viewer"), unit=Unit("x", "x")) as session:
        create(session, "mine")
    with pytest.raises(NotAuthenticated), country.session(ANONYMOUS) as session:
        create(session, "mine")


def test_a_taken_name_is_refused(country: Database) -> None:
    plan(country, "twice")
    with pytest.raises(Conflict, match="twice"):
        plan(country, "twice")


def test_a_planner_reads_of_a_branch_only_what_their_rights_allow(country: Database) -> None:
    outsider = Actor("Mugabo", "planner", 1)
    with country.session(SYSTEM, pool="owner", unit=Unit("test", LAYER)) as session:
        session.execute("update land.districts set classification = 'restricted' where id = 'd1'")
    with country.session(SYSTEM, unit=Unit("scenario.edit", "closed")) as session:
        made = create(session, "closed")
        branch = write(session, made.id, [Edit(LAYER, "modify", "d1", fields={"name": "Secret"})]).branch
    with country.session(SYSTEM) as session:
        assert session.execute("select count(*) from twin.overlay").fetchone() == (1,)
    with country.session(outsider) as session:
        assert session.execute("select count(*) from twin.overlay").fetchone() == (0,)
        assert set(seen(session, branch.id)) == {"d0", "d2"}
    with pytest.raises(Conflict), country.session(outsider, unit=Unit("scenario.edit", "closed")) as session:
        write(session, branch.id, [Edit(LAYER, "modify", "d1", fields={"name": "Mine"})])
