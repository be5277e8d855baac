"""The water utility's files, rural and urban: dirty strings into a fixed vocabulary, sentinels into nothing."""

from __future__ import annotations

import re

import geopandas as gpd
import pandas as pd

from layers.ingest.repair import as_text
from layers.mapping import Maker, constant, key, length_m, number, part_key, parts, proper, text, words, year
from layers.spec import Column, Provenance, Source

_RURAL: Provenance = {"licence": "CC BY 4.0", "attribution": "WASAC Ltd, vt (rural water)"}
_URBAN: Provenance = {"licence": "CC BY 4.0", "attribution": "WASAC Ltd, uwss-vt (urban water)"}
_REBUILT = "rebuilt from zoom-14 tiles, about 0.6 m quantisation"

_MATERIALS = {
    "pvc": "PVC", "hdpe": "HDPE", "polyethylene (hdpe)": "HDPE", "gs": "galvanised steel", "galvanized pipe": "galvanised steel",
    "di": "ductile iron", "di (ductile iron)": "ductile iron", "ci": "cast iron", "ac": "asbestos cement",
    "polypropylene (ppr)": "PPR", "steel pipe": "steel", "ip (iron pipe-acier bitume)": "bitumened steel",
    "concrete": "concrete", "bronze": "bronze", "open channel": "open channel",
}  # fmt: skip
_TANKS = {
    "stones": "stone", "bricks": "brick", "plastic": "plastic", "concrete": "concrete", "build with rcc": "concrete",
    "steel": "steel", "stainless-steel": "stainless steel", "stainless steel": "stainless steel", "bronze": "bronze",
}  # fmt: skip
_STATES = {
    "full functional": "working", "active": "working", "partially functional": "partly working",
    "not functional": "not working", "inactive": "not working", "abandoned": "abandoned",
}  # fmt: skip
_POSITIONS = {
    "ground": "ground", "semi-ground": "semi-ground", "semiground": "semi-ground", "underground": "underground",
    "elevated": "elevated", "break pressure": "break pressure",
}  # fmt: skip
_CHANNELS = {
    "raw water": "raw water",
    "tertiary pipes": "tertiary",
    "secondary pipes": "secondary",
    "primary pipes": "primary",
}
_SOURCE_KINDS = {"spring": "spring", "groundwater": "groundwater", "surface water": "surface water"}
_POINT_KINDS = {"hand pump": "hand pump", "improved spring": "improved spring", "solar pump": "solar pump"}
_PUMPS = {"surface": "surface", "surbmersible": "submersible", "submersible": "submersible", "other": "other"}
_ENERGIES = {"electrical": "grid", "diesel": "diesel", "solar": "solar", "other": "other"}
_GROUNDWATER = {
    "spring": "spring", "ground water": "groundwater", "borehole": "groundwater", "ground": "groundwater",
    "under-ground": "groundwater", "dug well": "dug well",
}  # fmt: skip


def pressure_bar(column: str) -> Maker:
    """Nominal pressure in bar of `NP10`, `PN16`, `10`, `16.0`; of `30K` (JIS B 2220 class, kgf/cm2) the number times 0.981.

    Words such as PVC and numbers beyond 64 bar are slips and give null.
    """
    pattern = re.compile(r"(?:NP|PN)?\s*(\d+(?:\.\d+)?)\s*(K?)", re.IGNORECASE)

    def read(label: str) -> float | None:
        found = pattern.fullmatch(label.strip())
        if found is None:
            return None
        bar = float(found[1]) * (0.980665 if found[2] else 1.0)
        return round(bar, 2) if 1 <= bar <= 64 else None

    def bars(batch: gpd.GeoDataFrame) -> pd.Series:
        texts = as_text(batch[column])
        return texts.map({label: read(label) for label in texts.dropna().unique()}).astype(float)

    return bars


def _pipes(network: str, path: str, ident: str, fields: dict[str, Column], about: Provenance, remarks: str) -> Source:
    return Source(
        name=f"{network} pipes",
        layer="infrastructure.pipes",
        path=path,
        id=part_key(f"{network}:", ident, "part"),
        prepare=parts("part"),
        fields={"network": constant(network), "pipe": key("", ident), "length_m": length_m, **fields},
        remarks=remarks,
        origin="open-data",
        **about,
    )


