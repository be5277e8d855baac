"""Features in bulk: each form read by a reader that is not ours, and what it tells compared with the table."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from layers.formats import FORMATS, chosen
from layers.registry import Registry
from layers.router import router
from twin.access import SYSTEM
from twin.db import Database, Unit
from twin.errors import BadInput
from twin.http import install_problems

TREES = "/layers/forests.trees/items"


def frame(answer: Any, form: str) -> gpd.GeoDataFrame:
    assert answer.status_code == 200, answer.text
    if form == "geoarrow":
        return gpd.GeoDataFrame.from_arrow(pa.ipc.open_stream(answer.content).read_all())
    if form == "geoparquet":
        return gpd.read_parquet(io.BytesIO(answer.content))
    return gpd.read_file(io.BytesIO(answer.content))


@pytest.mark.parametrize("form", ["geoarrow", "geoparquet", "flatgeobuf"])
def test_a_binary_form_holds_every_feature_with_its_values_and_crs(anonymous: TestClient, form: str) -> None:
    answer = anonymous.get(TREES, params={"f": form})
    assert answer.headers["content-type"] == FORMATS[form].media
    found = frame(answer, form)
    assert len(found) == 600
    assert found.crs.to_epsg() == 4326
    tree = found.set_index("id").loc["t200"]
    assert (tree["name"], tree["height_m"], tree["origin"], tree["kind"]) == ("Umusave 200", 200.0, "surveyed", "=cmd")
    assert (tree.geometry.x, tree.geometry.y) == pytest.approx((30.2, -2.0))
    assert found["name"].isna().sum() == 594
    assert found["valid_to"].isna().all()
    assert found["fid"].is_monotonic_increasing


@pytest.mark.parametrize("form", ["geoarrow", "geoparquet", "flatgeobuf"])
def test_an_empty_answer_is_a_whole_file(anonymous: TestClient, form: str) -> None:
    assert len(frame(anonymous.get(TREES, params={"f": form, "bbox": "10,10,11,11"}), form)) == 0


@pytest.mark.parametrize("form", ["geojson", "geoarrow", "geoparquet", "flatgeobuf", "csv"])
def test_every_form_takes_filter_box_fields_and_pages(anonymous: TestClient, form: str) -> None:
    words = {
        "f": form,
        "filter": "height_m BETWEEN 100 AND 300",
        "bbox": "30.15,-3,31,-1",
        "fields": "height_m",
        "limit": 20,
    }
    answer = anonymous.get(TREES, params=words)
    if form == "csv":
        lines = answer.text.splitlines()
        assert (len(lines), "kind" in lines[0]) == (21, False)
        return
    found = frame(answer, form)
    assert [*found["height_m"]] == list(range(150, 170))
    assert "kind" not in found
    after = int(found["fid"].max())
    assert [*frame(anonymous.get(TREES, params={**words, "after": after}), form)["height_m"]] == list(range(170, 190))


def test_arrow_tells_units_origin_and_sources(anonymous: TestClient) -> None:
    schema = pa.ipc.open_stream(anonymous.get(TREES, params={"f": "geoarrow"}).content).schema
    assert schema.field("height_m").metadata[b"unit"] == b"m"
    assert schema.field("geometry").metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"
    crs = json.loads(schema.field("geometry").metadata[b"ARROW:extension:metadata"])
    assert (crs["crs_type"], crs["crs"]["id"]) == ("projjson", {"authority": "EPSG", "code": 4326})
    told = json.loads(schema.metadata[b"twin"])
    assert (told["layer"], told["origins"], told["licence"]) == ("forests.trees", ["surveyed"], "CC0")
    assert told["sources"][0]["attribution"] == "the foresters"


def test_geoparquet_tells_its_extent_and_its_covering(anonymous: TestClient) -> None:
    file = pq.ParquetFile(io.BytesIO(anonymous.get(TREES, params={"f": "geoparquet"}).content))
    geo = json.loads(file.metadata.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], column["encoding"], column["geometry_types"]) == ("1.1.0", "WKB", ["Point"])
    assert column["bbox"] == pytest.approx([30.001, -2, 30.6, -2])
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    boxes = file.read(columns=["bbox"]).column("bbox").combine_chunks().field("xmin").to_numpy()
    assert np.allclose(boxes, 30 + np.arange(1, 601) * 0.001)


@pytest.mark.parametrize(
    ("name", "accept", "form"),
    [
        (None, "", "geojson"), (None, "*/*", "geojson"), (None, "text/html", "geojson"),
        (None, "application/vnd.apache.arrow.stream", "geoarrow"), (None, "text/csv;q=0.9", "csv"),
        ("fgb", "text/csv", "flatgeobuf"),
    ],
)  # fmt: skip
def test_the_form_is_chosen_by_f_then_by_accept(name: str | None, accept: str, form: str) -> None:
    assert chosen(name, accept).name == form


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(BadInput, match="shp"):
        chosen("shp")


@pytest.mark.parametrize("form", ["geoarrow", "geoparquet", "flatgeobuf"])
def test_nulls_of_every_kind_and_polygons_survive(anonymous: TestClient, forest: Database, form: str) -> None:
    with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
        session.execute("insert into forests.stands (id, geom, origin) values ('bare', null, 'derived')")
    try:
        found = frame(anonymous.get("/layers/forests.stands/items", params={"f": form}), form).set_index("id")
    finally:
        with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
            session.execute("delete from forests.stands where id = 'bare'")
    assert found.loc["bare"].geometry is None
    assert found.loc["bare"]["name"] is None
    assert found.loc["west"].geometry.geom_type == "MultiPolygon"
    assert found.loc["east"]["name"] == "Gishwati 100%"


@pytest.mark.parametrize("form", ["geojson", "geoarrow", "flatgeobuf"])
def test_who_leaves_ends_the_query_and_leaves_nothing(forest: Database, forests: Registry, form: str) -> None:
    app = FastAPI()
    app.state.database = forest
    install_problems(app)
    app.include_router(router(forests))
    waiting = "select count(*) from pg_locks where not granted and relation = 'forests.stands'::regclass"
    spools = set(Path("/tmp").glob("twin-export-*"))

    def waiters(wanted: int) -> bool:
        for _ in range(200):
            with forest.session(SYSTEM, pool="owner") as session:
                if session.execute(waiting).fetchone()[0] == wanted:
                    return True
            time.sleep(0.05)
        return False

    async def whole() -> None:
        left = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            """Nobody listens."""

        path = "/layers/forests.stands/items"
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": f"f={form}".encode(), "headers": [], "scheme": "http", "server": ("twin", 80), "client": ("here", 1), "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"}}  # fmt: skip
        with forest.session(SYSTEM, pool="owner") as holder:
            holder.execute("lock table forests.stands in access exclusive mode")
            asked = asyncio.create_task(app(scope, receive, send))
            assert await asyncio.to_thread(waiters, 1), "the query waits for the lock"
            left.set()
            await asked
            assert await asyncio.to_thread(waiters, 0), "and is gone with its asker"

    asyncio.run(whole())
    assert set(Path("/tmp").glob("twin-export-*")) == spools


def test_a_layer_partly_open_tells_of_its_open_rows_alone(
    forest: Database, anonymous: TestClient, planner: TestClient
) -> None:
    nests = "/layers/forests.nests"
    with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
        session.execute(
            "insert into forests.nests (id, geom, origin, classification) values"
            " ('open', st_setsrid(st_makepoint(30.5, -2.5), 4326), 'derived', 'public')"
        )
        session.execute(
            "update twin.layer set count = 2, origins = '{derived,surveyed}', extent = st_makeenvelope(30.1, -2.5, 30.5, -2, 4326)"
            " where name = 'forests.nests'"
        )
    try:
        seen, whole = anonymous.get(nests).json(), planner.get(nests).json()
        listed = {one["name"]: one for one in anonymous.get("/layers").json()["layers"]}["forests.nests"]
        collection = anonymous.get("/ogc/collections/forests.nests").json()
    finally:
        with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
            session.execute("delete from forests.nests where id = 'open'")
    assert (seen["count"], seen["origins"], seen["bounds"]) == (1, ["derived"], [30.5, -2.5, 30.5, -2.5])
    assert listed == seen
    assert collection["extent"]["spatial"]["bbox"] == [[30.5, -2.5, 30.5, -2.5]]
    assert (whole["count"], len(whole["origins"])) == (2, 2)


def test_what_a_time_asks_for_is_given_though_it_is_over(forest: Database, anonymous: TestClient) -> None:
    with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
        session.execute("update forests.trees set valid_from = '2020-01-01', valid_to = '2021-01-01' where id = 't7'")
    try:

        def ids(when: str | None) -> list[str]:
            words = {"id": "t7", **({"datetime": when} if when else {})}
            return [one["id"] for one in anonymous.get(TREES, params=words).json()["features"]]

        assert ids(None) == []
        assert ids("2020-06-01T00:00:00Z") == ids("2019-01-01/2020-02-01") == ids("../2020-02-01") == ["t7"]
        assert ids("2021-06-01") == []
    finally:
        with forest.session(SYSTEM, pool="owner", unit=Unit("test", "forests")) as session:
            session.execute("update forests.trees set valid_from = now(), valid_to = null where id = 't7'")
