import psycopg
import pytest

from twin import migrations
from twin.cluster import Cluster
from twin.db import Database
from twin.errors import Conflict, SettingError
from twin.settings import Settings


def test_a_second_run_applies_nothing(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.conninfo, autocommit=True) as connection:
        assert migrations.migrate(connection) == migrations.Migrated((), ())


def test_an_edited_migration_is_refused(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.conninfo, autocommit=True) as connection:
        connection.execute("update migration.applied set sha256 = 'other' where name = '0001_doorway'")
        with pytest.raises(Conflict, match="0001_doorway"):
            migrations.migrate(connection)


def test_a_database_ahead_of_this_version_is_refused(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.conninfo, autocommit=True) as connection:
        connection.execute("insert into migration.applied values ('9999_future', 'x')")
        with pytest.raises(Conflict, match="9999_future"):
            migrations.migrate(connection)


def test_the_spatial_operator_is_marked_so_that_policies_use_the_index(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.conninfo) as connection:
        assert connection.execute(
            "select bool_and(proleakproof) from pg_proc where proname = 'geometry_overlaps'"
        ).fetchone() == (True,)


def test_a_user_without_rights_is_told_what_to_ask_for(cluster: Cluster) -> None:
    with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists bare with (force)")
        connection.execute("create database bare")
        connection.execute("drop role if exists plain")
        connection.execute("create role plain login")
    try:
        with psycopg.connect(cluster.conninfo_of("bare"), autocommit=True) as connection:
            connection.execute("set session authorization plain")
            with pytest.raises(SettingError) as caught:
                migrations.migrate(connection)
        assert "have an administrator run" in caught.value.remedy
    finally:
        with psycopg.connect(cluster.conninfo_of("postgres"), autocommit=True) as connection:
            connection.execute("drop database bare with (force)")
            connection.execute("drop role plain")


def test_a_named_database_takes_its_roles_on_instead_of_logging_in_as_them(fresh_database: Database) -> None:
    named = Database(fresh_database.conninfo, Settings.read({}).database, login_as_role=False)
    from twin.access import ANONYMOUS

    with named.session(ANONYMOUS) as session:
        assert session.execute("select current_user, session_user").fetchone() == ("twin_app", "postgres")
    named.close()
