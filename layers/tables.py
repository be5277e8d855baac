"""The contract of a layer as a table: made at migration by the owner, widened when the contract grows, never narrowed.

Each vector layer is `"sector"."layer"` with the reserved columns, one column per field, a GiST index, row-level security and
the statement triggers that note changes. Constraints on values (choices, ranges, required) are held by ingest, which can
say which row broke them; the table holds types, keys and rights.

`tenant` and `source` have no foreign keys, which cost half of a bulk insert. What holds them true: the policy `write` lets only
rows of the writer's own tenant in, a load numbers its source in the transaction that writes the rows, and no policy lets anybody
change or delete a row of `twin.source`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoalchemy2 import Geometry
from psycopg import Connection, sql
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import REAL, UUID
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from layers.spec import ORIGINS, Field, Layer
from twin.errors import Conflict

if TYPE_CHECKING:
    from layers.registry import Registry

TYPES: dict[str, TypeEngine[Any]] = {
    "text": Text(),
    "integer": Integer(),
    "real": REAL(),
    "boolean": Boolean(),
    "timestamp": DateTime(timezone=True),
}
"""Field types as SQLAlchemy types; `Any` because each type engine carries another Python type."""

RESERVED_COLUMNS = (
    "tenant",
    "id",
    "fid",
    "geom",
    "valid_from",
    "valid_to",
    "origin",
    "source",
    "classification",
    "digest",
)

_READ = (
    "classification = 'public' or (tenant = nullif(current_setting('twin.tenant', true), '')::int"
    " and classification = any (string_to_array(current_setting('twin.may_read', true), ',')))"
)
_OWN = "tenant = nullif(current_setting('twin.tenant', true), '')::int"
_NOTES = {
    "insert": "new table as new_rows",
    "update": "old table as old_rows new table as new_rows",
    "delete": "old table as old_rows",
}


def identifier(layer: Layer) -> sql.Identifier:
    """The table of a layer, quoted: `"sector"."layer"`. The one place where a layer's name becomes SQL."""
    return sql.Identifier(layer.sector, layer.table)


def columns(layer: Layer) -> tuple[str, ...]:
    """The columns of a layer's table in order: the reserved ones, then the fields of the contract."""
    return (*RESERVED_COLUMNS, *(field.name for field in layer.fields))


def table(layer: Layer, metadata: MetaData | None = None) -> Table:
    """The layer's table as SQLAlchemy sees it. Geometry is EPSG:4326 of the contract's type."""
    origins = ", ".join(f"'{origin}'" for origin in ORIGINS)
    return Table(
        layer.table,
        metadata if metadata is not None else MetaData(),
        Column("tenant", Integer, nullable=False, server_default=text("1")),
        Column("id", Text, nullable=False),
        Column("fid", Integer, Identity(always=False), nullable=False),
        Column(
            "geom",
            Geometry(geometry_type=layer.geometry.upper(), srid=4326, spatial_index=False),
        ),
        Column(
            "valid_from",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("now()"),
        ),
        Column("valid_to", DateTime(timezone=True)),
        Column("origin", Text, CheckConstraint(f"origin in ({origins})"), nullable=False),
        Column("source", Integer),
        Column(
            "classification",
            Text,
            nullable=False,
            server_default=text(f"'{layer.classification}'"),
        ),
        Column("digest", UUID),
        *(Column(field.name, TYPES[field.type], comment=_comment(field)) for field in layer.fields),
        PrimaryKeyConstraint("tenant", "id"),
        UniqueConstraint("fid"),
        schema=layer.sector,
    )


def create(connection: Connection[Any], registry: Registry) -> None:
    """Make or widen the tables of all vector layers; run as twin_owner inside the caller's transaction. Idempotent.

    A field new to the contract becomes a nullable column; a column that the contract no longer names stays, unread.
    Raises Conflict where a column exists with another type: the twin does not convert data behind anybody's back.
    """
    for sector in registry.sectors:
        if any(not layer.is_raster for layer in sector.layers):
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(sector.name)))
            connection.execute(
                sql.SQL("grant usage on schema {} to twin_app, twin_tiles").format(sql.Identifier(sector.name))
            )
    for layer in registry.layers.values():
        if not layer.is_raster:
            present = _present(connection, layer)
            if present:
                _widen(connection, layer, present)
                _loosen(connection, layer)
            else:
                _make(connection, layer)
        connection.execute(
            "insert into twin.layer (name) values (%s) on conflict do nothing",
            (layer.name,),
        )


