"""Scenarios: what an edit costs until it shows, indicators after it, national access, what branches weigh, height above drainage.

Over the files of TWIN_DATA for TWIN_SCOPE, or the schematic country, with the buildings that it holds: set TWIN_SCOPE=kigali or more for the
district of 100,000.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import shapely
from numpy.typing import NDArray

from app import scenery
from app.bench import Row, row
from app.bench.loaded import Loaded, loaded_twin
from app.bench.scene_tiles import serving
from app.figures import engine_of
from layers.indicators import record as records
from layers.indicators.engine import Engine
from tiles.cache import TileCache
from tiles.service import VectorTiles, Wish
from twin.access import SYSTEM, Actor, Role, actor, issue
from twin.audit import Unit
from twin.db import Session
from twin.errors import NotFound
from twin.grid import Tile, tile_at
from twin.scenarios import branches
from twin.scenarios.branches import Edit

log = logging.getLogger("twin.bench")
BUILDINGS = "infrastructure.buildings"
PLANNER = actor("bench", "planner")
HEALTH = "services.health_posts"
EDITS = 60
_AT_ONCE = 100
LARGE = 10_000
MANY, EACH = 1_000, 100
NAMES = ("people", "dwellings", "households", "density.people", "floor_area", "floor_area_ratio", "coverage")
_ZOOM = 15
_WAIT_S = 5.0
_PAUSE_S = 0.003
_SHIFT_DEG = 2e-5
_SOME = "select id, st_asbinary(geom), st_x(c), st_y(c) from infrastructure.buildings b, lateral st_centroid(b.geom) c where b.tenant = 1 {} order by hashint4(fid) limit %s"


def scenarios_bench() -> list[Row]:
    """Every row, on a twin of its own. What cannot be measured says why in a row of its own, and the rest goes on."""
    rows = [row("load of the machine at the start (1 minute)", os.getloadavg()[0], "processes")]
    rows += _measured("height above drainage", hand_of_kigali)
    with loaded_twin() as twin:
        parts: tuple[Callable[[Loaded], list[Row]], ...] = (
            indicators_after_edits, every_indicator, large_branch, edits_shown, national_access, many_branches,
        )  # fmt: skip
        for part in parts:
            rows += _measured(part.__name__.replace("_", " "), partial(part, twin))
    return [*rows, row("load of the machine at the end (1 minute)", os.getloadavg()[0], "processes")]


def _measured(what: str, work: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a part with how long it took, or one that says why there are none."""
    started = time.perf_counter()
    try:
        rows = work()
    except Exception as error:  # the edge: whatever it is, it is told, and the other parts are measured
        log.exception("%s could not be measured", what)
        return [row(f"{what}: {type(error).__name__}: {str(error)[:200]}", float("nan"), "", holds=False)]
    return [*rows, row(f"all of the above ({what})", time.perf_counter() - started, "s")]


