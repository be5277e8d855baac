"""The API in OpenAPI 3.0, with the paths of each collection that the asker may see."""

from __future__ import annotations

from collections.abc import Iterable

from layers.ogc import documents
from layers.ogc.linking import GEOJSON, HTML, JSON, SCHEMA, Extension, Json
from layers.spec import Layer

USUAL_LIMIT = 10
MOST_LIMIT = 10_000


def definition(root: str, layers: tuple[Layer, ...], extensions: Iterable[Extension]) -> Json:
    """An OpenAPI 3.0 document. `root` is the server's address."""
    paths: Json = {
        "/": _get("landing", "The landing page", "Landing"),
        "/conformance": _get("conformance", "What the API conforms to", "Conformance"),
        "/collections": _get("collections", "The collections", "Collections"),
    }
    for layer in layers:
        paths |= _collection(layer)
    for one in extensions:
        paths |= one.paths(layers)
    return {
        "openapi": "3.0.3",
        "info": {"title": documents.TITLE, "description": documents.DESCRIPTION, "version": "1.0.0"},
        "servers": [{"url": root}],
        "paths": paths,
        "components": {"parameters": _PARAMETERS, "schemas": _SCHEMAS, "responses": _RESPONSES},
    }


def _collection(layer: Layer) -> Json:
    path, key = f"/collections/{layer.name}", layer.name.replace(".", "_")
    taken = ("bbox", "bbox-crs", "crs", "limit", "after", "datetime", "filter", "filter-lang", "filter-crs", "f")
    fields = [
        {"name": one, "in": "query", "required": False, "style": "form", "explode": False, "schema": {"type": "string"}}
        for one in queryable_names(layer)
    ]
    return {
        path: _get(f"{key}_collection", layer.titles.en, "Collection"),
        f"{path}/queryables": _get(f"{key}_queryables", "What a filter may name", "Schema", media=SCHEMA),
        f"{path}/schema": _get(f"{key}_schema", "What a feature holds", "Schema", media=SCHEMA),
        f"{path}/items": _get(
            f"{key}_items", f"Features of {layer.titles.en}", "Features", taken, GEOJSON, more=fields
        ),
        f"{path}/items/{{featureId}}": _get(
            f"{key}_item", f"One feature of {layer.titles.en}", "Feature", ("featureId", "crs", "f"), GEOJSON
        ),
    }


def queryable_names(layer: Layer) -> tuple[str, ...]:
    """The fields that may stand as parameters of their own; a parameter of the standard keeps its name."""
    return tuple(name for name in ("id", "origin", *(one.name for one in layer.fields)) if name not in _PARAMETERS)


def _get(
    name: str, summary: str, schema: str, taken: Iterable[str] = ("f",), media: str = JSON, more: Iterable[Json] = ()
) -> Json:
    answer = {
        "description": summary,
        "content": {
            media: {"schema": {"$ref": f"#/components/schemas/{schema}"}},
            HTML: {"schema": {"type": "string"}},
        },
    }
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": [*({"$ref": f"#/components/parameters/{one}"} for one in taken), *more],
            "responses": {
                "200": answer,
                "400": {"$ref": "#/components/responses/Problem"},
                "404": {"$ref": "#/components/responses/Problem"},
            },
        }
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return {
        "name": name, "in": "query", "required": False, "description": description, "style": "form", "explode": False,
        "schema": schema,
    }  # fmt: skip


_TEXT: Json = {"type": "string"}
_CRS: Json = {"type": "string", "format": "uri"}
_PARAMETERS: Json = {
    "f": _query("f", "json or html; else by Accept", {"type": "string", "enum": ["json", "html"]}),
    "bbox": _query(
        "bbox",
        "lower and upper corner in bbox-crs",
        {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}},
    ),
    "bbox-crs": _query("bbox-crs", "the CRS of bbox; CRS84 where absent", _CRS),
    "crs": _query("crs", "the CRS of the answer; CRS84 where absent", _CRS),
    "limit": _query(
        "limit",
        "at most so many features",
        {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": USUAL_LIMIT},
    ),
    "after": _query("after", "go on behind this fid; the link `next` has it", {"type": "integer", "minimum": 0}),
    "datetime": _query("datetime", "an instant, or start/end, where either may be ..", _TEXT),
    "filter": _query("filter", "CQL2 over the queryables", _TEXT),
    "filter-lang": _query(
        "filter-lang",
        "how the filter is written",
        {"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"},
    ),
    "filter-crs": _query("filter-crs", "the CRS of geometries in the filter; CRS84 where absent", _CRS),
    "featureId": {"name": "featureId", "in": "path", "required": True, "schema": _TEXT},
}
_LINKS: Json = {
    "type": "array",
    "items": {
        "type": "object", "required": ["href", "rel"],
        "properties": {"href": _TEXT, "rel": _TEXT, "type": _TEXT, "title": _TEXT},
    },
}  # fmt: skip


def _object(*required: str, **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


_FEATURE: Json = _object("type", "geometry", "properties", type=_TEXT, id=_TEXT, geometry={"type": "object", "nullable": True}, properties={"type": "object"}, links=_LINKS)  # fmt: skip
_SCHEMAS: Json = {
    "Landing": _object("links", title=_TEXT, description=_TEXT, links=_LINKS),
    "Conformance": _object("conformsTo", conformsTo={"type": "array", "items": _TEXT}),
    "Collections": _object(
        "links", "collections", links=_LINKS, collections={"type": "array", "items": {"type": "object"}}
    ),
    "Collection": _object(
        "id", "links", id=_TEXT, title=_TEXT, description=_TEXT, links=_LINKS, extent={"type": "object"}
    ),
    "Schema": {"type": "object"},
    "Feature": _FEATURE,
    "Features": _object(
        "type",
        "features",
        type=_TEXT,
        features={"type": "array", "items": _FEATURE},
        links=_LINKS,
        numberReturned={"type": "integer"},
        numberMatched={"type": "integer"},
        timeStamp={"type": "string", "format": "date-time"},
    ),
    "Problem": _object(
        "title", "status", type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT, remedy=_TEXT
    ),
}
_RESPONSES: Json = {
    "Problem": {
        "description": "what is wrong, and what to do",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