def statements(layer: Layer) -> list[str]:
    """The DDL of a layer's table and its indexes, as SQL text without rights and triggers."""
    made = table(layer)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy ships it untyped
    indexes = [
        Index(f"{layer.table}_geom", made.c.geom, postgresql_using="gist"),
        Index(f"{layer.table}_source", made.c.source),
    ]
    if layer.field_named("name") is not None:
        # Search filters names under row-level security, where `ilike` is not leakproof and no index on the name can serve;
        # `is not null` can, and spares the millions of buildings that have no name.
        indexes.append(
            Index(
                f"{layer.table}_named",
                made.c.fid,
                postgresql_where=text("name is not null"),
            )
        )
    return [
        str(CreateTable(made).compile(dialect=dialect)),
        *(str(CreateIndex(one).compile(dialect=dialect)) for one in indexes),
    ]


def _make(connection: Connection[Any], layer: Layer) -> None:
    for statement in statements(layer):
        connection.execute(statement.encode())
    name = identifier(layer)
    for clause in (
        "alter table {} enable row level security",
        "alter table {} force row level security",
        f"create policy read on {{}} for select using ({_READ})",
        f"create policy write on {{}} for all to twin_owner using ({_OWN}) with check ({_OWN})",
        "grant select on {} to twin_app, twin_tiles",
    ):
        connection.execute(sql.SQL(clause).format(name))
    for operation, transition in _NOTES.items():
        connection.execute(
            sql.SQL(
                f"create trigger note_{operation} after {operation} on {{}} referencing {transition}"
                " for each statement execute function twin.note_change({})"
            ).format(name, sql.Literal(layer.name))
        )
    for field in layer.fields:
        _describe(connection, layer, field)


def _present(connection: Connection[Any], layer: Layer) -> dict[str, str]:
    """Column name to type of the table as it stands, such as `geometry(Point,4326)`; empty where there is none."""
    rows = connection.execute(
        """select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
            join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped""",
        (layer.sector, layer.table),
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def _widen(connection: Connection[Any], layer: Layer, present: dict[str, str]) -> None:
    wanted = f"geometry({layer.geometry},4326)"
    if present.get("geom", "").lower() != wanted.lower():
        raise _differs(layer, "geom", present.get("geom", "missing"), wanted)
    for field in layer.fields:
        kind = _type_of(field)
        if field.name not in present:
            connection.execute(
                sql.SQL("alter table {} add column {} " + kind).format(identifier(layer), sql.Identifier(field.name))
            )
            _describe(connection, layer, field)
        elif present[field.name] != kind:
            raise _differs(layer, field.name, present[field.name], kind)


def _loosen(connection: Connection[Any], layer: Layer) -> None:
    """Drop the foreign keys that tables of earlier versions have."""
    name = identifier(layer)
    keys = connection.execute(
        "select conname from pg_constraint where contype = 'f' and conrelid = %s::regclass",
        (name.as_string(connection),),
    ).fetchall()
    for (key,) in keys:
        connection.execute(sql.SQL("alter table {} drop constraint {}").format(name, sql.Identifier(key)))


def _type_of(field: Field) -> str:
    """The type of a field as PostgreSQL's `format_type` writes it."""
    kind = TYPES[field.type].compile(dialect=postgresql.dialect()).lower()  # type: ignore[no-untyped-call]
    return "timestamp with time zone" if field.type == "timestamp" else kind


def _comment(field: Field) -> str | None:
    said = f"{field.title or field.name}{f' [{field.unit}]' if field.unit else ''}"
    return said if field.title or field.unit else None


def _describe(connection: Connection[Any], layer: Layer, field: Field) -> None:
    if comment := _comment(field):
        connection.execute(
            sql.SQL("comment on column {}.{} is {}").format(
                identifier(layer), sql.Identifier(field.name), sql.Literal(comment)
            )
        )


def _differs(layer: Layer, column: str, there: str, wanted: str) -> Conflict:
    return Conflict(
        f"{layer.name}.{column} is {there} in the database and {wanted} in the contract",
        remedy="give the field a new name, or write a migration that converts the column",
        layer=layer.name,
        column=column,
    )
