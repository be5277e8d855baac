"""A change is numbered when it is committed, whatever else is still being written."""

from __future__ import annotations

from psycopg import Connection

from twin.access import SYSTEM
from twin.db import Database

_TELL = "insert into twin.change (tenant, layer, count) values (1, %s, 1)"


def numbers(database: Database) -> dict[str, int | None]:
    with database.session(SYSTEM) as session:
        session.execute("select twin.advance()")
        return dict(
            session.execute("select layer, seq from twin.change where layer like 'numbering.%%'", ()).fetchall()
        )


def open_connection(database: Database) -> Connection[tuple[object, ...]]:
    connection = Connection.connect(database.conninfo_of("owner"))
    connection.execute("set role twin_owner")
    return connection


def test_a_long_writing_transaction_holds_back_no_number_but_its_own(database: Database) -> None:
    with open_connection(database) as long, open_connection(database) as short:
        long.execute(_TELL, ("numbering.long",))
        short.execute(_TELL, ("numbering.short",))
        short.commit()
        first = numbers(database)
        assert first.get("numbering.short") is not None
        assert "numbering.long" not in first
        long.commit()
        after = numbers(database)
    assert after["numbering.short"] == first["numbering.short"]
    assert after["numbering.long"] is not None
    assert after["numbering.long"] > after["numbering.short"]  # type: ignore[operator]  # both are numbers by now
