// What lies under the pointer: deck's arcs and points first, then the style's own features, topmost first.
import type { Map as MapLibre, MapGeoJSONFeature, PointLike } from "maplibre-gl";
import type { FeatureRef, Picked, Place } from "./model";
import { layerOf } from "./style";

const REACH = 4;
/** Where only areas lie under the pointer, the narrowest of the shown levels is meant. */
const LEVELS = ["land.provinces", "land.districts", "land.sectors", "land.cells", "land.villages"];

/** The topmost tiled feature within a few pixels, or null. */
export function pickTiled(map: MapLibre, point: { x: number; y: number }, place: Place): Picked | null {
  const box: [PointLike, PointLike] = [
    [point.x - REACH, point.y - REACH],
    [point.x + REACH, point.y + REACH],
  ];
  const under = map.queryRenderedFeatures([point.x, point.y]).filter(isFeature);
  const level = (one: MapGeoJSONFeature): number => LEVELS.indexOf(layerOf(one.layer)!);
  const first = under[0];
  const exact = first && level(first) >= 0 ? under.reduce((one, other) => (level(other) > level(one) ? other : one)) : first;
  const near = map.queryRenderedFeatures(box).find((one) => isFeature(one) && ["circle", "line"].includes(one.layer.type));
  const best = near && (!exact || exact.layer.type === "fill" || near.layer.type === "circle") ? near : exact;
  return best ? picked(best, place) : null;
}

function isFeature(feature: MapGeoJSONFeature): boolean {
  return layerOf(feature.layer) !== undefined && fidOf(feature) !== null && !feature.layer.id.endsWith(":ground");
}

function picked(feature: MapGeoJSONFeature, place: Place): Picked {
  const properties = { ...feature.properties };
  return {
    layer: layerOf(feature.layer)!,
    fid: fidOf(feature)!,
    id: String(properties["id"] ?? feature.id ?? ""),
    properties,
    place,
  };
}

function fidOf(feature: MapGeoJSONFeature): number | null {
  const value = Number(feature.id ?? feature.properties["fid"]);
  return Number.isInteger(value) ? value : null;
}

/** Marks one feature as selected in all sources of its layer, and unmarks the one before. */
export class Selection {
  #current: FeatureRef | null = null;

  constructor(private readonly map: MapLibre) {}

  set(wanted: FeatureRef | null): void {
    if (this.#current) this.#mark(this.#current, false);
    this.#current = wanted;
    if (wanted) this.#mark(wanted, true);
  }

  /** Marks again, after a style was replaced. */
  renew(): void {
    if (this.#current) this.#mark(this.#current, true);
  }

  #mark({ layer, fid }: FeatureRef, selected: boolean): void {
    if (this.map.getSource(layer)) this.map.setFeatureState({ source: layer, sourceLayer: layer, id: fid }, { selected });
  }
}
