// The difference on the map: villages coloured by how much more or less, and the features that caused it.
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";

const VILLAGES = "compare:villages";
const CAUSES = "compare:causes";
/** vik of Crameri's scientific colour maps, dark ends lightened off: less is blue, more is brown. */
export const VIK: [at: number, colour: string][] = [
  [-1, "#1c4587"],
  [-0.5, "#3b86b0"],
  [0, "#ece5e0"],
  [0.5, "#c8714a"],
  [1, "#7d1d0c"],
];
/** Kinds of change; far apart for readers who do not see red and green. */
export const CHANGES: Record<string, string> = { added: "#009e73", changed: "#e69f00", removed: "#d55e00", affected: "#56b4e9" };
const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

export interface Shades {
  villages: GeoJSON.FeatureCollection;
  causes: GeoJSON.FeatureCollection;
  /** The greatest amount by which a village differs. */
  most: number;
}

export function shadesOf(villages: GeoJSON.FeatureCollection, causes: GeoJSON.FeatureCollection): Shades {
  const most = Math.max(0, ...villages.features.map(({ properties }) => Math.abs(Number(properties?.["difference"] ?? 0))));
  return { villages, causes, most };
}

/** Draws a difference on a map; null takes it away. May be called again after the map's style was replaced. */
export function shade(map: MapLibre, shades: Shades | null): void {
  if (!map.style?._loaded && !map.isStyleLoaded() && !map.getStyle()?.layers?.length) return;
  if (!map.getSource(VILLAGES)) {
    if (!shades) return;
    place(map);
  }
  (map.getSource(VILLAGES) as GeoJSONSource).setData(shades?.villages ?? EMPTY);
  (map.getSource(CAUSES) as GeoJSONSource).setData(shades?.causes ?? EMPTY);
  const most = shades?.most || 1;
  const ramp = VIK.flatMap(([at, colour]) => [at * most, colour]);
  map.setPaintProperty(`${VILLAGES}:fill`, "fill-color", ["interpolate", ["linear"], ["get", "difference"], ...ramp]);
}

function place(map: MapLibre): void {
  const { layers } = map.getStyle();
  const below = layers.find(({ type }) => type === "fill-extrusion" || type === "symbol")?.id;
  const names = layers.find(({ type }) => type === "symbol")?.id;
  const colour: unknown = ["match", ["get", "change"], ...Object.entries(CHANGES).flat(), "#868e96"];
  map.addSource(VILLAGES, { type: "geojson", data: EMPTY });
  map.addSource(CAUSES, { type: "geojson", data: EMPTY });
  map.addLayer({ id: `${VILLAGES}:fill`, type: "fill", source: VILLAGES, paint: { "fill-color": "#ece5e0", "fill-opacity": ["interpolate", ["linear"], ["zoom"], 13, 0.72, 16, 0.28] } }, below);
  map.addLayer({ id: `${VILLAGES}:line`, type: "line", source: VILLAGES, paint: { "line-color": "#5d6470", "line-width": 1, "line-opacity": 0.7 } }, below);
  map.addLayer({ id: `${CAUSES}:fill`, type: "fill", source: CAUSES, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour as never, "fill-opacity": 0.55 } }, below);
  map.addLayer({ id: `${CAUSES}:line`, type: "line", source: CAUSES, paint: { "line-color": colour as never, "line-width": 3 } }, names);
  map.addLayer({ id: `${CAUSES}:spot`, type: "circle", source: CAUSES, filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": colour as never, "circle-radius": 6, "circle-stroke-color": "#fff", "circle-stroke-width": 1.5 } }, names);
}
