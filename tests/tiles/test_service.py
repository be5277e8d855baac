from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from layers.ground import GroundKeeper
from tests.tiles import mvt
from tests.tiles.conftest import HIDDEN, HOUSES, POSTS, SOUTH, TRIED, WEST, run
from tiles.bands import bands, table_name
from tiles.cache import PUBLIC, AccessScope, Entry, Key, TileCache, entry
from tiles.hot import HotTiles
from tiles.pictures import RasterTiles
from tiles.router import router
from tiles.service import VectorTiles, Wish
from twin.access import ANONYMOUS, SYSTEM, Actor
from twin.changes import Change
from twin.cluster import Cluster
from twin.db import Database
from twin.errors import Unavailable
from twin.grid import BBox, Tile, tile_at
from twin.http import install_problems

HERE = tile_at(WEST + 0.1, SOUTH + 0.1, 14)
PATH = f"/tiles/{HOUSES.name}/14/{HERE.x}/{HERE.y}.mvt"


class Service:
    """The routes with the hot path in front, as the composition root wires them."""

    def __init__(self, database: Database, actor: Actor = ANONYMOUS) -> None:
        self.cache = TileCache(64 << 20)
        self.vectors = VectorTiles(TRIED, database, self.cache)
        rasters = RasterTiles(TRIED, database, self.cache, GroundKeeper(database, ANONYMOUS))

        async def catalogue(_: Actor) -> list[dict[str, Any]]:
            return []

        self.routes = FastAPI()
        self.routes.include_router(
            router(vectors=self.vectors, rasters=rasters, catalogue=catalogue, fonts=Path(__file__).parent)
        )
        install_problems(self.routes)
        self.passed = 0

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self.passed += 1
            scope["twin.actor"] = actor
            await self.routes(scope, receive, send)

        self.app = HotTiles(counted, self.cache, scope_of=lambda _: AccessScope.of(actor), health=self.vectors)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url="http://twin"
        )


def ask(database: Database, path: str, *, actor: Actor = ANONYMOUS, **headers: str) -> httpx.Response:
    async def whole() -> httpx.Response:
        async with Service(database, actor).client() as client:
            return await client.get(path, headers=headers)

    return run(database, whole())


def test_the_second_answer_comes_from_the_cache_and_a_known_one_is_not_sent_again(country: Database) -> None:
    async def whole() -> None:
        service = Service(country)
        async with service.client() as client:
            first = await client.get(PATH)
            second = await client.get(PATH)
            third = await client.get(PATH, headers={"If-None-Match": first.headers["etag"]})
            plain = await client.get(PATH, headers={"Accept-Encoding": "identity"})
            head = await client.head(PATH)
        assert service.passed == 1
        assert first.status_code == second.status_code == 200
        assert first.content == second.content == plain.content
        assert mvt.read(first.content)
        assert first.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert first.headers["cache-control"] == "public, no-cache"
        assert "Accept-Encoding" in first.headers["vary"]
        assert third.status_code == 304
        assert not third.content
        assert third.headers["etag"] == first.headers["etag"]
        assert head.status_code == 200
        assert not head.content

    run(country, whole())


def test_an_empty_tile_is_204_and_remembered(country: Database) -> None:
    async def whole() -> None:
        service = Service(country)
        async with service.client() as client:
            assert [(await client.get(f"/tiles/{HOUSES.name}/14/0/0.mvt")).status_code for _ in range(2)] == [204, 204]
        assert service.passed == 1

    run(country, whole())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/tiles/{HOUSES.name}/3/8/0.mvt", 404),
        (f"/tiles/{HOUSES.name}/3/-1/0.mvt", 404),
        (f"/tiles/{HOUSES.name}/99/0/0.mvt", 404),
        (f"/tiles/{HOUSES.name}/a/0/0.mvt", 400),
        (f"/tiles/{HOUSES.name}/3/1.5/0.mvt", 400),
        ("/tiles/tried.nothing/3/1/1.mvt", 404),
        ("/tiles/tried.houses';drop table x/3/1/1.mvt", 404),
        (f"/tiles/{HIDDEN.name}/3/1/1.mvt", 404),
        (f"/tiles/{','.join(f'a.b{n}' for n in range(6_000))}/3/1/1.mvt", 400),
        (f"{PATH}?filter=use%20%3D%20(", 400),
        (f"{PATH}?filter=nothing%20%3D%203", 400),
        (f"{PATH}?filter=storeys%20%3D%20%27high%27", 400),
        (f"{PATH}?filter={'(' * 200}use='a'{')' * 200}", 400),
        (f"{PATH}?filter=use%3D'a'%3B%20drop%20table%20twin.layer", 400),
        (f"{PATH}?datetime=yesterday", 400),
        (f"{PATH}?scenario=77", 404),
        (f"{PATH}?scenario=x", 400),
        ("/tiles/nothing/3/1/1.png", 404),
        ("/tiles/tried.nothing.json", 404),
        ("/styles/none.json", 404),
        ("/fonts/..%2f..%2fpyproject.toml", 404),
        ("/fonts/none.woff2", 404),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(country: Database, path: str, status: int) -> None:
    answer = ask(country, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]


