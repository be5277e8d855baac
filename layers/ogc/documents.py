"""What the OGC API says of itself and of its collections: plain values, ready for JSON or for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from layers.filters import GIVEN
from layers.formats import FORMATS
from layers.ogc.crs import CRS84, OFFERED
from layers.ogc.linking import (
    GEOJSON,
    HTML,
    JSON,
    OPENAPI,
    RELATION,
    SCHEMA,
    Extension,
    Json,
    both_forms,
    link,
)
from layers.spec import Field, Layer

TITLE = "Twin of Rwanda"
DESCRIPTION = (
    "The layers of the national digital twin. Every feature says its origin: what is synthetic, schematic, simulated or modelled"
    " is not observed."
)
CONFORMS = tuple(
    f"http://www.opengis.net/spec/{name}"
    for name in (
        "ogcapi-common-1/1.0/conf/core",
        "ogcapi-common-2/1.0/conf/collections",
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-1/1.0/conf/html",
        "ogcapi-features-1/1.0/conf/oas30",
        "ogcapi-features-2/1.0/conf/crs",
        "ogcapi-features-3/1.0/conf/queryables",
        "ogcapi-features-3/1.0/conf/queryables-query-parameters",
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/cql2-json",
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/advanced-comparison-operators",
        "cql2/1.0/conf/case-insensitive-comparison",
        "cql2/1.0/conf/basic-spatial-functions",
        "cql2/1.0/conf/basic-spatial-functions-plus",
        "cql2/1.0/conf/spatial-functions",
    )
)
_FORMATS = {"integer": "integer", "real": "number", "boolean": "boolean", "text": "string", "timestamp": "string"}


def landing(root: str, extensions: Iterable[Extension], *, html: bool = False) -> Json:
    links = [
        *both_forms(root, "", html=html),
        link(f"{root}/api", "service-desc", OPENAPI, "the API, for programs"),
        link(f"{root}/api?f=html", "service-doc", HTML, "the API, for people"),
        link(f"{root}/conformance", "conformance", JSON, "what it conforms to"),
        link(f"{root}/collections", "data", JSON, "the collections"),
    ]
    for one in extensions:
        links += one.landing(root)
    return {"title": TITLE, "description": DESCRIPTION, "links": links}


def conformance(extensions: Iterable[Extension]) -> Json:
    return {"conformsTo": [*CONFORMS, *(name for one in extensions for name in one.conforms)]}


def collections(root: str, found: list[Json], *, html: bool = False) -> Json:
    return {"links": both_forms(root, "/collections", html=html), "crs": crs_list(root), "collections": found}


def crs_list(root: str) -> list[str]:
    return [one.uri(root) for one in OFFERED]


def collection(
    root: str, layer: Layer, entry: Mapping[str, Any], extensions: Iterable[Extension], *, html: bool = False
) -> Json:
    """A collection. `entry` is the layer's of the catalogue, as the asker may know it; `Any`: it is JSON."""
    path = f"/collections/{layer.name}"
    items = f"{root}{path}/items"
    links = [
        *both_forms(root, path, html=html),
        link(items, "items", GEOJSON, "features"),
        link(f"{items}?f=html", "items", HTML, "features as a page"),
        link(f"{root}{path}/queryables", f"{RELATION}queryables", SCHEMA, "what a filter may name"),
        link(f"{root}{path}/schema", f"{RELATION}schema", SCHEMA, "what a feature holds"),
    ]
    base = root.removesuffix("/ogc")
    for form in FORMATS.values():
        if form.whole:
            address = f"{base}/layers/{layer.name}/items?f={form.name}"
            links.append(link(address, "enclosure", form.media, f"the whole layer as {form.name}"))
    for one in extensions:
        links += one.collection(root, layer)
    attribution = "; ".join(dict.fromkeys(str(one["attribution"]) for one in entry["sources"] if one["attribution"]))
    return {
        "id": layer.name,
        "title": layer.titles.en,
        "description": layer.purpose,
        "attribution": attribution,
        "license": layer.licence,
        "origins": entry["origins"],
        "itemType": "feature",
        "extent": {"spatial": {"bbox": [entry["bounds"] or [-180, -90, 180, 90]], "crs": CRS84.path}},
        "crs": crs_list(root),
        "storageCrs": CRS84.path,
        "links": links,
    }


def queryables(root: str, layer: Layer) -> Json:
    """What a filter may name, as a JSON Schema (Part 3, 7)."""
    given = {name: Field(name, kind, title=name.replace("_", " ")) for name, kind in GIVEN.items()}  # type: ignore[arg-type]  # its kinds are a field's
    properties = {"geometry": _geometry(layer)} | {name: _property(one) for name, one in given.items()}
    properties |= {one.name: _property(one) for one in layer.fields}
    return _schema(root, layer, "queryables", properties)


def schema(root: str, layer: Layer) -> Json:
    """What a feature holds, as a JSON Schema."""
    described = queryables(root, layer)["properties"]
    more = {
        "fid": {"title": "number in tiles and meshes", "type": "integer"},
        "classification": {"title": "who may read it", "type": "string"},
    }
    roles = {"id": {**described["id"], "x-ogc-role": "id"}}
    return _schema(root, layer, "schema", {**described, **more, **roles})


def _schema(root: str, layer: Layer, kind: str, properties: Json) -> Json:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{root}/collections/{layer.name}/{kind}",
        "type": "object",
        "title": layer.titles.en,
        "description": layer.purpose,
        "properties": properties,
        "additionalProperties": False,
    }


def _geometry(layer: Layer) -> Json:
    kind = "any" if layer.geometry == "Geometry" else layer.geometry.lower()
    return {"title": "geometry", "format": f"geometry-{kind}", "x-ogc-role": "primary-geometry"}


def _property(field: Field) -> Json:
    told: Json = {"title": field.title or field.name, "type": _FORMATS[field.type]}
    if field.type == "timestamp":
        told["format"] = "date-time"
    if field.unit:
        told["x-ogc-unit"] = field.unit
    if field.choices:
        told["enum"] = list(field.choices)
    for name, value in (("minimum", field.minimum), ("maximum", field.maximum)):
        if value is not None:
            told[name] = value
    return told
