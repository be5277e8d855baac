from __future__ import annotations

import gzip
from itertools import pairwise
from typing import Any

import pytest
import shapely
from psycopg import sql

from tests.tiles import mvt
from tests.tiles.conftest import HIDDEN, HOUSES, LAYERS, POSTS, SOUTH, TRIED, WAYS, WEST, ZONES, put, run, zones
from tiles import generalise, mending, vector
from tiles.bands import bands, companion, table_name
from tiles.cache import TileCache
from tiles.service import VectorTiles, Wish
from twin.access import ANONYMOUS, SYSTEM, Actor
from twin.errors import BadInput, NotFound
from twin.grid import BBox, Tile, tile_at, tiles_over

AREA = BBox(WEST - 0.02, SOUTH - 0.02, WEST + 0.26, SOUTH + 0.26)


def service(database: Any, **options: Any) -> VectorTiles:
    return VectorTiles(TRIED, database, TileCache(64 << 20), **options)


def tiles_of(
    database: Any, names: str, tiles: Any, *, actor: Actor = ANONYMOUS, wish: Wish | None = None, **options: Any
) -> list[dict[str, mvt.MvtLayer]]:
    vectors = service(database, **options)

    async def ask() -> list[dict[str, mvt.MvtLayer]]:
        layers = vectors.layers(names, actor)
        entries = [await vectors.answer(layers, tile, actor=actor, wish=wish) for tile in tiles]
        return [mvt.read(gzip.decompress(one.body)) if one.body else {} for one in entries]

    return run(database, ask())


def count(database: Any, layer: Any) -> int:
    with database.session(SYSTEM) as session:
        return int(session.execute(f'select count(*) from "{layer.sector}"."{layer.table}"').fetchone()[0])


@pytest.mark.parametrize("z", [0, 6, 9, 11, 13, 15])
def test_every_tile_of_every_zoom_is_valid_to_the_letter(country: Any, z: int) -> None:
    tiles = list(tiles_over(AREA, z))[:40]
    read = tiles_of(country, ",".join(layer.name for layer in LAYERS), tiles, actor=SYSTEM)
    assert any(read), "nothing was drawn"


@pytest.mark.parametrize("layer", [ZONES, HOUSES, WAYS, POSTS])
def test_the_union_of_the_tiles_at_the_last_zoom_is_the_layer(country: Any, layer: Any) -> None:
    read = tiles_of(country, layer.name, list(tiles_over(AREA, 13 if layer is ZONES else 14)))
    found = {feature.id for tile in read for one in tile.values() for feature in one.features}
    assert len(found) == count(country, layer)


@pytest.mark.parametrize("z", [8, 10, 12])
def test_points_below_the_last_band_stand_for_all_of_them(country: Any, z: int) -> None:
    with country.session(SYSTEM) as session:
        band = next(band for band in bands(POSTS) if band.low <= z <= band.high)
        total = session.execute(f"select sum(_count) from companion.{table_name(POSTS, band)}").fetchone()[0]
    assert total == count(country, POSTS)


@pytest.mark.parametrize("layer", [HOUSES, WAYS])
def test_aggregates_count_every_feature_once(country: Any, layer: Any) -> None:
    with country.session(SYSTEM) as session:
        for band in bands(layer)[:-1]:
            total = session.execute(f"select sum(_count) from companion.{table_name(layer, band)}").fetchone()[0]
            assert total == count(country, layer)


def test_simplified_coverages_go_on_sharing_their_borders(country: Any) -> None:
    with country.session(SYSTEM) as session:
        for band in bands(ZONES):
            rows = session.execute(f"select st_asbinary(geom) from companion.{table_name(ZONES, band)}").fetchall()
            shapes = shapely.from_wkb([row[0] for row in rows])
            assert shapely.coverage_is_valid(shapes)
            whole = shapely.union_all(shapes)
            assert whole.geom_type == "Polygon"
            assert not whole.interiors


def test_lines_leave_one_tile_where_they_enter_the_next(country: Any) -> None:
    tile = tile_at(WEST + 0.1, SOUTH + 0.1, 12)
    left, right = tiles_of(country, WAYS.name, [tile, Tile(12, tile.x + 1, tile.y)])

    def crossings(read: Any, edge: int) -> set[tuple[int, int]]:
        found = set()
        for feature in read[WAYS.name].features:
            for part in feature.parts:
                for (x0, y0), (x1, y1) in pairwise(part):
                    if (x0 - edge) * (x1 - edge) < 0:
                        found.add((feature.id, round(y0 + (edge - x0) / (x1 - x0) * (y1 - y0))))
        return found

    ours, theirs = crossings(left, 4096), crossings(right, 0)
    assert ours
    assert all(any(fid == other and abs(y - at) <= 2 for other, at in theirs) for fid, y in ours)


