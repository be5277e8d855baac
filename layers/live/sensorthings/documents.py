"""Rows as SensorThings documents: self links, navigation links, next links, data arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from layers.live.sensorthings.model import ENTITIES, OBSERVATIONS, Entity
from layers.live.sensorthings.options import Expand, Options

Document = dict[str, Any]
"""JSON; `Any` as its values are of many types."""
_PLAIN = "$(),;=/:'@-._~"


@dataclass(frozen=True, slots=True)
class Root:
    """The address of the service, such as `http://host/sensorthings/v1.1`."""

    address: str

    def link(self, of: Entity, key: object) -> str:
        return f"{self.address}/{of.name}({key})" if isinstance(key, int) else f"{self.address}/{of.name}('{key}')"

    def entity(self, of: Entity, row: Document, options: Options) -> Document:
        """One entity with what was selected of it, and what was expanded."""
        link, select = self.link(of, row["id"]), options.select
        made: Document = {}
        if select is None or "id" in select:
            made["@iot.id"] = row["id"]
        if select is None or select & {"id", "@iot.selfLink"}:
            made["@iot.selfLink"] = link
        made |= {one.name: row[one.name] for one in of.properties if one.name in row and row[one.name] is not None}
        expanded = {one.navigation.name: one for one in options.expand}
        for nav in of.navigations:
            if nav.name in expanded:
                made |= self._expanded(expanded[nav.name], row, link)
            elif select is None or nav.name in select:
                made[f"{nav.name}@iot.navigationLink"] = f"{link}/{nav.name}"
        return made

    def _expanded(self, expand: Expand, row: Document, link: str) -> Document:
        nav, options = expand.navigation, expand.options
        of, found = ENTITIES[nav.target], row[f">{nav.name}"]
        if not nav.many:
            return {nav.name: None if found is None else self.entity(of, found, options)}
        made: Document = {}
        if options.count:
            made[f"{nav.name}@iot.count"] = row[f"#{nav.name}"]
        if len(found) > options.top:
            made[f"{nav.name}@iot.nextLink"] = next_link(f"{link}/{nav.name}", options)
        made[nav.name] = [self.entity(of, one, options) for one in found[: options.top]]
        return made

    def collection(
        self, of: Entity, rows: Sequence[Document], options: Options, *, address: str, count: int | None, links: bool
    ) -> Document:
        """A page of entities. `rows`: one more than the page where there are more; `links`: their addresses alone."""
        made: Document = {} if count is None else {"@iot.count": count}
        if len(rows) > options.top:
            made["@iot.nextLink"] = next_link(address, options)
        page = rows[: options.top]
        if links:
            return made | {"value": [{"@iot.selfLink": self.link(of, row["id"])} for row in page]}
        if options.data_array:
            return made | {"value": self._arrays(page, options)}
        return made | {"value": [self.entity(of, row, options) for row in page]}

    def _arrays(self, rows: Iterable[Document], options: Options) -> list[Document]:
        """Observations by datastream, each as a list of its components."""
        names = [
            name
            for name in ("id", *(one.name for one in OBSERVATIONS.properties))
            if options.select is None or name in options.select
        ]
        by_stream: dict[int, list[list[Any]]] = {}
        for row in rows:
            by_stream.setdefault(row[">datastream"], []).append([row.get(name) for name in names])
        return [
            {
                "Datastream@iot.navigationLink": self.link(ENTITIES["Datastreams"], number),
                "components": names,
                "dataArray@iot.count": len(listed),
                "dataArray": listed,
            }
            for number, listed in by_stream.items()
        ]


def next_link(address: str, options: Options) -> str:
    words = [(name, value) for name, value in options.words if name != "$top"]
    words += [("$top", str(options.top)), ("$skip", str(options.skip + options.top))]
    return f"{address}?" + "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in words)
