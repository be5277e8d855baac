import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import psycopg
import pytest

from twin.access import ANONYMOUS, SYSTEM, Actor, actor, admin_token_exists, issue, redeem, revoke, sign_in
from twin.audit import Unit, breaks
from twin.db import Database
from twin.errors import BadInput, NotAuthenticated, NotPermitted, Unavailable


def test_a_session_is_the_actor_it_was_opened_for_and_no_longer(database: Database) -> None:
    planner = actor("Uwase", "planner")
    with database.session(planner) as session:
        assert session.execute("select twin.actor(), twin.role(), twin.tenant()").fetchone() == ("Uwase", "planner", 1)
    with database.session(ANONYMOUS) as session:
        assert session.execute("select twin.actor(), twin.role(), twin.tenant()").fetchone() == (
            "anonymous",
            "anonymous",
            None,
        )


def test_the_application_cannot_change_or_remove_what_the_audit_holds(database: Database) -> None:
    for words in (
        "update twin.audit set count = 0",
        "delete from twin.audit",
        "truncate twin.audit",
        "delete from twin.audit_link",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.session(SYSTEM) as session:
            session.execute(words)


def test_a_write_leaves_one_audit_row_in_its_own_transaction(fresh_database: Database) -> None:
    with fresh_database.session(SYSTEM, unit=Unit("try", "thing")) as session:
        session.count = 3
        session.before, session.after = "a", "b"
    with pytest.raises(ZeroDivisionError), fresh_database.session(SYSTEM, unit=Unit("try", "failing")):
        1 / 0  # noqa: B018
    with fresh_database.session(SYSTEM) as session:
        rows = session.execute("select actor, action, thing, count, before_hash, after_hash from twin.audit").fetchall()
    assert rows == [("system", "try", "thing", 3, "a", "b")]


def test_the_audit_is_linked_in_commit_order_and_a_forged_row_breaks_it(fresh_database: Database) -> None:
    for number in range(5):
        with fresh_database.session(SYSTEM, unit=Unit("try", str(number))) as session:
            session.count = number
    with fresh_database.session(SYSTEM) as session:
        session.execute("select twin.advance()")
    with fresh_database.session(SYSTEM) as session:
        assert session.execute("select count(*) from twin.audit_link").fetchone() == (5,)
        assert breaks(session) == []
    superuser = psycopg.conninfo.make_conninfo(fresh_database.conninfo, user="postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("update twin.audit set count = 99 where thing = '2'")
    with fresh_database.session(SYSTEM) as session:
        assert [broken.reason for broken in breaks(session)] == ["the audit row was changed"]


def test_an_earlier_transaction_that_commits_late_is_linked_first(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.conninfo_of("features")) as slow:
        slow.execute(
            "select set_config('twin.tenant', '1', true), set_config('twin.actor', 'slow', true), set_config('twin.role', 'admin', true)"
        )
        slow.execute("insert into twin.audit (tenant, action, thing, count) values (1, 'slow', 'x', 1)")
        with fresh_database.session(SYSTEM, unit=Unit("quick", "y")):
            pass
        with fresh_database.session(SYSTEM) as session:
            session.execute("select twin.advance()")
            assert session.execute("select count(*) from twin.audit_link").fetchone() == (0,)
        slow.commit()
    with fresh_database.session(SYSTEM) as session:
        session.execute("select twin.advance()")
    with fresh_database.session(SYSTEM) as session:
        order = session.execute(
            "select a.action from twin.audit_link l join twin.audit a on a.id = l.audit_id order by l.seq"
        ).fetchall()
    assert order == [("slow",), ("quick",)]


def test_anonymous_writes_nothing(database: Database) -> None:
    with pytest.raises(NotPermitted), database.session(ANONYMOUS, unit=Unit("try", "x")):
        pass
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.session(ANONYMOUS) as session:
        session.execute("insert into twin.audit (tenant, action, thing, count) values (1, 'forged', 'x', 1)")


def test_nobody_writes_the_audit_in_anothers_name(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.session(actor("Uwase", "planner")) as session:
        session.execute(
            "insert into twin.audit (tenant, actor, role, action, thing, count) values (1, 'other', 'admin', 'x', 'x', 1)"
        )


def test_the_base_layers_are_closed_to_the_application(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.session(actor("Uwase", "admin")) as session:
        session.execute("delete from land.districts")
    with pytest.raises(NotPermitted), database.session(actor("Uwase", "planner"), pool="owner"):
        pass


def test_the_tile_reader_cannot_write(database: Database) -> None:
    with pytest.raises(psycopg.Error), database.session(SYSTEM, pool="tiles") as session:
        session.execute("insert into twin.change (layer, count) values ('x', 1)")


def test_a_token_is_kept_as_a_hash_and_ends_when_revoked(database: Database) -> None:
    made = issue(database, SYSTEM, name="Uwase", role="planner", ttl=timedelta(hours=1))
    with database.session(SYSTEM, pool="owner") as session:
        stored = session.execute("select encode(hash, 'escape') from twin.token").fetchall()
    assert all(made.secret not in row[0] for row in stored)
    assert redeem(database, made.secret) == Actor("Uwase", "planner", 1, frozenset({"public", "restricted"}))
    assert redeem(database, made.secret, kind="cookie") is None
    assert revoke(database, SYSTEM, secret=made.secret)
    assert redeem(database, made.secret) is None


def test_a_login_token_is_spent_by_its_first_use_and_gives_its_own_role(database: Database) -> None:
    made = issue(database, SYSTEM, name="Uwase", role="viewer", ttl=timedelta(minutes=5), kind="login")
    assert redeem(database, made.secret) is None
    opened = sign_in(database, made.secret, lifetime=timedelta(hours=1))
    assert redeem(database, opened.secret, kind="cookie") == actor("Uwase", "viewer")
    for spent in (made.secret, "", "x" * 1000, "unknown\0"):
        with pytest.raises(NotAuthenticated):
            sign_in(database, spent, lifetime=timedelta(hours=1))


def test_the_application_can_neither_make_nor_raise_nor_list_tokens(database: Database) -> None:
    for words in (
        "insert into twin.token (hash, tenant, actor, role, kind, expires_at) values ('x', 1, 'x', 'admin', 'bearer', now() + interval '1 day')",
        "update twin.token set role = 'admin'",
        "select hash from twin.token",
    ):
        for pool in ("features", "tiles"):
            with pytest.raises(psycopg.Error), database.session(SYSTEM, pool=pool) as session:  # type: ignore[arg-type]
                session.execute(words)


def test_what_runs_with_its_owners_rights_looks_into_temporary_names_last(database: Database) -> None:
    with database.session(SYSTEM) as session:
        loose = session.execute(
            "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            " where p.prosecdef and n.nspname <> 'public' and not exists"
            " (select from unnest(p.proconfig) c where c like 'search_path=%%, pg_temp')",
            (),
        ).fetchall()
    assert loose == []


def test_tokens_are_made_by_admins_for_real_roles_and_lifetimes(fresh_database: Database) -> None:
    with pytest.raises(NotPermitted):
        issue(fresh_database, actor("Uwase", "operator"), name="x", role="viewer", ttl=timedelta(hours=1))
    with pytest.raises(NotAuthenticated):
        issue(fresh_database, ANONYMOUS, name="x", role="viewer", ttl=timedelta(hours=1))
    for name, role, hours in (("x", "king", 1), ("x", "viewer", 0), ("x", "viewer", 10_000), (" ", "viewer", 1)):
        with pytest.raises(BadInput):
            issue(fresh_database, SYSTEM, name=name, role=role, ttl=timedelta(hours=hours))  # type: ignore[arg-type]
    assert not admin_token_exists(fresh_database)


def test_a_database_that_is_away_is_said_in_our_words() -> None:
    from twin.settings import Settings

    settings = Settings.read({"TWIN_POOL_WAIT": "0.5"}).database
    nowhere = Database("host=127.0.0.1 port=1 dbname=none user=none connect_timeout=1", settings)
    with pytest.raises(Unavailable), nowhere.session(ANONYMOUS):
        pass
    nowhere.close()


def test_threads_and_tasks_that_ask_first_share_one_pool(database: Database) -> None:
    fresh = Database(database.conninfo, database.settings, login_as_role=True)
    together = Barrier(16)

    def of_thread(_: int) -> int:
        together.wait()
        with fresh.session(ANONYMOUS, pool="tiles") as session:
            return session.connection.info.backend_pid

    async def of_task() -> int:
        async with fresh.async_session(ANONYMOUS, pool="tiles") as session:
            return session.connection.info.backend_pid

    async def of_tasks() -> list[int]:
        found = await asyncio.gather(*(of_task() for _ in range(16)))
        await fresh.close_async()
        return found

    try:
        with ThreadPoolExecutor(16) as threads:
            assert len(set(threads.map(of_thread, range(16)))) <= fresh.settings.pool_size
        assert len(set(asyncio.run(of_tasks()))) <= fresh.settings.pool_size
    finally:
        fresh.close()
