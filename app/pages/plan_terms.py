"""The words of planning: parameters, choices, figures and layers, by the names of the service."""

from __future__ import annotations

from app.i18n import Words


def term_texts(say: Words) -> dict[str, str]:
    """The words of everything that an operation takes or tells."""
    return fields_texts(say) | choices_texts(say) | figures_texts(say) | layers_texts(say)


def fields_texts(say: Words) -> dict[str, str]:
    """Parameters and fields of features."""
    return {
        "field_name": say("Name"),
        "field_use": say("Use"),
        "field_storeys": say("Storeys"),
        "field_height_m": say("Height (m)"),
        "field_far": say("Plot ratio (floor area over parcel)"),
        "field_max_height_m": say("Height at most (m)"),
        "field_coverage": say("Ground covered at most (0 to 1)"),
        "field_setback_m": say("Distance to the parcel's edge (m)"),
        "field_setback_road_m": say("Distance to the road (m)"),
        "field_min_parcel_m2": say("Smallest parcel (m²)"),
        "field_residential_share": say("Homes"),
        "field_commercial_share": say("Commerce"),
        "field_industrial_share": say("Industry"),
        "field_public_share": say("Public"),
        "field_agricultural_share": say("Farming"),
        "field_outline": say("Outline"),
        "field_footprint": say("Footprint"),
        "field_line": say("Line"),
        "field_place": say("Place"),
        "field_area": say("Area"),
        "field_zone": say("Zone"),
        "field_building": say("Building"),
        "field_buildings": say("Buildings"),
        "field_parcel": say("Parcel"),
        "field_parcels": say("Parcels"),
        "field_road": say("Road"),
        "field_facility": say("Facility"),
        "field_feature": say("Transformer"),
        "field_kind": say("Kind"),
        "field_capacity": say("For how many people"),
        "field_seed": say("Seed (same seed, same buildings)"),
        "field_existing": say("Buildings that stand"),
        "field_parcel_m2": say("Size of new parcels (m²)"),
        "field_lane_m": say("Lanes between parcels (m)"),
        "field_storey_m": say("Height of a storey (m)"),
        "field_fill": say("Share of what is allowed"),
        "field_variety": say("Variety (0 to 0.9)"),
        "field_max_slope_percent": say("Steepest ground built on (%)"),
        "field_dwelling_m2": say("Floor area of a dwelling (m²)"),
        "field_min_side_m": say("Shortest side of a building (m)"),
        "field_roof_shape": say("Roof"),
        "field_dwellings": say("Dwellings"),
        "field_people": say("People"),
        "field_jobs": say("Jobs"),
        "field_road_class": say("Class"),
        "field_class": say("Class"),
        "field_width_m": say("Width (m)"),
        "field_surface": say("Surface"),
        "field_lanes": say("Lanes"),
        "field_oneway": say("One way"),
        "field_tolerance_m": say("Joins what lies within (m)"),
        "field_join_crossings": say("Join at crossings"),
        "field_must_connect": say("Has to join something"),
        "field_diameter_mm": say("Diameter (mm)"),
        "field_material": say("Material"),
        "field_pressure_bar": say("Pressure (bar)"),
        "field_network": say("Network"),
        "field_level_m": say("Water above the nearest stream (m)"),
        "field_radius_m": say("Reaches (m)"),
        "field_area_m2": say("Area (m²)"),
        "field_floor_area_m2": say("Floor area (m²)"),
        "field_village": say("Village"),
        "field_geometry": say("Shape"),
    }


def choices_texts(say: Words) -> dict[str, str]:
    """Words to choose from."""
    return {
        "choice_residential": say("Homes"),
        "choice_commercial": say("Commerce"),
        "choice_industrial": say("Industry"),
        "choice_public": say("Public"),
        "choice_education": say("Education"),
        "choice_health": say("Health"),
        "choice_mixed": say("Mixed"),
        "choice_agricultural": say("Farming"),
        "choice_other": say("Other"),
        "choice_health_post": say("Health post"),
        "choice_health_centre": say("Health centre"),
        "choice_hospital": say("Hospital"),
        "choice_school": say("School"),
        "choice_early_childhood": say("Early childhood centre"),
        "choice_office": say("Public office"),
        "choice_water_point": say("Water point"),
        "choice_bus_stop": say("Bus stop"),
        "choice_keep": say("Keep"),
        "choice_replace": say("Replace"),
        "choice_redraw": say("Draw anew"),
        "choice_auto": say("As it suits"),
        "choice_flat": say("Flat"),
        "choice_gabled": say("Gabled"),
        "choice_hipped": say("Hipped"),
    }


def figures_texts(say: Words) -> dict[str, str]:
    """What an operation comes to."""
    return {
        "figure_area_m2": say("Area (m²)"),
        "figure_floor_area_m2": say("Floor area (m²)"),
        "figure_footprint_m2": say("Ground covered (m²)"),
        "figure_storeys": say("Storeys"),
        "figure_height_m": say("Height (m)"),
        "figure_dwellings": say("Dwellings"),
        "figure_people": say("People"),
        "figure_jobs": say("Jobs"),
        "figure_buildings": say("Buildings"),
        "figure_buildings_removed": say("Buildings removed"),
        "figure_people_who_lose_their_home": say("People who lose their home"),
        "figure_parcels": say("Parcels"),
        "figure_floor_area_by_use_m2": say("Floor area by use (m²)"),
        "figure_length_m": say("Length (m)"),
        "part_new": say("new"),
        "part_free": say("to build on"),
        "part_built_on": say("built on already"),
        "part_skipped": say("left free"),
        "part_too_steep": say("too steep"),
        "part_no_room_inside_the_setbacks": say("no room inside the distances"),
        "part_floor_area_ratio_leaves_too_little": say("plot ratio too low"),
        "part_residential": say("Homes"),
        "part_commercial": say("Commerce"),
        "part_industrial": say("Industry"),
        "part_public": say("Public"),
        "part_education": say("Education"),
        "part_health": say("Health"),
        "part_mixed": say("Mixed"),
        "part_agricultural": say("Farming"),
        "part_other": say("Other"),
    }


def layers_texts(say: Words) -> dict[str, str]:
    """Names of layers that the style may not name."""
    return {
        "layer_buildings": say("Buildings"),
        "layer_parcels": say("Parcels"),
        "layer_zones": say("Zones"),
        "layer_roads": say("Roads"),
        "layer_shocks": say("What if"),
        "layer_health_posts": say("Health posts"),
        "layer_schools": say("Schools"),
        "layer_pipes": say("Water pipes"),
    }