def test_a_tile_over_its_budget_is_thinned_evenly_and_says_so(country: Any) -> None:
    tile = tile_at(WEST + 0.1, SOUTH + 0.1, 12)
    layers = (HOUSES,)

    async def render(budget: int) -> Any:
        vectors = service(country, budget=budget)
        return await vectors.answer(layers, tile, actor=ANONYMOUS, wish=Wish("storeys > 0"))

    full = run(country, render(500_000))
    small = run(country, render(20_000))
    again = run(country, render(20_000))
    kept = mvt.read(gzip.decompress(small.body))[HOUSES.name].features
    every = mvt.read(gzip.decompress(full.body))[HOUSES.name].features
    assert small.plain <= 20_000
    assert small.etag == again.etag
    assert (b"twin-thinned", f"{HOUSES.name}={len(every) - len(kept)}".encode()) in small.more

    def quarters(features: Any) -> list[int]:
        places = [feature.parts[0][0] for feature in features]
        return [
            sum((x > 2048) == right and (y > 2048) == low for x, y in places)
            for right in (False, True)
            for low in (False, True)
        ]

    shares = [few / many for few, many in zip(quarters(kept), quarters(every), strict=True) if many > 50]
    assert max(shares) - min(shares) < 0.1


def test_small_layers_keep_their_place_beside_a_full_one() -> None:
    assert vector._allowances({"a": 10, "b": 900, "c": 400}, 600) == {"b": 295, "c": 295}
    assert vector._allowances({"a": 10, "b": 500}, 600) == {}


def test_nobody_sees_a_layer_that_is_not_theirs(country: Any) -> None:
    vectors = service(country)
    with pytest.raises(NotFound):
        vectors.layers(HIDDEN.name, ANONYMOUS)
    tile = tile_at(WEST + 0.1, SOUTH + 0.1, 10)
    shown = tiles_of(country, HIDDEN.name, [tile], actor=SYSTEM)
    assert shown[0][HIDDEN.name].features
    with country.session(ANONYMOUS, pool="tiles") as session:
        assert (
            session.execute(f"select count(*) from companion.{table_name(HIDDEN, bands(HIDDEN)[-1])}").fetchone()[0]
            == 0
        )


def test_a_tile_costs_as_much_the_sixth_time_as_the_first(country: Any) -> None:
    one = vector.part(HOUSES, 14)
    statement = vector.layer_query(one, 14)
    values = vector.bound(tile_at(WEST + 0.1, SOUTH + 0.1, 14))
    with country.session(ANONYMOUS, pool="tiles") as session:
        for _ in range(8):
            session.connection.execute(statement, values, prepare=True)
        session.execute("set local enable_seqscan = on")
        plan = "\n".join(
            row[0]
            for row in session.connection.execute(
                "explain " + statement.as_string(session.connection).replace("%%", "%"), values
            ).fetchall()
        )
        assert session.execute("show plan_cache_mode").fetchone()[0] == "force_custom_plan"
    assert "geom_idx" in plan


def test_a_filter_and_a_time_narrow_a_tile(country: Any) -> None:
    tile = tile_at(WEST + 0.1, SOUTH + 0.1, 12)
    schools = tiles_of(country, HOUSES.name, [tile], wish=Wish("use = 'school' AND storeys BETWEEN 2 AND 4"))[0][
        HOUSES.name
    ].features
    assert schools
    assert all(one.properties["use"] == "school" and "count" not in one.properties for one in schools)
    assert tiles_of(country, HOUSES.name, [tile], wish=Wish(when="1990-01-01T00:00:00Z")) == [{}]
    with pytest.raises(BadInput):
        tiles_of(country, HOUSES.name, [tile], wish=Wish("colour = 'red'"))


def test_refreshing_gives_what_building_anew_gives(own_country: Any) -> None:
    def picture(session: Any, layer: Any) -> list[Any]:
        fields = ", ".join(f'"{one.name}"' for one in layer.fields if one.min_zoom == 0)
        return [
            sorted(map(str, session.execute(
                f"select fid, _count, round(_rank::numeric, 3), md5(st_asbinary(st_snaptogrid(geom, 0.01))), {fields} from companion.{table_name(layer, band)}").fetchall()))
            for band in bands(layer)
        ]  # fmt: skip

    with own_country.session(SYSTEM, pool="owner") as session:
        moved = zones()[14].buffer(0)
        corner = shapely.get_coordinates(moved)
        session.execute(
            "update tried.houses set geom = st_translate(geom, 0.013, 0.004), storeys = 3 where id in ('5', '77', '1200')"
        )
        session.execute("delete from tried.houses where id = '9'")
        session.execute("update tried.ways set geom = st_translate(geom, 0.01, 0.01) where id in ('3', '4')")
        session.execute("update tried.posts set geom = st_translate(geom, 0.02, 0), people = 999 where id = '11'")
        put(
            session.connection,
            POSTS,
            [shapely.Point(WEST + 0.05, SOUTH + 0.05)],
            {"name": ["new"], "people": [3]},
            first=5000,
        )
        session.execute("update tried.zones set name = 'renamed' where id = '14'")
        assert len(corner)
        boxes = [
            BBox(*row)
            for row in session.execute(
                "select west, south, east, north from twin.change where west is not null"
            ).fetchall()
        ]
        gone = session.execute(
            f"select fid from companion.{table_name(HOUSES, bands(HOUSES)[-1])} c where not exists (select 1 from tried.houses h where h.fid = c.fid)"
        ).fetchall()
        for layer in (HOUSES, WAYS, POSTS, ZONES):
            mine = [
                BBox(*row)
                for row in session.execute(
                    "select west, south, east, north from twin.change where layer = %s and count = 1", (layer.name,)
                ).fetchall()
            ]
            assert (
                mending.refresh(
                    session.connection, layer, extents=mine, fids=[row[0] for row in gone] if layer is HOUSES else ()
                )
                > 0
            )
            fresh = picture(session, layer)
            generalise.build(session.connection, layer)
            assert fresh == picture(session, layer)
        assert boxes