def test_tilejson_names_layers_zooms_and_fields(country: Database) -> None:
    document = ask(country, f"/tiles/{HOUSES.name},{POSTS.name}.json").json()
    assert document["tilejson"] == "3.0.0"
    assert [one["id"] for one in document["vector_layers"]] == [HOUSES.name, POSTS.name]
    assert document["minzoom"] == 0
    assert document["maxzoom"] == 15
    assert document["tiles"] == [f"http://twin/tiles/{HOUSES.name},{POSTS.name}/{{z}}/{{x}}/{{y}}.mvt"]
    assert "Number" in document["vector_layers"][0]["fields"]["height_m"]


def test_nobody_is_answered_with_another_ones_tile(country: Database) -> None:
    path = f"/tiles/{HIDDEN.name}/14/{HERE.x}/{HERE.y}.mvt"
    allowed = ask(country, path, actor=SYSTEM)
    assert allowed.status_code in (200, 204)
    assert allowed.headers["cache-control"].startswith("private")
    assert ask(country, path).status_code == 404


def test_without_its_database_a_hot_tile_is_stale_and_a_cold_one_refused(country: Database) -> None:
    async def whole() -> None:
        service = Service(country)
        async with service.client() as client:
            await client.get(PATH)
            service.vectors.away = True
            hot = await client.get(PATH)
            cold = await client.get(f"/tiles/{HOUSES.name}/14/{HERE.x + 1}/{HERE.y}.mvt")
        assert hot.status_code == 200
        assert "twin-stale" in hot.headers
        assert cold.status_code == 503
        assert int(cold.headers["retry-after"]) > 0

    run(country, whole())


def test_a_branch_redraws_what_it_touches_and_shares_the_rest(own_country: Database) -> None:
    with own_country.session(SYSTEM, pool="owner") as session:
        branch = session.execute(
            "insert into twin.scenario (tenant, name) values (1, 'trial') returning id"
        ).fetchone()[0]
        fid, digest = session.execute("select fid, digest from tried.posts where id = '1'").fetchone()
        session.execute(
            "insert into twin.overlay (scenario, layer, id, fid, tenant, classification, operation, version, was)"
            " select %s, 'tried.posts', id, fid, 1, 'public', 'remove', 1, geom from tried.posts where id = '1'",
            (branch,),
        )
        session.execute(
            "insert into twin.overlay (scenario, layer, id, fid, tenant, classification, operation, version, geom, row)"
            " select %s, 'tried.posts', 'new', 900001, 1, 'public', 'add', 1, geom, '{\"name\": \"planned one\", \"people\": 5}' from tried.posts where id = '1'",
            (branch,),
        )
        lon, lat = session.execute("select st_x(geom), st_y(geom) from tried.posts where id = '1'").fetchone()
    assert digest is None
    here, away = tile_at(lon, lat, 15), Tile(15, tile_at(lon, lat, 15).x + 6, tile_at(lon, lat, 15).y)

    async def whole() -> None:
        vectors = Service(own_country).vectors
        base, planned = [
            await vectors.answer((POSTS,), here, actor=SYSTEM, wish=Wish(scenario=wish)) for wish in (None, branch)
        ]
        assert fid in {one.id for one in mvt.read(gzip.decompress(base.body))[POSTS.name].features}
        drawn = {one.id: one for one in mvt.read(gzip.decompress(planned.body))[POSTS.name].features}
        assert fid not in drawn
        assert drawn[900001].properties["origin"] == "planned"
        assert drawn[900001].properties["name"] == "planned one"
        same = [await vectors.answer((POSTS,), away, actor=SYSTEM, wish=Wish(scenario=wish)) for wish in (None, branch)]
        assert same[0] is same[1]

    run(own_country, whole())


