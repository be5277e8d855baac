"""The frames of the time slider and the GeoPackage of a view, asked of a running service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pyogrio
import pytest

from app.pages.frames import told, width_of
from twin.errors import BadInput

if TYPE_CHECKING:
    from tests.conftest import Service

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HUYE = "29.6,-2.7,29.9,-2.4"


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (timedelta(hours=1), 60),
        (timedelta(days=1), 900),
        (timedelta(days=30), 3600),
        (timedelta(days=365), 86_400),
    ],
)
def test_a_longer_span_comes_in_wider_frames(span: timedelta, width: int) -> None:
    assert width_of(NOW - span, NOW) == width


@pytest.mark.parametrize("span", [timedelta(0), timedelta(days=-1), timedelta(days=900)])
def test_a_span_without_length_or_beyond_what_is_kept_is_refused(span: timedelta) -> None:
    with pytest.raises(BadInput):
        width_of(NOW - span, NOW)


def test_each_stream_has_one_value_or_none_for_each_frame() -> None:
    rows = [
        ("bus-1", 1, 30.0, -2.0, "simulated", "speed", "m/s", True, 7, [900, 1800], [1.0, 2.0]),
        ("grid-1", 2, 30.1, -2.1, "simulated", "voltage", "V", False, 8, [1800], [229.123456]),
    ]
    said = told(rows, [(7, 1800, 30.123456789, -2.0)])
    assert said["times"] == [900, 1800]
    assert [one["values"] for one in said["streams"]] == [[1.0, 2.0], [None, 229.12]]
    assert said["streams"][0]["path"] == [None, [30.12346, -2.0]]
    assert "path" not in said["streams"][1]


def test_the_service_gives_frames_of_the_last_hour(service: Service) -> None:
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    answer = httpx.get(f"{service.address}/live/frames", params={"since": since}, timeout=30)
    assert answer.status_code == 200
    said = answer.json()
    assert said["width_s"] == 60
    assert all(len(one["values"]) == len(said["times"]) for one in said["streams"])


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01T00:00:00", "2999-01-01T00:00:00Z", "' or 1=1"])
def test_a_span_that_is_none_is_refused_with_a_remedy(service: Service, since: str) -> None:
    answer = httpx.get(f"{service.address}/live/frames", params={"since": since}, timeout=30)
    assert answer.status_code in {400, 422}
    assert answer.json()["remedy"]


def test_a_view_leaves_as_a_geopackage_of_its_layers(service: Service, tmp_path: Path) -> None:
    asked = {"layers": "land.districts,land.lakes,land.terrain", "bbox": HUYE}
    answer = httpx.get(f"{service.address}/export.gpkg", params=asked, timeout=60)
    assert answer.status_code == 200
    file = tmp_path / "view.gpkg"
    file.write_bytes(answer.content)
    assert "land_districts" in {str(name) for name, _ in pyogrio.list_layers(file)}
    info = pyogrio.read_info(file, layer="land_districts")
    assert info["features"] >= 1
    assert {"id", "origin", "name"} <= set(info["fields"])
    assert info["crs"] == "EPSG:4326"


@pytest.mark.parametrize(
    ("layers", "bbox"),
    [
        ("land.parcels", HUYE),
        ("land.terrain", HUYE),
        ("no.layer", HUYE),
        ("land.districts", "0,0,1,1"),
        ("land.districts", "nonsense"),
        ("../../etc/passwd", HUYE),
    ],
)
def test_restricted_layers_pictures_and_nonsense_give_no_package(service: Service, layers: str, bbox: str) -> None:
    answer = httpx.get(f"{service.address}/export.gpkg", params={"layers": layers, "bbox": bbox}, timeout=60)
    assert answer.status_code in {400, 404, 422}
    assert answer.json()["remedy"]


def test_a_package_tells_how_far_it_is_before_its_bytes(service: Service, tmp_path: Path) -> None:
    asked = {"layers": "land.districts,land.sectors,land.lakes", "bbox": HUYE, "progress": "true"}
    answer = httpx.get(f"{service.address}/export.gpkg", params=asked, timeout=60)
    *lines, rest = answer.content.split(b"\n", 4)
    told = [json.loads(line) for line in lines]
    assert [(one.get("at"), one.get("of")) for one in told[:3]] == [(1, 3), (2, 3), (3, 3)]
    assert [one["features"] for one in told[:3]] == sorted(one["features"] for one in told[:3])
    assert told[3] == {"bytes": len(rest)}
    file = tmp_path / "view.gpkg"
    file.write_bytes(rest)
    assert pyogrio.read_info(file, layer="land_districts")["features"] == told[1]["features"]


def test_a_package_of_nothing_tells_why_in_its_last_line(service: Service) -> None:
    asked = {"layers": "land.districts", "bbox": "0,0,1,1", "progress": "true"}
    answer = httpx.get(f"{service.address}/export.gpkg", params=asked, timeout=60)
    told = json.loads(answer.text.splitlines()[-1])
    assert "nothing" in told["detail"]
    assert told["remedy"]