WATER_SOURCES = (
    _pipes(
        "rural", "water/rural_pipeline.parquet", "pipe_id",
        {
            "diameter_mm": number("pipe_size", low=10, high=1600), "material": words("material", _MATERIALS),
            "pressure_bar": pressure_bar("pressure"), "year": year("construction_year"),
            "rehabilitated": year("rehabilitation_year"), "surveyed_at": "input_date",
        },
        _RURAL, f"{_REBUILT}; id is not unique, pipe_id is; sizes 0, 2019 to 9999 and years out of 1900 to 2035 are null",
    ),
    _pipes(
        "urban", "water/urban_pipeline.parquet", "id",
        {
            "diameter_mm": number("Diameter", unit="mm", low=10, high=1600), "material": words("Pipeline_Material", _MATERIALS),
            "pressure_bar": pressure_bar("Nominal_Pressure"), "category": words("Pipeline_Category", _CHANNELS, other="other"),
            "year": year("Year_of_Laying"), "works": text("Action_on_pipeline"), "branch": text("Branch_Name"),
        },
        _URBAN, f"{_REBUILT}; 117,580 pipes are multipart with far-apart parts: each part is a feature, `pipe` holds them together",
    ),
    Source(
        name="rural reservoirs", layer="infrastructure.reservoirs", path="water/rural_reservoir.parquet",
        id=key("rural:", "reservoir_id"), remarks="id is not unique, reservoir_id is",
        fields={
            "network": constant("rural"), "kind": words("reservoir_type", _POSITIONS), "capacity_m3": number("capacity", low=0.1),
            "material": words("material", _TANKS), "status": words("status", _STATES),
            "elevation_m": number("elevation", low=500, high=5000), "year": year("construction_year"),
            "rehabilitated": year("rehabilitation_year"),
        },
        origin="open-data", **_RURAL,
    ),
    Source(
        name="urban reservoirs", layer="infrastructure.reservoirs", path="water/urban_reservoir.parquet", id=key("urban:", "id"),
        fields={
            "network": constant("urban"), "name": proper("Location_Name"), "kind": words("Reservoir_Position", _POSITIONS),
            "capacity_m3": number("Capacity_m3", low=0.1), "material": words("Material", _TANKS),
            "status": words("Reservoir_Status", _STATES), "elevation_m": number("Altitude", low=500, high=5000),
            "year": year("Construction_Year"), "branch": text("Branch_Name"),
        },
        origin="open-data", **_URBAN,
    ),
    Source(
        name="treatment plants", layer="infrastructure.treatment_plants", path="water/urban_treatment_plant.parquet",
        id=key("urban:", "id"),
        fields={
            "name": text("Treatment_Plant_Name"), "code": text("ID_Code"), "raw_water": text("Raw_Water_Nature"),
            "raw_water_place": text("Location_Name_of_Raw_Water"),
            "capacity_as_written": number("Designed_Production_Capacity_in", low=0),
            "elevation_m": number("Altitude", low=500, high=5000), "year": year("Year_of_Construction"),
            "branch": text("Branch_Name"),
        },
        origin="open-data", **_URBAN,
    ),
    Source(
        name="pumping stations", layer="infrastructure.pumping_stations", path="water/rural_pumping_station.parquet",
        id=key("rural:", "pumpingstation_id"),
        remarks="id is not unique, pumpingstation_id is; ranges such as 50-100 and a power of 2,966 kW are null",
        fields={
            "network": constant("rural"), "status": words("status", _STATES),
            "head_m": number("head_pump", unit="m", low=0, high=1000), "power_kw": number("power_pump", unit="kW", low=0, high=1000),
            "discharge_m3_h": number("discharge_pump", unit="m3/h", low=0, high=5000), "pump_kind": words("pump_type", _PUMPS),
            "energy": words("power_source", _ENERGIES), "pumps": number("no_pump", low=0, high=100),
            "generators": number("no_generator", low=0, high=100), "elevation_m": number("elevation", low=500, high=5000),
            "year": year("construction_year"), "rehabilitated": year("rehabilitation_year"),
        },
        origin="open-data", **_RURAL,
    ),
    Source(
        name="water sources", layer="infrastructure.water_sources", path="water/rural_source.parquet",
        id=key("rural:", "watersource_id"), remarks="id is not unique, watersource_id is; kinds such as 30115 are null",
        fields={
            "network": constant("rural"), "kind": words("source_type", _SOURCE_KINDS), "discharge_l_s": number("discharge", low=0),
            "status": words("status", _STATES), "protected": "source_protected", "chlorinated": "chlorination_unit",
            "elevation_m": number("elevation", low=500, high=5000), "year": year("construction_year"),
            "rehabilitated": year("rehabilitation_year"),
        },
        origin="open-data", **_RURAL,
    ),
    Source(
        name="water points", layer="infrastructure.water_points", path="water/rural_water_point.parquet", id=key("rural:", "id"),
        remarks="wsf_code is not unique, id is",
        fields={
            "name": proper("wsf_name"), "code": text("wsf_code"), "kind": words("wsf_type", _POINT_KINDS, other="other"),
            "status": words("status", _STATES), "water": words("type_water_source", _GROUNDWATER),
            "people_served": number("serv_popu_personals", low=0), "households_served": number("serv_popu_households", low=0),
            "villages_served": text("serv_area_villages"), "elevation_m": number("altitude", low=500, high=5000),
            "year": year("year_construction"),
        },
        origin="open-data", **_RURAL,
    ),
)  # fmt: skip
