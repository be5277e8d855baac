"""Our tiles beside other servers' in one run: cold, hot, unchanged and mixed, over one database, on one machine."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import httpx
import psycopg
from psycopg import sql

from app.bench import Row, row
from app.bench.answering import Rate, cold_ms, hot, pgbench_ms, tags_of
from app.bench.loaded import Loaded
from app.bench.peers import Peer, answers, copy_layers, free_port, martin, pg_tileserv, tipg
from app.compose import Opened
from layers.spec import Layer
from layers.tables import identifier
from tiles import vector
from twin.access import SYSTEM
from twin.audit import Unit
from twin.errors import Unavailable
from twin.grid import BBox, Tile, extent, tiles_over

KIGALI = BBox(29.98, -2.05, 30.20, -1.85)
RWANDA = BBox(28.86, -2.84, 30.9, -1.05)
BUILDINGS = "infrastructure.buildings"
COLD_TILES = 40
HOT_TILES, HOT_BYTES = 200, 20_000
HOT_S = 5.0
NATIONAL = {6: 0.1, 8: 0.1, 10: 0.25, 12: 0.5}
"""At most this share of tipg's time, by zoom."""
NATIONAL_TILES = 3
EDITS_PER_S = 10
GZIP = {"Accept-Encoding": "gzip"}
_START_S = 90.0


def beside_peers(twin: Loaded) -> list[Row]:
    """All of it. The service runs as one `twin serve` process. Raises Unavailable where the database is not a private one."""
    opened, registry = twin.opened, twin.registry
    if opened.private is None:
        raise Unavailable("the peers are measured on a private database", remedy="unset TWIN_DATABASE_URL")
    conninfo = opened.private.conninfo
    shown = [layer for layer in registry.vector_layers if layer.classification == "public"]
    copy_layers(conninfo, shown)
    with _service(twin.environment) as ours, tipg(conninfo) as theirs:
        tiles = _footprint_tiles(opened, registry.layers[BUILDINGS], 15)
        rows = _cold(ours, theirs, conninfo, registry.layers[BUILDINGS], tiles[:COLD_TILES])
        rows += _national(ours, theirs, shown)
        paths = _near(ours, registry.layers[BUILDINGS], opened)
        rows += _hot(ours, theirs, conninfo, registry.layers[BUILDINGS], paths, opened)
    return rows


