"""The OGC API as pages: small, ours, without a script and without another host. Every value is escaped."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from layers.ogc.linking import HTML, Json, Link

Crumb = tuple[str, str]
"""A name and the address under the root where it leads."""
_WIDEST = 120


@functools.cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def page(root: str, title: str, body: str, crumbs: Sequence[Crumb] = ()) -> str:
    """A whole page. `body` is HTML; everything else is text."""
    way = [("Twin of Rwanda", "?f=html"), *crumbs]
    trail = "".join(f'<a href="{escape(root + path)}">{escape(name)}</a>' for name, path in way)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_style()}</style></head><body><main><nav>{trail}<span>{escape(title)}</span></nav>"
        f"<h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def landing(root: str, document: Json) -> str:
    about = f"<p>{escape(document['description'])}</p>"
    start = f'<p><a href="{escape(root)}/collections?f=html">The collections</a></p>'
    return page(root, document["title"], about + start + _links(document["links"]))


def conformance(root: str, document: Json) -> str:
    rows = "".join(f"<tr><td><code>{escape(name)}</code></td></tr>" for name in document["conformsTo"])
    return page(root, "Conformance", _sheet(rows))


def collections(root: str, document: Json) -> str:
    rows = "".join(
        f'<tr><td><a href="{escape(root)}/collections/{escape(one["id"])}?f=html">{escape(one["title"])}</a></td>'
        f"<td>{origins(one['origins'])}</td><td>{escape(one['description'])}</td><td><code>{escape(one['id'])}</code></td></tr>"
        for one in document["collections"]
    )
    head = "<tr><th>Collection</th><th>Origin</th><th>What it is for</th><th>Id</th></tr>"
    return page(root, "Collections", _sheet(head + rows))


def collection(root: str, one: Json) -> str:
    path = f"{root}/collections/{one['id']}"
    box = ", ".join(f"{side:.4f}" for side in one["extent"]["spatial"]["bbox"][0])
    facts = {
        "Origin": origins(one["origins"]),
        "From": escape(one["attribution"] or "no source is named"),
        "Licence": escape(one["license"]),
        "Extent": f"{escape(box)} <span class=quiet>west, south, east, north</span>",
        "CRS": "<br>".join(f"<code>{escape(uri)}</code>" for uri in one["crs"]),
    }
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in facts.items())
    start = f'<p>{escape(one["description"])}</p><p><a href="{escape(path)}/items?f=html">Look at its features</a></p>'
    return page(
        root, one["title"], start + _sheet(rows) + _links(one["links"]), [("Collections", "/collections?f=html")]
    )


def schema(root: str, layer: str, title: str, document: Json) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(one.get('title', ''))}</td>"
        f"<td>{escape(one.get('type') or one.get('format', ''))}</td><td>{escape(one.get('x-ogc-unit', ''))}</td>"
        f"<td>{escape(', '.join(one.get('enum', ())))}</td></tr>"
        for name, one in document["properties"].items()
    )
    head = "<tr><th>Name</th><th>Meaning</th><th>Type</th><th>Unit</th><th>Values</th></tr>"
    return page(root, title, _sheet(head + rows), _crumbs(layer, document["title"]))


def items(root: str, layer: str, title: str, features: Sequence[Json], links: Iterable[Link]) -> str:
    """Features as a table; `links` may hold `next`."""
    names = list(features[0]["properties"]) if features else []
    shown = [name for name in names if name not in ("origin", "classification", "valid_from", "valid_to")]
    head = "<tr><th>Id</th><th>Origin</th>" + "".join(f"<th>{escape(name)}</th>" for name in shown) + "</tr>"
    rows = "".join(_row(f"{root}/collections/{layer}/items/", one, shown) for one in features)
    following = next((one["href"] for one in links if one["rel"] == "next"), None)
    onward = f'<p><a href="{escape(following)}">Next page</a></p>' if following else ""
    body = (_sheet(head + rows) if features else "<p>No feature is here.</p>") + onward
    return page(root, "Features", body, _crumbs(layer, title))


def _row(items: str, feature: Json, shown: Sequence[str]) -> str:
    told = feature["properties"]
    name = f'<td><a href="{escape(items + quote(feature["id"]))}?f=html">{escape(feature["id"])}</a></td>'
    return f"<tr>{name}<td>{origins([told['origin']])}</td>{''.join(_cell(told[one]) for one in shown)}</tr>"


def item(root: str, layer: str, title: str, feature: Json) -> str:
    told = dict(feature["properties"])
    source = told.pop("source", None) or {}
    rows = f"<tr><th>origin</th><td>{origins([told.pop('origin')])}</td></tr>"
    rows += "".join(f"<tr><th>{escape(name)}</th>{_cell(value, number=False)}</tr>" for name, value in told.items())
    rows += "".join(
        f"<tr><th>source: {escape(name)}</th>{_cell(value, number=False)}</tr>" for name, value in source.items()
    )
    kind = (feature["geometry"] or {}).get("type", "no geometry")
    rows += f"<tr><th>geometry</th><td>{escape(kind)}</td></tr>"
    way = [*_crumbs(layer, title), ("Features", f"/collections/{layer}/items?f=html")]
    return page(root, str(feature["id"]), _sheet(rows) + _links(feature["links"]), way)


def api(root: str, document: Json) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{escape(one['get']['summary'])}</td></tr>"
        for path, one in document["paths"].items()
    )
    about = f'<p>The same for programs: <a href="{escape(root)}/api">OpenAPI 3.0</a></p>'
    return page(root, "API", about + _sheet(f"<tr><th>Path</th><th>What</th></tr>{rows}"))


def facts(root: str, title: str, values: Mapping[str, Any], links: Iterable[Link], crumbs: Sequence[Crumb] = ()) -> str:
    """A page of names and values; `Any`: they are JSON."""
    rows = "".join(f"<tr><th>{escape(name)}</th>{_cell(value, number=False)}</tr>" for name, value in values.items())
    return page(root, title, _sheet(rows) + _links(links), crumbs)


def origins(names: Iterable[str]) -> str:
    """The marks of where features come from."""
    return " ".join(f'<span class="origin {escape(name)}">{escape(name)}</span>' for name in names) or "&ndash;"


def _crumbs(layer: str, title: str) -> list[Crumb]:
    return [("Collections", "/collections?f=html"), (title, f"/collections/{layer}?f=html")]


def _cell(value: object, *, number: bool = True) -> str:
    if value is None:
        return "<td class=quiet>&ndash;</td>"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"<td{' class=number' if number else ''}>{value:.10g}</td>"
    said = str(value)
    return f"<td>{escape(said[:_WIDEST])}{'…' if len(said) > _WIDEST else ''}</td>"


def _links(links: Iterable[Link]) -> str:
    rows = "".join(
        f'<tr><td><a href="{escape(one["href"])}">{escape(one.get("title") or one["rel"].rpartition("/")[2])}</a></td>'
        f"<td><code>{escape(one['type'])}</code></td></tr>"
        for one in links
        if not (one["type"] == HTML and one["rel"] == "self") and not one.get("templated")
    )
    return f"<h2>Links</h2>{_sheet(rows)}"


def _sheet(rows: str) -> str:
    return f'<div class="sheet"><table>{rows}</table></div>'
