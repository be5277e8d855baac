// What lies under the pointer among the style's own features.
import type { Map as MapLibre, MapGeoJSONFeature, PointLike } from "maplibre-gl";
import type { FeatureRef, Picked, Place } from "./model";
import { layerOf } from "./style";

const REACH = 4;
/** From the widest area to the narrowest. */
const LEVELS = ["land.provinces", "land.districts", "land.sectors", "land.cells", "land.villages"];

/** The tiled feature that is meant, or null: points before buildings, buildings before lines, lines before areas, the narrowest
 * area first. `solid` says what stands there as a mesh. Points and lines within a few pixels; a building under the pixel itself, else within that reach. */
export function pickTiled(
  map: MapLibre,
  point: { x: number; y: number },
  place: Place,
  solid: () => Picked | null,
): Picked | null {
  const box: [PointLike, PointLike] = [
    [point.x - REACH, point.y - REACH],
    [point.x + REACH, point.y + REACH],
  ];
  const exact = map.queryRenderedFeatures([point.x, point.y]).filter(isFeature);
  const near = map.queryRenderedFeatures(box).filter(isFeature);
  const kind = (from: MapGeoJSONFeature[], type: string): MapGeoJSONFeature | undefined =>
    from.find((one) => one.layer.type === type && !isEdge(one));
  const areas = exact.filter((one) => one.layer.type === "fill");
  const spot = kind(near, "circle");
  const meshed = spot ? null : solid();
  if (meshed) return meshed;
  const best =
    spot ??
    kind(exact, "fill-extrusion") ??
    kind(near, "fill-extrusion") ??
    kind(near, "line") ??
    areas.reduce<MapGeoJSONFeature | undefined>((least, one) => (least && width(least) <= width(one) ? least : one), undefined);
  return best ? picked(best, place) : null;
}

/** A line that only bounds an area. */
function isEdge(feature: MapGeoJSONFeature): boolean {
  return feature.layer.type === "line" && (LEVELS.includes(layerOf(feature.layer)!) || feature.layer.id.endsWith(":edge"));
}

/** How wide an area is meant to be: a level of the administration by its rank, anything else by less than all of them. */
function width(feature: MapGeoJSONFeature): number {
  const level = LEVELS.indexOf(layerOf(feature.layer)!);
  return level < 0 ? 0 : LEVELS.length - level;
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