def test_what_a_parent_removed_and_its_child_drew_anew_is_shown_once(own_country: Database) -> None:
    with own_country.session(SYSTEM, pool="owner") as session:
        parent = session.execute(
            "insert into twin.scenario (tenant, name) values (1, 'parent') returning id"
        ).fetchone()[0]
        child = session.execute(
            "insert into twin.scenario (tenant, name, parent) values (1, 'child', %s) returning id", (parent,)
        ).fetchone()[0]
        session.execute(
            "insert into twin.overlay (scenario, layer, id, fid, tenant, classification, operation, version, was)"
            " select %s, 'tried.posts', id, fid, 1, 'public', 'remove', 1, geom from tried.posts where id = '2'",
            (parent,),
        )
        session.execute(
            "insert into twin.overlay (scenario, layer, id, fid, tenant, classification, operation, version, geom, row)"
            " select %s, 'tried.posts', id, 900002, 1, 'public', 'add', 1, geom, '{\"name\": \"again\"}' from tried.posts where id = '2'",
            (child,),
        )
        fid, lon, lat = session.execute("select fid, st_x(geom), st_y(geom) from tried.posts where id = '2'").fetchone()
    here = tile_at(lon, lat, 15)

    async def whole() -> None:
        vectors = Service(own_country).vectors
        drawn = []
        for wish in (None, parent, child):
            found = await vectors.answer((POSTS,), here, actor=SYSTEM, wish=Wish(scenario=wish))
            layers = mvt.read(gzip.decompress(found.body)) if found.body else {}
            ids = {one.id for one in layers[POSTS.name].features} if POSTS.name in layers else set()
            drawn.append(ids & {fid, 900002})
        assert drawn == [{fid}, set(), {900002}]

    run(own_country, whole())


def _made(key: Key, size: int = 100) -> Entry:
    return entry(key, bytes(size), "x/y", compress=False)


def _key(tile: Tile, layers: tuple[str, ...] = ("a.b",), access: AccessScope = PUBLIC) -> Key:
    return Key(access, layers, tile)


def test_one_tile_is_computed_once_however_many_ask() -> None:
    async def whole() -> None:
        cache, made = TileCache(1 << 20), 0

        async def make() -> Entry:
            nonlocal made
            made += 1
            await asyncio.sleep(0.01)
            return _made(_key(HERE))

        found = await asyncio.gather(*(cache.obtain(_key(HERE), make) for _ in range(50)))
        assert made == 1
        assert len({id(one) for one in found}) == 1

    asyncio.run(whole())


