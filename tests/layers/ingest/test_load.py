"""Loading is whole or not at all, changes what changed, and leaves a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import psycopg
import pytest
import shapely
from ingest_makers import points

from layers.ingest.adhoc import load_file
from layers.ingest.files import code_of, fingerprint, inputs_of, missing_of
from layers.ingest.load import load
from layers.ingest.outcome import Outcome
from layers.ingest.refresh import declared, load_all
from layers.registry import Registry
from layers.spec import Reading, Sector, Source
from twin.access import SYSTEM, Actor
from twin.db import Database
from twin.errors import Conflict, NotPermitted, SourceError, TwinError, Unavailable
from twin.grid import BBox

_CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from conftest import PROBE, RWANDA
from layers.ingest import readers
from layers.ingest.adhoc import load_file
from layers.registry import Registry
from twin.access import SYSTEM
from twin.db import Database
from twin.settings import Settings
readers.BATCH_ROWS = 1000
def progress(done, total):
    if {kill} and done >= 3000:
        os.kill(os.getpid(), signal.SIGKILL)
database = Database({conninfo!r}, Settings.read({{}}).database, login_as_role=True)
load_file(database, Registry([PROBE]).layer("probe.points"), Path({path!r}), actor=SYSTEM, region=RWANDA, cache=Path("."), progress=progress)
"""


@pytest.fixture
def into(fresh_trial: Database, probe: Registry, region: BBox, cache_folder: Path) -> Any:
    """Loads a file into probe.points of a fresh database."""

    def run(path: Path, **options: Any) -> Outcome:
        layer = probe.layer(options.pop("layer", "probe.points"))
        return load_file(fresh_trial, layer, path, actor=SYSTEM, region=region, cache=cache_folder, **options)

    return run