@contextlib.contextmanager
def _service(environment: Mapping[str, str]) -> Iterator[Peer]:
    """One `twin serve` process of these settings."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"],
        env={**environment, "TWIN_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_S
        while not (answers(address) and httpx.get(f"{address}/readyz", timeout=30).status_code == 200):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable("the service to measure did not come up", remedy="run `twin serve` and read it")
            time.sleep(0.3)
        yield Peer("twin", process.pid, address, _path)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _path(layer: Layer, tile: Tile) -> str:
    return f"/tiles/{layer.name}/{tile.z}/{tile.x}/{tile.y}.mvt"


def _footprint_tiles(opened: Opened, layer: Layer, z: int) -> list[Tile]:
    """The tiles of zoom z that hold buildings in and around Kigali, the fullest first."""
    query = sql.SQL(
        "select x, y from (select floor((st_x(p) + 180) / 360 * n)::int x,"
        " floor((1 - ln(tan(radians(st_y(p))) + 1 / cos(radians(st_y(p)))) / pi()) / 2 * n)::int y"
        " from (select st_pointonsurface(geom) p, 2.0 ^ %(z)s as n from {} where geom && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)) b) t"
        " group by x, y order by count(*) desc, x, y"
    ).format(identifier(layer))
    with opened.database.session(SYSTEM, pool="bulk") as session:
        return [Tile(z, x, y) for x, y in session.execute(query, {"z": z, **KIGALI._asdict()}).fetchall()]


def _cold(ours: Peer, theirs: Peer, conninfo: str, layer: Layer, tiles: Sequence[Tile]) -> list[Row]:
    """Each of the tiles once from each: over HTTP from the servers, the bare statement through pgbench."""
    part = vector.part(layer, 15)
    if part is None or not tiles:
        raise Unavailable(
            "there are no buildings in Kigali to draw", remedy="load them: TWIN_SCOPE=kigali, or unset it"
        )
    warm = list(tiles_over(RWANDA, 10))[:5]
    for peer in (ours, theirs):
        cold_ms(peer.address, [peer.path(layer, tile) for tile in warm])
    raw = statistics.median(pgbench_ms(conninfo, [_statement(conninfo, part, tile) for tile in tiles], rounds=2))
    mine = statistics.median(cold_ms(ours.address, [ours.path(layer, tile) for tile in tiles]))
    other = statistics.median(cold_ms(theirs.address, [theirs.path(layer, tile) for tile in tiles]))
    what = f"cold tile z15 of footprints, p50 of {len(tiles)}, over HTTP"
    return [
        row(what, mine, "ms", reference="pgbench, same statement", ratio=mine / raw, goal="<= 1.25", holds=mine <= 1.25 * raw),
        row(what, mine, "ms", reference=f"tipg, {other:.1f} ms", ratio=mine / other, goal="<= 0.6", holds=mine <= 0.6 * other),
    ]  # fmt: skip


def _statement(conninfo: str, part: vector.Part, tile: Tile) -> str:
    """The statement of a tile with its values written in, for pgbench."""
    with psycopg.connect(conninfo) as connection:
        return psycopg.ClientCursor(connection).mogrify(vector.layer_query(part, tile.z), vector.bound(tile))


def _national(ours: Peer, theirs: Peer, layers: Sequence[Layer]) -> list[Row]:
    """Every public layer at four zooms, its middle tiles: our time over tipg's, the worst and how many hold."""
    rows = []
    for z, share in NATIONAL.items():
        every = list(tiles_over(RWANDA, z))
        tiles = every[:: max(len(every) // NATIONAL_TILES, 1)][:NATIONAL_TILES]
        found: dict[str, tuple[float, float]] = {}
        for layer in layers:
            if layer.min_zoom > z:
                continue
            mine = statistics.median(cold_ms(ours.address, [ours.path(layer, tile) for tile in tiles]))
            other = statistics.median(cold_ms(theirs.address, [theirs.path(layer, tile) for tile in tiles]))
            found[layer.name] = (mine, other)
        if not found:
            continue
        ratios = {name: mine / other for name, (mine, other) in found.items()}
        held = sum(ratio <= share for ratio in ratios.values())
        slow = {name: ratios[name] for name, (_, other) in found.items() if other >= 100}
        middle = statistics.median(ratios.values())
        total = sum(mine for mine, _ in found.values()) / sum(other for _, other in found.values())
        rows += [
            row(f"cold tiles z{z}, all {len(found)} layers together", sum(mine for mine, _ in found.values()), "ms",
                reference="tipg", ratio=total, goal=f"<= {share}", holds=total <= share),
            row(f"cold tiles z{z}, layers within {share} of tipg", held, f"of {len(found)}", reference="tipg, median layer", ratio=middle,
                goal="all", holds=held == len(found)),
        ]  # fmt: skip
        if slow:
            worst = max(slow, key=lambda name: slow[name])
            rows.append(
                row(f"cold tile z{z}, worst of the {len(slow)} layers where tipg takes over 100 ms: {worst}", found[worst][0], "ms",
                    reference=f"tipg, {found[worst][1]:.0f} ms", ratio=slow[worst], goal=f"<= {share}", holds=slow[worst] <= share)
            )  # fmt: skip
    return rows


def _near(ours: Peer, layer: Layer, opened: Opened) -> list[Tile]:
    """200 tiles whose plain bytes come nearest to 20 KB, all made hot."""
    sizes: dict[Tile, int] = {}
    with httpx.Client(base_url=ours.address, timeout=30, headers={"Accept-Encoding": "identity"}) as client:
        for z in (15, 16):
            for tile in _footprint_tiles(opened, layer, z)[:600]:
                sizes[tile] = len(client.get(ours.path(layer, tile)).content)
    return sorted(sizes, key=lambda tile: abs(sizes[tile] - HOT_BYTES))[:HOT_TILES]


def _hot(ours: Peer, theirs: Peer, conninfo: str, layer: Layer, tiles: Sequence[Tile], opened: Opened) -> list[Row]:
    paths = [ours.path(layer, tile) for tile in tiles]
    plain = {"Accept-Encoding": "identity"}
    hot(ours.address, ours.pid, paths, seconds=1, headers=GZIP)
    zipped = hot(ours.address, ours.pid, paths, seconds=HOT_S, headers=GZIP)
    bare = hot(ours.address, ours.pid, paths, seconds=HOT_S, headers=plain)
    same = hot(ours.address, ours.pid, paths, seconds=HOT_S, headers=GZIP, tags=tags_of(ours.address, paths, GZIP))
    with _edits(opened, layer, tiles):
        mixed = hot(
            ours.address,
            ours.pid,
            paths,
            seconds=HOT_S,
            headers=GZIP,
            tags=tags_of(ours.address, paths, GZIP)[: len(paths) // 4],
        )
    computed = hot(
        theirs.address, theirs.pid, [theirs.path(layer, tile) for tile in tiles], seconds=HOT_S, headers=GZIP
    )
    faster = zipped.per_second / computed.per_second
    rows = [
        row(f"hot tile, gzip, {len(tiles)} distinct of about 20 KB, {zipped.bytes_each / 1e3:.1f} KB sent", zipped.per_second, "answers/s",
            reference=f"tipg, which computes: {computed.per_second:.0f}/s", ratio=faster, goal=">= 100", holds=faster >= 100),
        *_told("hot tile, gzip", zipped), *_told("hot tile, identity", bare), *_told("304", same),
        row("304 over hot, answers a CPU second", same.per_cpu_second, "1/CPU-s", reference="hot, gzip", ratio=same.per_cpu_second / zipped.per_cpu_second,
            goal=">= 1.3", holds=same.per_cpu_second >= 1.3 * zipped.per_cpu_second),
        *_told(f"mixed: three quarters hot, a quarter 304, {EDITS_PER_S} edits/s evicting", mixed),
    ]  # fmt: skip
    for other in (martin, pg_tileserv):
        with other(conninfo) as peer:
            if peer is not None:
                rows += _against(peer, layer, tiles, {"gzip": (zipped, GZIP), "identity": (bare, plain)})
    return rows


def _against(
    peer: Peer, layer: Layer, tiles: Sequence[Tile], mine: Mapping[str, tuple[Rate, Mapping[str, str]]]
) -> list[Row]:
    paths = [peer.path(layer, tile) for tile in tiles]
    hot(peer.address, peer.pid, paths, seconds=2, headers={})
    rows = []
    for name, (rate, headers) in mine.items():
        found = hot(peer.address, peer.pid, paths, seconds=HOT_S, headers=headers)
        ratio = rate.per_cpu_second / found.per_cpu_second
        rows.append(
            row(f"hot tile, {name}, answers a CPU second", rate.per_cpu_second, "1/CPU-s",
                reference=f"{peer.name}, {found.per_cpu_second:.0f}, {found.bytes_each / 1e3:.1f} KB sent, p99 {found.p99_ms:.1f} ms",
                ratio=ratio, goal=">= 0.5 (Martin)", holds=ratio >= 0.5)
        )  # fmt: skip
    return rows


def _told(name: str, rate: Rate) -> list[Row]:
    return [
        row(f"{name}, answers a CPU second", rate.per_cpu_second, "1/CPU-s"),
        row(f"{name}, p99 of 16 connections", rate.p99_ms, "ms"),
    ]


@contextlib.contextmanager
def _edits(opened: Opened, layer: Layer, tiles: Sequence[Tile]) -> Iterator[None]:
    """Ten committed edits a second of buildings in those tiles, while it lasts."""
    ended = threading.Event()
    choose = sql.SQL(
        "select min(fid) from {} where geom && st_makeenvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)"
    ).format(identifier(layer))
    touch = sql.SQL("update {} set name = coalesce(name, '') || '.' where fid = %s").format(identifier(layer))
    with opened.database.session(SYSTEM) as session:
        fids = [
            found[0]
            for tile in tiles
            if (found := session.execute(choose, extent(tile)._asdict()).fetchone()) and found[0]
        ]

    def edit() -> None:
        at = 0
        while not ended.wait(1 / EDITS_PER_S):
            with opened.database.session(SYSTEM, pool="owner", unit=Unit("bench", layer.name)) as session:
                session.execute(touch, (fids[at % len(fids)],))
            at += 1

    thread = threading.Thread(target=edit, name="edits")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
