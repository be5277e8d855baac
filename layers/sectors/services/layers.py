"""The contracts of the service layers."""

from __future__ import annotations

from layers.spec import Field, Layer, Style, Titles

NAME = Field("name", title="Name", required=True)
KIND = Field("kind", title="Kind")
PROVINCE = Field("province", title="Province, as written", min_zoom=12)
DISTRICT = Field("district", title="District, as written", min_zoom=12)
SECTOR = Field("sector", title="Sector, as written", min_zoom=12)
REFERS_TO = Field("refers_to", title="Refers patients to")
_WITHHELD = "not stated by the ministry's workbook: not to be passed on"
_SURVEYED = "CC BY 4.0"


def _health(table: str, titles: Titles, purpose: str, id_rule: str, *more: Field, zoom: int, order: int) -> Layer:
    """A layer of the ministry's workbook. Its licence is not stated, so it is restricted: no export, no baking, no pictures."""
    return Layer(
        name=f"services.{table}",
        geometry="Point",
        titles=titles,
        purpose=purpose,
        licence=_WITHHELD,
        classification="restricted",
        id_rule=id_rule,
        fields=(NAME, KIND, PROVINCE, DISTRICT, *more),
        min_zoom=zoom,
        style=Style(theme="health", label="name", order=order, visible=True),
        editable=True,
    )


HEALTH_POSTS = _health(
    "health_posts", Titles("Amavuriro y'ibanze", "Health posts", "Postes de santé"),
    "The nearest care: walking time, staffing.", "hp:<hash of name and position>; the file has no key and repeats names",
    zoom=9, order=70,
)  # fmt: skip
HEALTH_CENTRES = _health(
    "health_centres", Titles("Ibigo nderabuzima", "Health centres", "Centres de santé"),
    "Primary care of a sector and its referral hospital.", "hc:<name>, unique in the file", SECTOR, REFERS_TO, zoom=8, order=71,
)  # fmt: skip
HOSPITALS = _health(
    "hospitals", Titles("Ibitaro", "Hospitals", "Hôpitaux"),
    "Second and third level of care.", "ho:<name>, unique in the file", REFERS_TO, zoom=6, order=72,
)  # fmt: skip


def _surveyed(table: str, titles: Titles, theme: str, purpose: str, *more: Field, zoom: int) -> Layer:
    """A layer of the utility's survey of facilities; east of 29.98 E only."""
    return Layer(
        name=f"services.{table}",
        geometry="Point",
        titles=titles,
        purpose=f"{purpose} East of 29.98 E only.",
        licence=_SURVEYED,
        id_rule="<kind of facility>:<hash of name and position>; the file's own id repeats",
        fields=(
            NAME,
            KIND,
            *more,
            Field("staff", "integer", title="Staff", unit="people", minimum=0),
            Field("water_connected", "boolean", title="Connected to water"),
            Field("water_regular", "boolean", title="Water comes regularly", min_zoom=12),
            Field("connection_works", "boolean", title="The connection works", min_zoom=12),
            Field("observation", title="Observation", min_zoom=14),
            Field("file_id", title="The file's own id, not unique", min_zoom=15),
            DISTRICT,
            SECTOR,
            Field("cell", title="Cell, as written", min_zoom=12),
        ),
        min_zoom=zoom,
        style=Style(theme=theme, label="name", order=65),
        editable=True,
    )


PUPILS = Field("pupils", "integer", title="Pupils or students", unit="people", minimum=0)
VISITORS = Field("visitors", "integer", title="Visitors a day, as reported", unit="people/day", minimum=0)

SCHOOLS = _surveyed(
    "schools", Titles("Amashuri", "Schools", "Écoles"), "education", "Places to learn: walking distance, crowding, water.", PUPILS,
    zoom=9,
)  # fmt: skip
EARLY_CHILDHOOD = _surveyed(
    "early_childhood",
    Titles("Ingo mbonezamikurire y'abana bato", "Early childhood centres", "Centres de la petite enfance"),
    "childhood", "Care of the youngest.", PUPILS, zoom=10,
)  # fmt: skip
OFFICES = _surveyed(
    "offices", Titles("Ibiro by'inzego z'ibanze", "Public offices", "Bureaux administratifs"), "office",
    "Where people meet their administration.", VISITORS, zoom=10,
)  # fmt: skip
HEALTH_SITES = _surveyed(
    "health_sites", Titles("Amavuriro yasuwe", "Health facilities (water survey)", "Établissements de santé (enquête eau)"),
    "health", "Health facilities and their water.", VISITORS, zoom=9,
)  # fmt: skip

TRANSIT_STOPS = Layer(
    name="services.transit_stops",
    geometry="Point",
    titles=Titles("Aho bisi zihagarara", "Bus stops", "Arrêts de bus"),
    purpose="Public transport of Kigali: where one gets on.",
    licence="not stated; published by RURA",
    id_rule="gtfs:<stop_id>",
    fields=(Field("name", title="Name"), Field("description", title="Description", min_zoom=14)),
    min_zoom=11,
    style=Style(theme="transit", label="name", order=68),
    editable=True,
)
TRANSIT_ROUTES = Layer(
    name="services.transit_routes",
    geometry="MultiLineString",
    titles=Titles("Inzira za bisi", "Bus routes", "Lignes de bus"),
    purpose="Public transport of Kigali: where one gets to.",
    licence="not stated; published by RURA",
    id_rule="gtfs:<route_id>",
    fields=(
        Field("name", title="Name"),
        Field("number", title="Number"),
        Field("colour", title="Colour of the line, hexadecimal"),
        Field("trips", "integer", title="Trips in the feed", minimum=0),
        Field("length_m", "real", title="Length of all its shapes", unit="m", minimum=0, min_zoom=13),
    ),
    min_zoom=10,
    style=Style(theme="transit", label="number", order=42),
)
PLACES = Layer(
    name="services.places",
    geometry="Point",
    titles=Titles("Ahantu hatangirwa serivisi", "Amenities and shops", "Commerces et services"),
    purpose="What volunteers have mapped: shops, banks, places of worship, fuel, markets.",
    licence="ODbL 1.0",
    id_rule="osm:<n, w or r><id>",
    fields=(
        Field("name", title="Name"),
        Field("kind", title="Kind, as OpenStreetMap's key", required=True),
        Field("value", title="What it is, as OpenStreetMap's value", required=True),
    ),
    min_zoom=12,
    style=Style(theme="neutral", label="name", order=64),
    editable=True,
)

LAYERS = (
    HEALTH_POSTS, HEALTH_CENTRES, HOSPITALS, HEALTH_SITES, SCHOOLS, EARLY_CHILDHOOD, OFFICES, TRANSIT_STOPS, TRANSIT_ROUTES,
    PLACES,
)  # fmt: skip
