"""The contract of the sensors. Their observations are a table of the live engine, not a layer."""

from __future__ import annotations

from layers.spec import Field, Layer, Style, Titles

SENSORS = Layer(
    name="iot.sensors",
    geometry="Point",
    titles=Titles("Ibyuma bipima", "Sensors", "Capteurs"),
    purpose="What is measured now: air, water, energy, traffic. Simulated unless the origin says otherwise.",
    licence="as the twin",
    id_rule="the station's own name, lower case",
    fields=(
        Field("station", title="Station", required=True),
        Field("phenomenon", title="What is measured"),
        Field("unit", title="Unit"),
        Field("value", "real", title="Last value"),
        Field("phenomenon_time", "timestamp", title="Time of the last value"),
        Field("quality", title="Quality of the last value"),
        Field("district", title="District"),
    ),
    min_zoom=6,
    style=Style(theme="sensor", by="value", label="station", order=95, visible=True),
)

LAYERS = (SENSORS,)