def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    async def whole() -> None:
        cache = TileCache(1 << 20)

        async def fail() -> Entry:
            raise Unavailable("gone", remedy="wait")

        found = await asyncio.gather(*(cache.obtain(_key(HERE), fail) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(one, Unavailable) for one in found)
        assert len(cache) == 0

    asyncio.run(whole())


def test_a_change_evicts_the_tiles_it_touches_at_all_zooms_and_no_other() -> None:
    cache = TileCache(1 << 24)
    place = BBox(30.06, -1.95, 30.06, -1.95)
    touched = [tile_at(30.06, -1.95, z) for z in range(16)]
    apart = [Tile(t.z, t.x + 3, t.y) for t in touched if t.z > 3]
    for tile in [*touched, *apart]:
        cache.put(_made(_key(tile)))
        cache.put(_made(_key(tile, ("c.d",))))
    assert cache.evict("a.b", place) == len(touched)
    assert all(cache.get(_key(tile)) is None for tile in touched)
    assert all(cache.get(_key(tile)) is not None for tile in apart)
    assert all(cache.get(_key(tile, ("c.d",))) is not None for tile in touched)


def test_a_tile_computed_while_its_data_changed_is_not_kept() -> None:
    async def whole() -> None:
        cache, begun = TileCache(1 << 20), asyncio.Event()

        async def make() -> Entry:
            begun.set()
            await asyncio.sleep(0.02)
            return _made(_key(HERE))

        asked = asyncio.create_task(cache.obtain(_key(HERE), make))
        await begun.wait()
        cache.evict("a.b", None)
        await asked
        assert cache.get(_key(HERE)) is None

    asyncio.run(whole())


def test_the_cache_weighs_bytes_and_forgets_what_was_used_least() -> None:
    cache = TileCache(10 * 1300)
    keys = [_key(Tile(10, n, 0)) for n in range(30)]
    for key in keys:
        cache.put(_made(key))
        cache.get(keys[0])
    assert cache.bytes <= cache.most_bytes
    assert cache.get(keys[0]) is not None
    assert cache.get(keys[1]) is None


def test_an_alias_dies_with_its_tile() -> None:
    cache = TileCache(1 << 20)
    made = _made(_key(HERE))
    cache.put(made)
    cache.call("raw", made)
    assert cache.known("raw") is made
    cache.evict("a.b", None)
    assert cache.known("raw") is None


def test_a_branch_change_leaves_the_base_alone(country: Database) -> None:
    vectors = VectorTiles(TRIED, country, TileCache(1 << 20))
    base, planned = Key(PUBLIC, (POSTS.name,), HERE), Key(PUBLIC, (POSTS.name,), HERE, (), ((5, 1), (2, 1)))
    for key in (base, planned):
        vectors.cache.put(_made(key))
    assert vectors.apply(Change(1, POSTS.name, 2, 1, BBox(WEST, SOUTH, WEST + 1, SOUTH + 1), 1)) == 1
    assert vectors.cache.get(base) is not None


def test_an_asker_who_leaves_cancels_the_query(country: Database) -> None:
    table = f"companion.{table_name(HOUSES, bands(HOUSES)[-1])}"
    waiting = f"select count(*) from pg_locks where not granted and relation = '{table}'::regclass"

    async def whole() -> None:
        service, left = Service(country), asyncio.Event()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            """Nobody listens."""

        async def waiters(wanted: int) -> bool:
            for _ in range(200):
                with country.session(SYSTEM, pool="owner") as session:
                    if session.execute(waiting).fetchone()[0] == wanted:
                        return True
                await asyncio.sleep(0.05)
            return False

        scope = {"type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "headers": [], "scheme": "http", "server": ("twin", 80), "client": ("here", 1), "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"}}  # fmt: skip
        await service.vectors.learn()
        with country.session(SYSTEM, pool="owner") as holder:
            holder.execute(f"lock table {table} in access exclusive mode")
            asked = asyncio.create_task(service.app(scope, receive, send))
            assert await waiters(1), "the tile's query waits for the lock"
            left.set()
            assert await waiters(0), "and is gone with its asker"
            await asked
        async with service.client() as client:
            assert (await client.get(PATH)).status_code == 200

    run(country, whole())


def test_while_the_database_is_stopped_hot_tiles_answer_and_come_back_fresh(
    own_country: Database, cluster: Cluster
) -> None:
    cold = f"/tiles/{HOUSES.name}/15/{HERE.x * 2}/{HERE.y * 2}.mvt"

    async def until(client: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
        for _ in range(600):
            answer = await client.get(path)
            if answer.status_code == status:
                break
            await asyncio.sleep(0.1)
        return answer

    async def whole() -> None:
        service = Service(own_country)
        pulse = asyncio.create_task(service.vectors.watch())
        try:
            async with service.client() as client:
                fresh = await client.get(PATH)
                await asyncio.to_thread(cluster.stop)
                refused = await until(client, cold, 503)
                for _ in range(100):
                    if service.vectors.away:
                        break
                    await asyncio.sleep(0.1)
                stale = await client.get(PATH)
                await asyncio.to_thread(cluster.start)
                again = await until(client, cold, 200)
        finally:
            await asyncio.to_thread(cluster.start)
            pulse.cancel()
        assert fresh.status_code == stale.status_code == again.status_code == 200
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "twin-stale" in stale.headers
        assert stale.content == fresh.content

    run(own_country, whole())