def _shifted(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = xy + np.array([_SHIFT_DEG, 0.0])
    return moved


def _branch(twin: Loaded, name: str, edits: list[Edit]) -> int:
    with twin.opened.database.session(PLANNER, unit=Unit("bench", name)) as session:
        made = branches.create(session, f"{name} {time.time_ns()}").id
        branches.write(session, made, edits)
    return made


def _some(session: Session, count: int, *, where: str = "") -> list[tuple[str, shapely.Geometry, float, float]]:
    found = session.execute(_SOME.format(where), (count,)).fetchall()
    if not found:
        raise NotFound("no buildings are loaded", remedy="set TWIN_SCOPE to a place")
    return [(ident, shapely.from_wkb(wkb), lon, lat) for ident, wkb, lon, lat in found]


def _spread(what: str, seconds: list[float], *, goal_ms: float, share: float) -> list[Row]:
    half, most = statistics.median(seconds) * 1e3, float(np.quantile(seconds, share)) * 1e3
    return [
        row(f"{what}, p50 of {len(seconds)}", half, "ms"),
        row(f"{what}, p{share * 100:.0f}", most, "ms", goal=f"< {goal_ms:.0f}", holds=most < goal_ms),
    ]


def indicators_after_edits(twin: Loaded, *, count: int = EDITS) -> list[Row]:
    """Figures of the district with nearest to 100,000 buildings after each of `count` edits of single buildings, held against a full recomputation."""
    engine = engine_of(twin.settings, twin.opened.database, twin.registry)
    with twin.opened.database.session(PLANNER, pool="bulk") as session:
        district, buildings = _district(session)
        where = f"and b.village like '{district}%%'"
        some = _some(session, count, where=where)
        started = time.perf_counter()
        engine.evaluate(session, NAMES, district)
        cold = time.perf_counter() - started
    made = _branch(twin, "indicators", [])
    took = []
    for number, (ident, _, _, _) in enumerate(some):
        edit = Edit(BUILDINGS, "modify", ident, fields={"people": 20 + number, "storeys": 3})
        with twin.opened.database.session(PLANNER, unit=Unit("bench", "edit")) as session:
            branches.write(session, made, [edit])
        with twin.opened.database.session(PLANNER, pool="bulk") as session:
            started = time.perf_counter()
            mended = engine.evaluate(session, NAMES, district, scenario=made)
            took.append(time.perf_counter() - started)
    with twin.opened.database.session(PLANNER, pool="bulk") as session:
        started = time.perf_counter()
        whole = engine.evaluate(session, NAMES, district, scenario=made, fresh=True)
        full = time.perf_counter() - started
    same = records.canonical(records.result_of(mended)) == records.canonical(records.result_of(whole))
    named = f"{len(NAMES)} indicators of district {district} ({buildings:,} buildings)"
    return [
        row(f"{named}, first time", cold, "s"),
        *_spread(f"{named} after one edit", took, goal_ms=2000, share=0.95),
        row("the same, recomputed in full", full, "s", reference="after one edit, p50", ratio=full / statistics.median(took)),
        row("their bytes are equal", float(same), "", goal="1", holds=same),
    ]  # fmt: skip


def every_indicator(twin: Loaded, *, count: int = 10) -> list[Row]:
    """All indicators of a district after edits of single buildings, and all that rest on walking to care after a health post is added."""
    engine = engine_of(twin.settings, twin.opened.database, twin.registry)
    made = _branch(twin, "every", [])
    with twin.opened.database.session(PLANNER, pool="bulk") as session:
        district, buildings = _district(session)
        some = _some(session, 2 * count, where=f"and b.village like '{district}%%'")
        names = [name for name, one in engine.indicators.items() if "district" in one.valid]
        walks = [name for name in names if any(grid == "walk.health" for grid in engine.indicators[name].grids)]
        started = time.perf_counter()
        _figures(engine, session, names, district)
        cold = time.perf_counter() - started

    def after(edit: Edit, asked: list[str]) -> float:
        with twin.opened.database.session(PLANNER, unit=Unit("bench", "edit")) as session:
            branches.write(session, made, [edit])
        with twin.opened.database.session(PLANNER, pool="bulk") as session:
            started = time.perf_counter()
            _figures(engine, session, asked, district, scenario=made)
            return time.perf_counter() - started

    took = [after(Edit(BUILDINGS, "modify", one[0], fields={"people": 9, "storeys": 4}), names) for one in some[:count]]
    posts = [
        after(Edit(HEALTH, "add", f"bench-{n}", shapely.Point(lon, lat), {"name": "Bench"}), walks)
        for n, (_, _, lon, lat) in enumerate(some[count:])
    ]  # fmt: skip
    return [
        row(f"all {len(names)} indicators of district {district} ({buildings:,} buildings), first time", cold, "s"),
        *_spread(f"all {len(names)} after one edit", took, goal_ms=2000, share=0.95),
        *_spread(f"the {len(walks)} that rest on the walk to care, after one health post", posts, goal_ms=2000, share=0.95),
    ]  # fmt: skip


def _figures(engine: Engine, session: Session, names: list[str], place: str, *, scenario: int | None = None) -> None:
    """Asks for figures, however many, in as many questions as the engine wants."""
    for first in range(0, len(names), _AT_ONCE):
        engine.evaluate(session, names[first : first + _AT_ONCE], place, scenario=scenario)


def _district(session: Session) -> tuple[str, int]:
    """The district with nearest to 100,000 buildings, and how many it has."""
    found = session.execute(
        "select left(village, 2), count(*) from infrastructure.buildings where village <> '' group by 1 order by abs(count(*) - 100000) limit 1"
    ).fetchone()
    if found is None:
        raise NotFound("no buildings are loaded", remedy="set TWIN_SCOPE to a place")
    return str(found[0]), int(found[1])


def many_branches(twin: Loaded, *, count: int = MANY, each: int = EACH) -> list[Row]:
    """What `count` branches of `each` edits take on disk, per edit beside one branch of as many; and how long listing takes."""
    sizes = "select sum(pg_total_relation_size(one)) from unnest('{twin.scenario,twin.overlay,twin.change_set,twin.edit}'::regclass[]) one"
    database = twin.opened.database

    def size() -> int:
        with database.session(SYSTEM) as session:
            found = session.execute(sizes).fetchone()
        return int(found[0]) if found else 0

    with database.session(PLANNER) as session:
        some = _some(session, 2 * each)
    edits = [Edit(BUILDINGS, "modify", ident, fields={"storeys": 2 + n % 5}) for n, (ident, *_) in enumerate(some)]
    before, started = size(), time.perf_counter()
    for number in range(count // 10):
        _branch(twin, f"a {number}", edits[:each])
    tenth, tenth_s = size() - before, time.perf_counter() - started
    for number in range(count // 10, count):
        _branch(twin, f"a {number}", edits[:each])
    whole = size() - before
    before = size()
    for number in range(count // 10):
        _branch(twin, f"b {number}", edits)
    double = size() - before
    took = []
    for _ in range(20):
        with database.session(PLANNER) as session:
            started = time.perf_counter()
            listed = branches.listing(session, limit=count)
            took.append(time.perf_counter() - started)
    per_edit = whole / (count * each)
    grows = whole / tenth / 10
    return [
        row(f"{count} branches of {each} edits, storage per edit", per_edit, "B"),
        row("its growth from a tenth of the branches", grows, "x", goal="0.8 to 1.25", holds=0.8 <= grows <= 1.25),
        row("its growth with twice the edits in a branch", double / tenth, "x", goal="1.6 to 2.4", holds=1.6 <= double / tenth <= 2.4),
        row("writing branches", count // 10 * each / tenth_s, "edits/s"),
        *_spread(f"listing {len(listed)} branches", took, goal_ms=100, share=0.95),
    ]  # fmt: skip


def large_branch(twin: Loaded, *, count: int = LARGE) -> list[Row]:
    """Tiles and cells of a branch with `count` edits, computed, over the same of the base."""
    with twin.opened.database.session(PLANNER) as session:
        some = _some(session, count)
    edits = [
        Edit(BUILDINGS, "modify", ident, shapely.transform(shape, _shifted), {"storeys": 5})
        for ident, shape, _, _ in some
    ]
    started = time.perf_counter()
    made = _branch(twin, "large", edits)
    wrote = time.perf_counter() - started
    tiles = list(dict.fromkeys(tile_at(lon, lat, _ZOOM) for _, _, lon, lat in some))[:60]
    base, ours = asyncio.run(_tiles(twin, tiles, made))
    cell_base, cell_ours = _cells(twin, made)
    return [
        row(f"writing a branch of {len(edits)} edits", len(edits) / wrote, "edits/s"),
        row("its tile, computed, p50", ours, "ms", reference="the base's", ratio=ours / base, goal="<= 1.3 x", holds=ours <= 1.3 * base),
        row("its cell, computed, p50", cell_ours, "ms", reference="the base's", ratio=cell_ours / cell_base, goal="<= 1.3 x", holds=cell_ours <= 1.3 * cell_base),
    ]  # fmt: skip


async def _tiles(twin: Loaded, tiles: list[Tile], scenario: int) -> tuple[float, float]:
    """Median ms of a tile of the buildings as base and as branch, turn about."""
    vectors = VectorTiles(twin.registry, twin.opened.database, TileCache(1 << 20))
    await vectors.learn()
    layer = twin.registry.vector(BUILDINGS)
    took: tuple[list[float], list[float]] = ([], [])
    for tile in [tiles[0], *tiles]:  # the first one warms
        for which, wish in ((0, None), (1, Wish(scenario=scenario))):
            vectors.cache.clear()
            started = time.perf_counter()
            await vectors.answer((layer,), tile, actor=PLANNER, wish=wish)
            took[which].append((time.perf_counter() - started) * 1e3)
    await twin.opened.database.close_async()
    return statistics.median(took[0][1:]), statistics.median(took[1][1:])


def _cells(twin: Loaded, scenario: int, *, most: int = 40) -> tuple[float, float]:
    """Median ms of a cell's content as base and as branch, turn about."""
    from scenes.quadtree import cell_of

    scene = scenery.scenes_over(twin.opened.database, twin.settings.data.region)["buildings"]
    with twin.opened.database.session(PLANNER, pool="tiles") as session:
        rows = session.execute(
            "select cell from scenes.cell where scene = 'buildings' group by cell order by sum(count) desc limit %s",
            (most,),
        ).fetchall()
        took: tuple[list[float], list[float]] = ([], [])
        for (key,) in [rows[0], *rows]:
            for which, one in ((0, None), (1, scenario)):
                started = time.perf_counter()
                scene.tile(session, cell_of(int(key)), one, "meshopt")
                took[which].append((time.perf_counter() - started) * 1e3)
    return statistics.median(took[0][1:]), statistics.median(took[1][1:])


def edits_shown(twin: Loaded, *, count: int = EDITS) -> list[Row]:
    """From the commit of an edit of a branch until its tile, and its cell, answer anew over HTTP."""
    from datetime import timedelta

    role: Role = "planner"
    token = issue(twin.opened.database, SYSTEM, name="bench", role=role, ttl=timedelta(hours=1)).secret
    made = _branch(twin, "shown", [])
    with twin.opened.database.session(PLANNER) as session:
        some = _some(session, count)
        keys = session.execute(
            "select t.id, b.cell from infrastructure.buildings t join scenes.building b using (fid) where t.id = any(%s)",
            ([one[0] for one in some],),
        ).fetchall()
    cells = {ident: int(key) for ident, key in keys}
    with serving(twin.environment) as address:
        parts = urlsplit(address)
        client = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)

        def tag(path: str) -> str | None:
            client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = client.getresponse()
            answer.read()
            return answer.getheader("etag")

        tile_s, cell_s = [], []
        for ident, shape, lon, lat in some:
            tile = tile_at(lon, lat, _ZOOM)
            path = f"/tiles/{BUILDINGS}/{tile.z}/{tile.x}/{tile.y}.mvt?scenario={made}"
            moved = shapely.transform(shape, _shifted)
            tile_s.append(_until(twin, made, Edit(BUILDINGS, "modify", ident, moved), partial(tag, path)))
            if ident in cells:
                from scenes.quadtree import cell_of

                cell = cell_of(cells[ident])
                path = f"/scenes/buildings/content/{cell.level}/{cell.x}/{cell.y}.glb?scenario={made}"
                edit = Edit(BUILDINGS, "modify", ident, fields={"height_m": 33.0, "storeys": 11})
                cell_s.append(_until(twin, made, edit, partial(tag, path)))
        client.close()
    found = _spread("edit of a branch to its fresh tile", tile_s, goal_ms=500, share=0.99)
    return [*found, *(_spread("edit of a branch to its fresh mesh", cell_s, goal_ms=500, share=0.99) if cell_s else [])]


def _until(twin: Loaded, scenario: int, edit: Edit, tag: Callable[[], str | None]) -> float:
    """Seconds from the commit until the answer is another one; _WAIT_S where it never is."""
    before = tag()
    with twin.opened.database.session(PLANNER, unit=Unit("bench", "edit")) as session:
        branches.write(session, scenario, [edit])
    started = time.perf_counter()
    while tag() == before and time.perf_counter() - started < _WAIT_S:
        time.sleep(_PAUSE_S)
    return time.perf_counter() - started


def national_access(twin: Loaded) -> list[Row]:
    """Minutes on foot from every 100 m cell and every village to the nearest health site: from the tables, and with the cost grid at hand."""
    from layers.indicators import walks
    from layers.indicators.spec import GridProvider

    rows: list[Row] = []
    reader: Actor = PLANNER
    for what, goal in (("from tables", 30.0), ("with the cost grid cached", 10.0)):
        engine = engine_of(twin.settings, twin.opened.database, twin.registry)
        provider: GridProvider = engine.grids.provider("walk.health")
        usual = {one.name: one.default for one in provider.parameters}
        with twin.opened.database.session(reader, pool="bulk") as session:
            villages = engine.villages.get(session)
            middles = shapely.get_coordinates(shapely.point_on_surface(villages.shapes))
            started = time.perf_counter()
            sampler = engine.grids.sampler(session, "walk.health", usual)
            reached = np.isfinite(sampler.sample(middles[:, 0], middles[:, 1])).sum()
            took = time.perf_counter() - started
        rows.append(row(f"walks to health sites, {reached:,} of {len(villages):,} villages reached, {what}", took, "s", goal=f"< {goal:.0f}", holds=took < goal))  # fmt: skip
        walks._WALKS.found.clear()  # noqa: SLF001  # what was walked is given up, the cost grid stays
    return rows


def hand_of_kigali() -> list[Row]:
    """Height above the nearest drainage of the 10 m model of Kigali, in a process of its own, so that its memory is its own."""
    folder = os.environ.get("TWIN_DATA")
    if not folder:
        return []
    words = (
        "import sys, time, rasterio, numpy as np\n"
        "from layers.models.flood import hand\n"
        "with rasterio.open(sys.argv[1]) as file:\n"
        "    ground, cell, void = file.read(1), file.res[0], file.nodata\n"
        "began = time.perf_counter()\n"
        "made = hand(ground, cell, void=void)\n"
        "print(time.perf_counter() - began, made.height_m.size)\n"
    )
    path = f"{folder}/terrain/kigali_10m_utm35s.tif"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", words, path], capture_output=True, text=True, check=True, timeout=900)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took, cells = (float(one) for one in done.stdout.split())
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return [
        row(
            f"height above drainage of {cells / 1e6:.1f} million cells of 10 m", took, "s", goal="< 30", holds=took < 30
        ),
        row("its processor, compiling and reading included", after.ru_utime - before.ru_utime, "CPU-s"),
        row("its memory, whole process", most, "GiB", goal="< 2", holds=most < 2),
    ]