def rows(database: Database, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    with database.session(SYSTEM, pool="owner") as session:
        return session.execute(query, values).fetchall()


def standing(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, "select id, fid, name, st_astext(geom), digest from probe.points order by id")


def test_the_same_file_twice_changes_nothing(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    points(50).to_parquet(tmp_path / "a.parquet")
    assert into(tmp_path / "a.parquet").inserted == 50
    before = (
        standing(fresh_trial),
        rows(fresh_trial, "select count(*) from twin.source"),
        rows(fresh_trial, "select max(id) from twin.change"),
    )
    again = into(tmp_path / "a.parquet")
    assert again.state == "unchanged"
    assert before == (
        standing(fresh_trial), rows(fresh_trial, "select count(*) from twin.source"), rows(fresh_trial, "select max(id) from twin.change")
    )  # fmt: skip


def test_a_changed_file_updates_by_id_and_keeps_fids(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    frame = points(50)
    frame.to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    before = {row[0]: row for row in standing(fresh_trial)}
    frame.loc[3, "name"] = "renamed"
    frame.loc[[*range(40), 40], ["id", "name", "geometry"]].replace({"id": {"40": "new"}}).to_parquet(
        tmp_path / "a.parquet"
    )
    outcome = into(tmp_path / "a.parquet")
    assert (outcome.inserted, outcome.updated, outcome.deleted, outcome.unchanged) == (1, 1, 10, 39)
    after = {row[0]: row for row in standing(fresh_trial)}
    assert after["3"][1] == before["3"][1]
    assert after["3"][2] == "renamed"
    assert after["7"] == before["7"]
    assert after["new"][1] > max(row[1] for row in before.values())
    assert rows(fresh_trial, "select generation, count, origins from twin.layer where name = 'probe.points'") == [
        (3, 41, ["open-data"])
    ]
    assert rows(
        fresh_trial, "select action, thing, count, detail ->> 'updated' from twin.audit order by id desc limit 1"
    ) == [("load", "probe.points", 12, "1")]


def test_an_id_of_another_source_is_quarantined_whole(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    points(5).to_parquet(tmp_path / "first.parquet")
    points(7).to_parquet(tmp_path / "second.parquet")
    into(tmp_path / "first.parquet")
    outcome = into(tmp_path / "second.parquet")
    assert (outcome.inserted, outcome.quarantined) == (2, 5)
    kept = rows(
        fresh_trial,
        "select reason, row ->> 'name', st_astext(st_geomfromwkb(geom_wkb)) from twin.quarantine order by ordinal",
    )
    assert kept[1] == ("its id 1 belongs to source first", "place 1", "POINT(29.605 -2.4)")


def test_rows_without_a_key_keep_their_id_wherever_they_stand_in_the_file(
    into: Any, fresh_trial: Database, tmp_path: Path
) -> None:
    frame = points(20).drop(columns="id")
    frame.to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    before = standing(fresh_trial)
    frame.iloc[::-1].to_parquet(tmp_path / "a.parquet")
    outcome = into(tmp_path / "a.parquet")
    assert (outcome.unchanged, outcome.inserted, outcome.deleted) == (20, 0, 0)
    assert standing(fresh_trial) == before


def _child(database: Database, path: Path, *, kill: bool) -> subprocess.Popen[bytes]:
    told = {"folder": str(Path(__file__).parent), "kill": kill, "conninfo": database.conninfo, "path": str(path)}
    return subprocess.Popen([sys.executable, "-c", _CHILD.format(**told)], cwd=Path(__file__).parents[3])


def test_a_load_killed_while_staging_leaves_the_layer_as_it_was(
    into: Any, fresh_trial: Database, tmp_path: Path
) -> None:
    points(60).to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    before = standing(fresh_trial)
    points(5000).to_parquet(tmp_path / "a.parquet")
    assert _child(fresh_trial, tmp_path / "a.parquet", kill=True).wait(timeout=120) == -signal.SIGKILL
    assert standing(fresh_trial) == before
    assert into(tmp_path / "a.parquet").inserted == 4940
    assert rows(fresh_trial, "select tablename from pg_tables where schemaname = 'staging'") == []


def test_a_load_killed_in_its_swap_leaves_the_layer_as_it_was(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    points(60).to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    before = standing(fresh_trial)
    points(500).to_parquet(tmp_path / "a.parquet")
    with fresh_trial.session(SYSTEM, pool="owner") as session:
        # The swap deletes, updates, then waits at the catalogue's row, which this transaction holds.
        session.execute("select from twin.layer where name = 'probe.points' for update")
        child = _child(fresh_trial, tmp_path / "a.parquet", kill=False)
        _wait_for(
            fresh_trial, "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%%twin.layer%%'"
        )
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=30)
        session.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and pid <> pg_backend_pid()"
        )
    _wait_for(
        fresh_trial,
        "select where not exists (select from pg_stat_activity where query like '%%insert into twin.layer%%' and pid <> pg_backend_pid() and state <> 'idle')",
    )
    assert standing(fresh_trial) == before
    assert into(tmp_path / "a.parquet").inserted == 440


def _wait_for(database: Database, query: str) -> None:
    end = time.monotonic() + 60
    while not rows(database, query):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_a_disk_that_is_full_in_the_swap_leaves_the_layer_as_it_was(
    into: Any, fresh_trial: Database, tmp_path: Path
) -> None:
    points(60).to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    before = standing(fresh_trial)
    with fresh_trial.session(SYSTEM, pool="owner") as session:
        session.execute(
            "create function staging.full() returns trigger language plpgsql as"
            " $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$"
        )
        session.execute(
            "create trigger zz after insert on probe.points for each row when (new.fid > 300) execute function staging.full()"
        )
    points(500).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(Unavailable, match="disk is full"):
        into(tmp_path / "a.parquet")
    assert standing(fresh_trial) == before
    assert rows(fresh_trial, "select tablename from pg_tables where schemaname = 'staging'") == []


def test_a_connection_that_breaks_while_staging_leaves_the_layer_as_it_was(
    into: Any, fresh_trial: Database, tmp_path: Path
) -> None:
    points(60).to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    before = standing(fresh_trial)
    points(70).to_parquet(tmp_path / "a.parquet")

    def cut(done: int, total: int | None) -> None:
        with psycopg.connect(fresh_trial.conninfo) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'twin_owner'")

    with pytest.raises((Unavailable, TwinError, psycopg.Error)):
        into(tmp_path / "a.parquet", progress=cut)
    assert standing(fresh_trial) == before
    assert into(tmp_path / "a.parquet").inserted == 10


def test_two_loads_of_one_source_at_once_are_refused(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    points(60).to_parquet(tmp_path / "a.parquet")
    refused: list[BaseException] = []

    def second(done: int, total: int | None) -> None:
        def run() -> None:
            try:
                into(tmp_path / "a.parquet")
            except Conflict as conflict:
                refused.append(conflict)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(timeout=60)

    assert into(tmp_path / "a.parquet", progress=second).inserted == 60
    assert [str(one) for one in refused] == [
        "source a of probe.points is being loaded by another process: wait for it to end"
    ]


def test_multipart_lines_become_single_ones_with_ids_of_their_own(
    into: Any, fresh_trial: Database, tmp_path: Path
) -> None:
    shape = shapely.MultiLineString([[(30, -2), (30.1, -2)], [(30.2, -2), (30.3, -2)]])
    gpd.GeoDataFrame({"id": [7], "name": ["pipe"]}, geometry=[shape], crs=4326).to_parquet(tmp_path / "a.parquet")
    assert into(tmp_path / "a.parquet", layer="probe.lines").read == 2
    assert rows(fresh_trial, "select id, st_astext(geom) from probe.lines order by id") == [
        ("7", "LINESTRING(30 -2,30.1 -2)"), ("7:2", "LINESTRING(30.2 -2,30.3 -2)"),
    ]  # fmt: skip


def test_only_an_operator_who_may_read_it_loads_restricted_data(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path
) -> None:
    points(5).to_parquet(tmp_path / "a.parquet")
    layer = probe.layer("probe.points")
    source = Source(
        "a", layer.name, "a.parquet", "open-data", "", "", id="id", fields={"name": "name"}, classification="restricted"
    )
    for actor in (Actor("ann", "viewer", 1, frozenset({"restricted"})), Actor("bob", "operator", 1)):
        with pytest.raises(NotPermitted):
            load(fresh_trial, layer, source, tmp_path / "a.parquet", actor=actor, region=region)
    load(fresh_trial, layer, source, tmp_path / "a.parquet", actor=SYSTEM, region=region)
    assert rows(fresh_trial, "select distinct classification from probe.points") == [("restricted",)]


def test_a_source_that_fails_does_not_stop_the_others(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path
) -> None:
    points(5).to_parquet(tmp_path / "good.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    names = ("bad", "gone", "good")
    sources = tuple(
        Source(one, "probe.points", f"{one}.parquet", "open-data", "", "", id="id", fields={"name": "name"})
        for one in names
    )
    sector = probe.sector("probe")
    registry = Registry([Sector(sector.name, sector.owner, sector.maturity, sector.titles, sector.layers, sources)])
    outcomes = load_all(fresh_trial, registry, tmp_path, actor=SYSTEM, region=region, cache=tmp_path)
    assert [one.state for one in outcomes] == ["failed", "absent", "loaded"]
    assert "damaged" in outcomes[0].remark
    assert outcomes[1].remark == "not in the data folder: gone.parquet"
    assert outcomes[2].to_json()["loaded"] == 5


def test_a_source_without_its_further_file_names_that_one(probe: Registry, tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    source = Source("two", "probe.points", "there.csv", "open-data", "", "", inputs=("away.csv",))
    assert missing_of(source, tmp_path) == ["away.csv"]
    assert inputs_of(source, tmp_path) is None


def test_the_code_of_a_generator_counts_for_its_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "making_of_a_test"
    package.mkdir()
    (package / "__init__.py").touch()
    module = package / "making.py"
    module.write_text("STEP = 1")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "input.csv"
    file.touch()
    reading = Reading(folder=tmp_path, path=file)
    first = fingerprint((file,), reading=reading, maker=code_of((package.name,)))
    assert fingerprint((file,), reading=reading, maker=code_of((package.name,))) == first
    module.write_text("STEP = 2")
    assert fingerprint((file,), reading=reading, maker=code_of((package.name,))) != first
    with pytest.raises(SourceError, match="no package nowhere"):
        code_of(("nowhere",))


def _bounded(probe: Registry) -> Registry:
    """Points that must lie inside the areas, declared before them."""
    common = ("open-data", "", "")
    sources = (
        Source(
            "spots", "probe.points", "spots.parquet", *common, id="id", fields={"name": "name"}, inside="probe.areas"
        ),
        Source("border", "probe.areas", "border.parquet", *common, id="id", fields={"name": "name"}),
    )
    sector = probe.sector("probe")
    return Registry([Sector(sector.name, sector.owner, sector.maturity, sector.titles, sector.layers, sources)])


def _border(folder: Path, west: float) -> None:
    frame = gpd.GeoDataFrame(
        {"id": ["1"], "name": ["inside"]}, geometry=[shapely.box(west, -2.5, west + 0.2, -2.3)], crs=4326
    )
    frame.to_parquet(folder / "border.parquet")


def test_features_beyond_the_border_are_quarantined_though_the_border_is_declared_later(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path
) -> None:
    registry = _bounded(probe)
    assert [one.layer for one in declared(registry)] == ["probe.areas", "probe.points"]
    points(100).to_parquet(tmp_path / "spots.parquet")
    _border(tmp_path, 29.6)
    border, spots = load_all(fresh_trial, registry, tmp_path, actor=SYSTEM, region=region, cache=tmp_path)
    assert (border.state, spots.inserted, spots.quarantined, spots.remark) == ("loaded", 41, 59, "")
    kept = rows(fresh_trial, "select distinct reason, st_xmin(st_geomfromwkb(geom_wkb)) > 29.8 from twin.quarantine")
    assert kept == [("outside the border (probe.areas)", True)]


def test_a_file_wholly_beyond_the_border_leaves_the_layer_as_it_was(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path
) -> None:
    points(100).to_parquet(tmp_path / "spots.parquet")
    _border(tmp_path, 28.9)
    _, spots = load_all(fresh_trial, _bounded(probe), tmp_path, actor=SYSTEM, region=region, cache=tmp_path)
    assert (spots.state, standing(fresh_trial)) == ("failed", [])
    assert "100 rows: outside the border (probe.areas)" in spots.remark


def test_without_a_border_nothing_is_checked_and_the_outcome_says_so(
    fresh_trial: Database, probe: Registry, region: BBox, tmp_path: Path
) -> None:
    points(100).to_parquet(tmp_path / "spots.parquet")
    _, spots = load_all(fresh_trial, _bounded(probe), tmp_path, actor=SYSTEM, region=region, cache=tmp_path)
    assert (spots.inserted, spots.remark) == (100, "probe.areas is empty: nothing was checked against the border")


def test_every_row_names_a_source_that_is_written_down(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    points(20).to_parquet(tmp_path / "a.parquet")
    into(tmp_path / "a.parquet")
    unknown = "select count(*) from probe.points t where not exists (select from twin.source s where (s.id, s.tenant) = (t.source, t.tenant))"
    assert rows(fresh_trial, unknown) == [(0,)]


def test_a_great_first_load_leaves_the_spatial_index_in_place(into: Any, fresh_trial: Database, tmp_path: Path) -> None:
    points(12_000).to_parquet(tmp_path / "a.parquet")
    assert into(tmp_path / "a.parquet").inserted == 12_000
    found = rows(
        fresh_trial, "select indexdef from pg_indexes where schemaname = 'probe' and indexname = 'points_geom'"
    )
    assert found == [("CREATE INDEX points_geom ON probe.points USING gist (geom)",)]
