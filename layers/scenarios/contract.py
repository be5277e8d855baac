"""What the contract of a layer asks of an edit: that it may be edited, choices, ranges, what is required, and the country's border."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from layers.query import require_readable
from layers.tables import identifier
from twin.errors import BadInput
from twin.scenarios.edits import geometry

if TYPE_CHECKING:
    from layers.registry import Registry
    from layers.spec import Field, Layer
    from twin.db import Session
    from twin.scenarios.edits import Edit


def check(session: Session, registry: Registry, edits: Sequence[Edit]) -> None:
    """Raises NotFound for a layer that is not there for this actor, BadInput for an edit that its layer's contract forbids."""
    for name in sorted({edit.layer for edit in edits}):
        layer = registry.layer(name)
        require_readable(session, layer)
        registry.vector(name)
        if not layer.editable:
            others = ", ".join(one.name for one in registry.vector_layers if one.editable)
            raise BadInput(f"layer {name} is not edited in scenarios", remedy=f"those that are: {others or 'none'}")
        mine = [edit for edit in edits if edit.layer == name]
        for edit in mine:
            if edit.operation != "remove":
                _fields(layer, edit)
        _inside(session, registry, layer, mine)


def _fields(layer: Layer, edit: Edit) -> None:
    given = edit.fields or {}
    for field in layer.fields:
        if field.name in given:
            value = given[field.name]
            if value is None:
                if field.required:
                    raise _refused(layer, field, edit, "it is required", "give a value")
            else:
                _value(layer, field, edit, value)
        elif field.required and edit.operation == "add":
            raise _refused(layer, field, edit, "it is required", "give a value")


def _value(layer: Layer, field: Field, edit: Edit, value: object) -> None:
    """Choices and ranges; whether the value is of the field's type is checked where it is written."""
    if field.choices and value not in field.choices:
        raise _refused(layer, field, edit, f"it cannot be {str(value)[:40]!r}", f"choose of {', '.join(field.choices)}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = field.minimum, field.maximum
        # Written so that a NaN fails too.
        if not ((low is None or value >= low) and (high is None or value <= high)):
            unit = f" {field.unit}" if field.unit else ""
            span = f"{'' if low is None else f'at least {low:g}'}{' and ' if None not in (low, high) else ''}" + (
                "" if high is None else f"at most {high:g}"
            )
            raise _refused(layer, field, edit, f"it cannot be {value:g}{unit}", f"give {span}{unit}")


def _refused(layer: Layer, field: Field, edit: Edit, why: str, remedy: str) -> BadInput:
    return BadInput(f"{layer.name}.{field.name} of {edit.id}: {why}", remedy=remedy, layer=layer.name, field=field.name)


def border(registry: Registry) -> Layer | None:
    """The layer whose polygons bound the country: the one that most sources name; None where none does."""
    named = Counter(source.inside for source in registry.sources if source.inside)
    return registry.layer(named.most_common(1)[0][0]) if named else None


def _inside(session: Session, registry: Registry, layer: Layer, edits: Sequence[Edit]) -> None:
    """Refuse what lies wholly outside the country; while the border's layer is empty nothing is checked."""
    bounds = border(registry)
    drawn = [edit for edit in edits if edit.geometry is not None and edit.operation != "remove"]
    shapes = [geometry(edit, f"geometry({layer.geometry},4326)") for edit in drawn]
    if bounds is None or bounds.name == layer.name or not drawn:
        return
    table = identifier(bounds)
    if session.execute(sql.SQL("select from {} limit 1").format(table)).fetchone() is None:
        return
    row = session.execute(
        sql.SQL(
            "select e.ordinal from unnest(%s::text[]) with ordinality as e(ewkb, ordinal)"
            " cross join lateral (select e.ewkb::geometry as geom) g"
            " where not exists (select from {} b where b.geom && g.geom and st_intersects(b.geom, g.geom)) limit 1"
        ).format(table),
        (shapes,),
    ).fetchone()
    if row is not None:
        raise BadInput(
            f"{drawn[row[0] - 1].id} of {layer.name} lies outside the country",
            remedy=f"draw it inside {bounds.name}; coordinates are lon, lat in degrees",
        )
