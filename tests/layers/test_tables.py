"""Tables follow their contracts: made once, widened, never converted, guarded by row-level security."""

from __future__ import annotations

import itertools
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from layers import tables
from layers.registry import Registry
from layers.spec import Field, Layer, Sector, Titles
from twin.access import ANONYMOUS, SYSTEM
from twin.db import Database, Unit
from twin.errors import Conflict

TITLES = Titles("Igiti", "Tree", "Arbre")
TREES = Layer(
    "forests.trees",
    "Point",
    TITLES,
    purpose="test",
    licence="CC0",
    id_rule="code",
    fields=(Field("name"), Field("height_m", "real", unit="m")),
)
_ADD = (
    "insert into {} (id, geom, origin, classification, name)"
    " select g::text, st_setsrid(st_makepoint(30 + g * 0.001, -2), 4326), 'surveyed', %s, 'tree ' || g from generate_series(%s::int, %s::int) g"
)


_NUMBERS = itertools.count(1)


@pytest.fixture
def trees() -> Layer:
    """A layer in a sector that no other test uses: one database serves them all."""
    return replace(TREES, name=f"forests{next(_NUMBERS)}.trees")


def registry(layer: Layer) -> Registry:
    return Registry([Sector(layer.sector, "test", "example", TITLES, (layer,))])


def make(database: Database, layer: Layer) -> None:
    with database.session(SYSTEM, pool="owner") as session:
        tables.create(session.connection, registry(layer))


def test_making_twice_changes_nothing_and_a_new_field_becomes_a_column(database: Database, trees: Layer) -> None:
    make(database, trees)
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "trees")) as session:
        session.execute(sql.SQL(_ADD).format(tables.identifier(trees)), ("public", 1, 3))
    make(database, trees)
    make(database, replace(trees, fields=(*trees.fields, Field("planted", "timestamp"), Field("alive", "boolean"))))
    with database.session(ANONYMOUS) as session:
        found = session.execute(f"select count(*), count(planted), count(alive) from {trees.name}").fetchone()
    assert found == (3, 0, 0)


def test_a_field_whose_type_changed_is_refused_with_what_to_do(database: Database, trees: Layer) -> None:
    make(database, trees)
    changed = replace(trees, fields=(Field("name"), Field("height_m", "integer", unit="m")))
    with pytest.raises(Conflict, match=r"trees.height_m is real in the database and integer") as caught:
        make(database, changed)
    assert "new name" in caught.value.remedy
    with pytest.raises(Conflict, match="geom"):
        make(database, replace(trees, geometry="Polygon"))


def test_rows_that_are_not_public_are_seen_only_by_those_who_may(database: Database, trees: Layer) -> None:
    make(database, trees)
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "trees")) as session:
        session.execute(sql.SQL(_ADD).format(tables.identifier(trees)), ("public", 1, 2))
        session.execute(sql.SQL(_ADD).format(tables.identifier(trees)), ("restricted", 3, 5))
    count = f"select count(*) from {trees.name}"
    with database.session(ANONYMOUS) as session:
        assert session.execute(count).fetchone() == (2,)
    with database.session(ANONYMOUS, pool="tiles") as session:
        assert session.execute(count).fetchone() == (2,)
    with database.session(SYSTEM) as session:
        assert session.execute(count).fetchone() == (5,)


def test_the_application_cannot_write_a_base_layer(database: Database, trees: Layer) -> None:
    make(database, trees)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.session(SYSTEM) as session:
        session.execute(sql.SQL(_ADD).format(tables.identifier(trees)), ("public", 1, 1))


def test_every_statement_notes_what_it_changed(database: Database, trees: Layer) -> None:
    make(database, trees)
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "trees")) as session:
        session.execute(sql.SQL(_ADD).format(tables.identifier(trees)), ("public", 1, 400))
        session.execute(f"update {trees.name} set geom = st_translate(geom, 0, 0.5) where id = '7'")
        session.execute(f"delete from {trees.name} where id = '8'")
    with database.session(SYSTEM) as session:
        noted = session.execute(
            "select count, south, north from twin.change where layer = %s order by id", (trees.name,)
        ).fetchall()
    assert noted == [(400, -2, -2), (1, -2, -1.5), (1, -2, -2)]


def test_an_origin_that_no_word_stands_for_is_refused(database: Database, trees: Layer) -> None:
    make(database, trees)
    with pytest.raises(psycopg.errors.CheckViolation), database.session(SYSTEM, pool="owner") as session:
        session.execute(f"insert into {trees.name} (id, origin) values ('a', 'real')")


def _foreign_keys(database: Database, layer: Layer) -> int:
    with database.session(SYSTEM, pool="owner") as session:
        found = session.execute(
            "select count(*) from pg_constraint where contype = 'f' and conrelid = %s::regclass", (layer.name,)
        ).fetchone()
    return int(found[0]) if found else -1


def test_foreign_keys_of_an_earlier_version_are_dropped(database: Database, trees: Layer) -> None:
    make(database, trees)
    assert _foreign_keys(database, trees) == 0
    with database.session(SYSTEM, pool="owner") as session:
        session.execute(f"alter table {trees.name} add foreign key (source) references twin.source")
    assert _foreign_keys(database, trees) == 1
    make(database, trees)
    assert _foreign_keys(database, trees) == 0


def test_no_row_of_another_tenant_can_be_written(database: Database, trees: Layer) -> None:
    make(database, trees)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.session(SYSTEM, pool="owner") as session:
        session.execute(f"insert into {trees.name} (tenant, id, origin) values (2, 'a', 'surveyed')")


def test_a_source_that_rows_name_can_be_neither_deleted_nor_renumbered(database: Database) -> None:
    with database.session(SYSTEM, pool="owner") as session:
        session.execute(
            "insert into twin.source (tenant, name, layer, path, sha256, licence, attribution, origin, retrieved_at,"
            " rows_read, rows_loaded, rows_repaired, rows_quarantined)"
            " values (1, 'a', 'forests.trees', '', '', '', '', 'surveyed', now(), 0, 0, 0, 0)"
        )
        assert session.execute("delete from twin.source").rowcount == 0
        assert session.execute("update twin.source set name = 'b'").rowcount == 0
