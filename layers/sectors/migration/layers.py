"""The contracts of population and of the flows between parts of the country."""

from __future__ import annotations

from layers.spec import Field, Layer, Style, Titles

FLOWS = Layer(
    name="migration.flows",
    geometry="LineString",
    titles=Titles("Kwimuka imbere mu gihugu", "Internal migration", "Migrations internes"),
    purpose="How many people moved between ten parts of the country from 2005 to 2010: demand for housing and services.",
    licence="CC BY 4.0",
    id_rule="<unit of origin>-<unit of destination>",
    fields=(
        Field("people", "real", title="People who moved, modelled", unit="people", persons=True, minimum=0),
        Field("from_unit", "integer", title="Unit of origin", required=True),
        Field("to_unit", "integer", title="Unit of destination", required=True),
        Field("from_district", title="District in which the origin's centre lies"),
        Field("to_district", title="District in which the destination's centre lies"),
        Field("period", title="Period"),
    ),
    min_zoom=0,
    style=Style(theme="migration", by="people", ramp="batlow", order=80),
    rank="people",
)
POPULATION = Layer(
    name="migration.population",
    geometry="MultiPolygon",
    titles=Titles("Abaturage ku murenge", "Population by sector", "Population par secteur"),
    purpose="People by sector and sex, census of August 2022: the denominator of everything.",
    licence="public figures of NISR; boundaries CC BY 4.0",
    id_rule="the national code of the sector, 4 digits",
    fields=(
        Field("name", title="Sector", required=True),
        Field("district", title="District"),
        Field("people", "integer", title="People 2022", unit="people", persons=True, required=True, minimum=0),
        Field("male", "integer", title="Men and boys", unit="people", persons=True, minimum=0),
        Field("female", "integer", title="Women and girls", unit="people", persons=True, minimum=0),
        Field("density_km2", "real", title="People per square kilometre", unit="people/km2", minimum=0, maximum=60000),
    ),
    min_zoom=0,
    style=Style(theme="population", by="density_km2", ramp="batlow", label="name", order=4),
    coverage=True,
    rank="people",
)
DENSITY = Layer(
    name="migration.density",
    geometry="Raster",
    titles=Titles("Ubucucike bw'abaturage", "Population grid", "Grille de population"),
    purpose="People per 100 m cell where no census by sector is at hand.",
    licence="CC BY 4.0",
    id_rule="none: a raster of people per cell",
    fields=(Field("people", "real", title="People", unit="people"),),
    max_zoom=13,
    style=Style(theme="population", order=3),
)

LAYERS = (FLOWS, POPULATION, DENSITY)