def test_generalised_tiles_left_behind_are_known_to_the_database_and_caught_up_with(own_country: Any) -> None:
    def rows(session: Any) -> list[list[tuple[Any, ...]]]:
        return [
            sorted(
                session.execute(
                    f"select coalesce(fid, 0), _count, md5(st_asbinary(geom)) from companion.{table_name(HOUSES, band)}"
                ).fetchall()
            )
            for band in bands(HOUSES)
        ]

    box = "select st_xmin(b), st_ymin(b), st_xmax(b), st_ymax(b) from (select st_extent(geom) as b from tried.houses where id in ('6', '78')) q"
    with own_country.session(SYSTEM, pool="owner") as session:
        before = rows(session)
        old = BBox(*session.execute(box).fetchone())
        session.execute("update tried.houses set geom = st_translate(geom, 0.013, 0.004) where id in ('6', '78')")
        new = BBox(*session.execute(box).fetchone())
        place = (2, old), (2, new)
        assert mending.refresh_exact(session.connection, HOUSES, places=place) >= 2
    with own_country.session(SYSTEM, pool="owner") as session:  # another process, after whatever happened to the first
        between = rows(session)
        assert between[-1] != before[-1]
        assert between[:-1] == before[:-1]
        assert mending.left(session.connection) == [HOUSES.name]
        assert mending.catch_up(session.connection, HOUSES) == list(place)
        assert mending.left(session.connection) == []
        fresh = rows(session)
        generalise.build(session.connection, HOUSES)
        assert fresh == rows(session)
        assert fresh[:-1] != before[:-1]


def test_companions_of_an_earlier_version_are_known_by_the_columns_they_lack(own_country: Any) -> None:
    layers = [one for one in LAYERS if not one.is_raster]
    with own_country.session(SYSTEM, pool="owner") as session:
        assert generalise.outgrown(session.connection, layers) == set()
        exact = companion(HOUSES, bands(HOUSES)[-1])
        session.execute(sql.SQL("alter table {} drop column _clearance").format(exact))
        assert generalise.outgrown(session.connection, layers) == {HOUSES.name}
        generalise.build(session.connection, HOUSES)
        assert generalise.outgrown(session.connection, layers) == set()


def test_a_changed_border_redraws_its_neighbours_and_nobody_else(own_country: Any) -> None:
    def shapes(session: Any, band: Any) -> dict[int, bytes]:
        return {
            row[0]: bytes(row[1])
            for row in session.execute(
                f"select fid, st_asbinary(geom) from companion.{table_name(ZONES, band)}"
            ).fetchall()
        }

    coarse = bands(ZONES)[-2]
    with own_country.session(SYSTEM, pool="owner") as session:
        before = shapes(session, coarse)
        a, b = (
            session.execute("select fid, st_asbinary(geom) from tried.zones where id = %s", (name,)).fetchone()
            for name in ("14", "15")
        )
        one, two = shapely.from_wkb(bytes(a[1])), shapely.from_wkb(bytes(b[1]))
        piece = one.intersection(shapely.box(*shapely.bounds(two)).buffer(0.004))
        for fid, shape in ((a[0], one.difference(piece)), (b[0], two.union(piece))):
            assert shape.geom_type == "Polygon"
            session.execute(
                "update tried.zones set geom = st_setsrid(st_geomfromwkb(%s), 4326) where fid = %s",
                (shapely.to_wkb(shape), fid),
            )
        mending.refresh(session.connection, ZONES, fids=[a[0], b[0]])
        after = shapes(session, coarse)
        changed = {fid for fid in before if before[fid] != after[fid]}
        assert {a[0], b[0]} <= changed
        assert len(changed) <= 10
        generalise.build(session.connection, ZONES)
        anew = shapes(session, coarse)
        assert all(shapely.from_wkb(after[fid]).equals(shapely.from_wkb(anew[fid])) for fid in anew)


def test_a_companion_has_a_name_that_postgresql_can_hold() -> None:
    long = type(ZONES)("s" * 48 + "." + "t" * 48, "Point", ZONES.titles, "", "", "")
    names = {table_name(long, band) for band in bands(long)}
    assert len(names) == len(bands(long))
    assert all(len(name) <= 59 for name in names)
    assert companion(long, bands(long)[0], "_new")
