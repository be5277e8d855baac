"""The contracts of buildings, roads and waterways; those of the supply networks are in `networks`."""

from __future__ import annotations

from layers.sectors.infrastructure.networks import NETWORKS
from layers.spec import Field, Layer, Style, Titles
from layers.synthesis.settling import settle_buildings

USES = ("residential", "commercial", "industrial", "public", "education", "health", "mixed", "agricultural", "other")
ROOFS = ("flat", "skillion", "gabled", "hipped", "pyramidal", "other")
NAME = Field("name", title="Name")
LENGTH = Field("length_m", "real", title="Length", unit="m", minimum=0, min_zoom=12)

BUILDINGS = Layer(
    name="infrastructure.buildings",
    geometry="Polygon",
    titles=Titles("Inyubako", "Buildings", "Bâtiments"),
    purpose="Where people live and work: planning, exposure, demand. Synthetic where no footprints were given.",
    licence="as the twin; ODbL 1.0 where OpenStreetMap is the source",
    id_rule="syn:<village>:<n>, or osm:w<id> and osm:r<id>, or the file's own key",
    fields=(
        Field("use", title="Use", choices=USES),
        Field("storeys", "integer", title="Storeys", minimum=1, maximum=200),
        Field("height_m", "real", title="Top of the roof above the lowest ground", unit="m", minimum=0, maximum=900),
        Field("height_se_m", "real", title="Standard error of the height", unit="m", minimum=0, error_of="height_m", min_zoom=16),
        Field("height_origin", title="How the height is known", choices=("measured", "tagged", "inferred"), min_zoom=16),
        Field("roof_shape", title="Roof", choices=ROOFS, min_zoom=16),
        Field("roof_height_m", "real", title="Height of the roof itself", unit="m", minimum=0, min_zoom=16),
        Field("ground_m", "real", title="Lowest ground under the footprint, above EGM96", unit="m", minimum=-500, maximum=9000),
        Field(
            "ground_max_m", "real", title="Highest ground under the footprint, above EGM96", unit="m", minimum=-500, maximum=9000,
            min_zoom=16,
        ),
        Field("ground_se_m", "real", title="Standard error of the ground", unit="m", minimum=0, error_of="ground_m", min_zoom=16),
        Field("floor_area_m2", "real", title="Floor area, all storeys", unit="m2", minimum=0, min_zoom=16),
        Field(
            "floor_area_se_m2", "real", title="Standard error of the floor area", unit="m2", minimum=0, error_of="floor_area_m2",
            min_zoom=16,
        ),
        Field("dwellings", "integer", title="Dwellings", minimum=0),
        Field("people", "integer", title="People", unit="people", minimum=0),
        Field("people_se", "real", title="Standard error of people", unit="people", minimum=0, error_of="people", min_zoom=16),
        Field("jobs", "integer", title="Jobs at work there", unit="jobs", minimum=0, min_zoom=16),
        Field("parcel", title="Parcel id", min_zoom=16),
        Field("village", title="Village id", min_zoom=16),
        NAME,
        # regular; untested where no elevation is known; steep, wetland, water or crowded where the siting rule yielded.
        Field("siting", title="Siting", min_zoom=16),
    ),
    min_zoom=14,
    max_zoom=15,
    style=Style(theme="building", order=60, visible=True, extrude="height_m"),
    editable=True,
    rank="height_m",
    settle=settle_buildings,
)  # fmt: skip

ROADS = Layer(
    name="infrastructure.roads",
    geometry="LineString",
    titles=Titles("Imihanda", "Roads", "Routes"),
    purpose="Getting there: access, transport, addresses.",
    licence="ODbL 1.0",
    id_rule="osm:w<way id>",
    fields=(
        NAME,
        Field("class", title="Class, as OpenStreetMap's highway", required=True),
        Field("importance", "integer", title="Importance: 9 motorway to 1 path", minimum=1, maximum=9),
        Field("ref", title="Number"),
        Field("surface", title="Surface", min_zoom=12),
        Field("lanes", "integer", title="Lanes", unit="lanes", minimum=1, maximum=16, min_zoom=12),
        Field("width_m", "real", title="Width", unit="m", minimum=0, maximum=200, min_zoom=12),
        Field("oneway", "boolean", title="One way", min_zoom=12),
        Field("bridge", "boolean", title="Bridge", min_zoom=12),
        LENGTH,
    ),
    min_zoom=5,
    style=Style(theme="road", label="name", order=40, visible=True),
    editable=True,
    rank="importance",
)

WATERWAYS = Layer(
    name="infrastructure.waterways",
    geometry="MultiLineString",
    titles=Titles("Imigezi n'inzuzi", "Waterways", "Cours d'eau"),
    purpose="Rivers and canals: flood, supply, crossings.",
    licence="ODbL 1.0",
    id_rule="osm:w<way id>",
    fields=(
        NAME,
        Field("class", title="Kind, as OpenStreetMap's waterway"),
        Field("tunnel", "boolean", title="In a culvert"),
        LENGTH,
    ),
    min_zoom=6,
    style=Style(theme="water", label="name", order=7, visible=True),
    rank="length_m",
)

POWER = Layer(
    name="infrastructure.power",
    geometry="Geometry",
    titles=Titles("Amashanyarazi", "Electricity", "Réseau électrique"),
    purpose="Pylons, poles, lines and plants that volunteers have mapped; the grid itself is not open data.",
    licence="ODbL 1.0",
    id_rule="osm:<n, w or r><id>",
    fields=(
        NAME,
        Field("kind", title="Kind, as OpenStreetMap's power"),
        Field("voltage", title="Voltages as tagged, volts", min_zoom=12),
        Field("operator", title="Operator", min_zoom=12),
    ),
    min_zoom=9,
    style=Style(theme="power", order=45),
    editable=True,
)

LAYERS = (BUILDINGS, ROADS, WATERWAYS, *NETWORKS, POWER)
