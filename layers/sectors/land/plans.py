"""The contracts of what planners draw: zones with their rules, and shocks that a branch supposes."""

from __future__ import annotations

from layers.spec import Field, Layer, Style, Titles

_LICENCE = "as the twin"


def _share(use: str) -> Field:
    return Field(f"{use}_share", "real", title=f"Share of floor area that is {use}", minimum=0, maximum=1, min_zoom=12)


ZONES = Layer(
    name="land.zones",
    geometry="Polygon",
    titles=Titles("Uduce tw'igenamigambi", "Planning zones", "Zones d'urbanisme"),
    purpose="What may be built where: uses, floor area ratio, height, coverage, setbacks, smallest parcel.",
    licence=_LICENCE,
    id_rule="zone:<hash of the outline and rules>, or a name of the planner's",
    fields=(
        Field("name", title="Name", required=True),
        Field(
            "use", title="Leading use", choices=("residential", "commercial", "industrial", "public", "agricultural", "mixed", "open")
        ),
        _share("residential"),
        _share("commercial"),
        _share("industrial"),
        _share("public"),
        _share("agricultural"),
        Field("far", "real", title="Floor area ratio: floor area over parcel area, at most", minimum=0, maximum=30),
        Field("max_height_m", "real", title="Top of a building above its lowest ground, at most", unit="m", minimum=0, maximum=500),
        Field("coverage", "real", title="Footprints over parcel area, at most", minimum=0, maximum=1),
        Field("setback_m", "real", title="From a building to the edge of its parcel, at least", unit="m", minimum=0, maximum=100),
        Field("setback_road_m", "real", title="From a building to the edge of a road, at least", unit="m", minimum=0, maximum=100),
        Field("min_parcel_m2", "real", title="Smallest parcel that is built on", unit="m2", minimum=0, maximum=1_000_000),
        Field("area_m2", "real", title="Area", unit="m2", minimum=0),
    ),
    min_zoom=9,
    style=Style(theme="parcel", label="name", order=21, visible=True),
    editable=True,
)  # fmt: skip

SHOCKS = Layer(
    name="land.shocks",
    geometry="Geometry",
    titles=Titles("Ibyahungabanya", "Shocks", "Chocs"),
    purpose="What a branch supposes to happen: jobs come or gone, a road closed, water risen, a transformer failed.",
    licence=_LICENCE,
    id_rule="shock:<hash of kind, place and size>",
    fields=(
        Field("name", title="Name"),
        Field("kind", title="Kind", choices=("jobs", "road closed", "flood", "transformer failed"), required=True),
        Field("jobs", "integer", title="Jobs that come; below zero, that go", unit="jobs", minimum=-1_000_000, maximum=1_000_000),
        Field("level_m", "real", title="Water above the nearest drainage", unit="m", minimum=0, maximum=100),
        Field("radius_m", "real", title="How far the failure reaches", unit="m", minimum=0, maximum=50_000),
        Field("feature", title="Layer and id of what fails", min_zoom=12),
    ),
    min_zoom=9,
    style=Style(theme="neutral", label="name", order=89, visible=True),
    editable=True,
)  # fmt: skip

PLANS = (ZONES, SHOCKS)
