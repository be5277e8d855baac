"""The contracts of the water supply, rural and urban in one layer each."""

from __future__ import annotations

from layers.spec import Field, Layer, Style, Titles

NETWORK = Field("network", title="Network", choices=("rural", "urban"))
STATUS = Field("status", title="State", choices=("working", "partly working", "not working", "abandoned", "planned"))
YEAR = Field("year", "integer", title="Year built", minimum=1900, maximum=2035, min_zoom=13)
REHABILITATED = Field("rehabilitated", "integer", title="Year rehabilitated", minimum=1900, maximum=2035, min_zoom=13)
ELEVATION = Field("elevation_m", "real", title="Elevation", unit="m", minimum=0, maximum=5000, min_zoom=13)
SURVEYED = Field("surveyed_at", "timestamp", title="Entered on", min_zoom=15)
_LICENCE = "CC BY 4.0"

PIPES = Layer(
    name="infrastructure.pipes",
    geometry="LineString",
    titles=Titles("Imiyoboro y'amazi", "Water pipes", "Conduites d'eau"),
    purpose="The water network: supply, pressure, age, leaks.",
    licence=_LICENCE,
    id_rule="<network>:<pipe>:<part>; the part counts from 1 in the order of the file's multipart line",
    fields=(
        NETWORK,
        Field("pipe", title="The file's own key, one for all parts", required=True, min_zoom=13),
        Field("diameter_mm", "real", title="Nominal diameter", unit="mm", minimum=10, maximum=1600),
        Field("material", title="Material"),
        Field("pressure_bar", "real", title="Nominal pressure", unit="bar", minimum=1, maximum=64, min_zoom=13),
        Field("category", title="Category", min_zoom=11),
        YEAR,
        REHABILITATED,
        Field("works", title="Works on the pipe", min_zoom=13),
        Field("branch", title="Branch of the utility", min_zoom=13),
        Field("length_m", "real", title="Length of the part", unit="m", minimum=0, min_zoom=13),
        SURVEYED,
    ),
    min_zoom=10,
    style=Style(theme="pipe", order=35),
    editable=True,
    rank="diameter_mm",
)

RESERVOIRS = Layer(
    name="infrastructure.reservoirs",
    geometry="Point",
    titles=Titles("Ibigega by'amazi", "Water reservoirs", "Réservoirs d'eau"),
    purpose="Storage of the water supply.",
    licence=_LICENCE,
    id_rule="rural:<reservoir_id> or urban:<id>",
    fields=(
        NETWORK,
        Field("name", title="Name"),
        Field("kind", title="Position", choices=("ground", "semi-ground", "underground", "elevated", "break pressure")),
        Field("capacity_m3", "real", title="Capacity", unit="m3", minimum=0),
        Field("material", title="Material"),
        STATUS,
        ELEVATION,
        YEAR,
        REHABILITATED,
        Field("branch", title="Branch of the utility", min_zoom=13),
    ),
    min_zoom=9,
    style=Style(theme="pipe", order=46),
    editable=True,
    rank="capacity_m3",
)

TREATMENT_PLANTS = Layer(
    name="infrastructure.treatment_plants",
    geometry="Point",
    titles=Titles("Inganda zitunganya amazi", "Water treatment plants", "Stations de traitement d'eau"),
    purpose="Where drinking water is made.",
    licence=_LICENCE,
    id_rule="urban:<id>",
    fields=(
        Field("name", title="Name"),
        Field("code", title="Code of the utility"),
        Field("raw_water", title="Raw water"),
        Field("raw_water_place", title="Where it is taken"),
        Field("capacity_as_written", "real", title="Design capacity as written; the file states no unit", minimum=0),
        ELEVATION,
        YEAR,
        Field("branch", title="Branch of the utility"),
    ),
    min_zoom=7,
    style=Style(theme="pipe", label="name", order=47),
    editable=True,
)

PUMPING_STATIONS = Layer(
    name="infrastructure.pumping_stations",
    geometry="Point",
    titles=Titles("Sitasiyo zizamura amazi", "Pumping stations", "Stations de pompage"),
    purpose="Where water is lifted, and the power that takes.",
    licence=_LICENCE,
    id_rule="rural:<pumpingstation_id>",
    fields=(
        NETWORK,
        STATUS,
        Field("head_m", "real", title="Head", unit="m", minimum=0, maximum=1000),
        Field("power_kw", "real", title="Power of a pump", unit="kW", minimum=0, maximum=1000),
        Field("discharge_m3_h", "real", title="Discharge", unit="m3/h", minimum=0, maximum=5000),
        Field("pump_kind", title="Pump"),
        Field("energy", title="Energy"),
        Field("pumps", "integer", title="Pumps", unit="pumps", minimum=0, maximum=100),
        Field("generators", "integer", title="Generators", unit="generators", minimum=0, maximum=100),
        ELEVATION,
        YEAR,
        REHABILITATED,
    ),
    min_zoom=8,
    style=Style(theme="pipe", order=47),
    editable=True,
)

WATER_SOURCES = Layer(
    name="infrastructure.water_sources",
    geometry="Point",
    titles=Titles("Amasoko y'amazi", "Water sources", "Sources d'eau captées"),
    purpose="Springs and intakes of the rural supply.",
    licence=_LICENCE,
    id_rule="rural:<watersource_id>",
    fields=(
        NETWORK,
        Field("kind", title="Kind", choices=("spring", "groundwater", "surface water")),
        Field("discharge_l_s", "real", title="Discharge", unit="l/s", minimum=0),
        STATUS,
        Field("protected", "boolean", title="Protected"),
        Field("chlorinated", "boolean", title="Chlorination unit"),
        ELEVATION,
        YEAR,
        REHABILITATED,
    ),
    min_zoom=10,
    style=Style(theme="pipe", order=46),
    editable=True,
    rank="discharge_l_s",
)

WATER_POINTS = Layer(
    name="infrastructure.water_points",
    geometry="Point",
    titles=Titles("Amavomo", "Water points", "Points d'eau"),
    purpose="Where people draw water: access, walking, breakdowns.",
    licence=_LICENCE,
    id_rule="rural:<id>",
    fields=(
        Field("name", title="Name"),
        Field("code", title="Code of the scheme, not unique", min_zoom=13),
        Field("kind", title="Kind", choices=("hand pump", "improved spring", "solar pump", "other")),
        STATUS,
        Field("water", title="Water it gives"),
        Field("people_served", "integer", title="People served, as reported", unit="people", minimum=0),
        Field("households_served", "integer", title="Households served, as reported", unit="households", minimum=0),
        Field("villages_served", title="Villages served, as reported", min_zoom=14),
        ELEVATION,
        YEAR,
    ),
    min_zoom=9,
    style=Style(theme="pipe", order=48),
    editable=True,
)

NETWORKS = (PIPES, RESERVOIRS, TREATMENT_PLANTS, PUMPING_STATIONS, WATER_SOURCES, WATER_POINTS)
