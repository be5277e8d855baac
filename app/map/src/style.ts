// The style as the map shows it: the twin's own style made absolute, with the viewer's switches and opacities put in.
import type { LayerSpecification, Map as MapLibre, StyleSpecification } from "maplibre-gl";
import type { MapModel } from "./model";
import type { Shade } from "./scenes/colours";

const OPACITY: Record<string, string[]> = {
  fill: ["fill-opacity"],
  line: ["line-opacity"],
  circle: ["circle-opacity", "circle-stroke-opacity"],
  symbol: ["text-opacity", "icon-opacity"],
  "fill-extrusion": ["fill-extrusion-opacity"],
  raster: ["raster-opacity"],
};

const EXTRUDED = "fill-extrusion-color";

const FIRST = new Set(["land.provinces", "land.districts", "land.lakes"]);

export interface LayerFacts {
  title: string;
  geometry: string;
  colour: string;
  visible: boolean;
  overlay: boolean;
}

export function layerOf(layer: { metadata?: unknown }): string | undefined {
  return (layer.metadata as Record<string, string> | undefined)?.["twin:layer"];
}

export function factsOf(style: StyleSpecification): Record<string, LayerFacts> {
  return (style.metadata as { "twin:layers"?: Record<string, LayerFacts> })?.["twin:layers"] ?? {};
}

/** Fetches a style, unless it is given, and makes the addresses of its tiles absolute: a worker made from a blob knows no page. */
export async function fetchStyle(url: string, given?: StyleSpecification, signal?: AbortSignal): Promise<StyleSpecification> {
  const style = given ?? (await ask(url, signal));
  for (const source of Object.values(style.sources))
    if ("tiles" in source && source.tiles)
      source.tiles = source.tiles.map((tile) => (tile.startsWith("/") ? new URL(url, location.href).origin + tile : tile));
  return style;
}

async function ask(url: string, signal?: AbortSignal): Promise<StyleSpecification> {
  const answer = await fetch(url, { signal, cache: "no-cache" });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return (await answer.json()) as StyleSpecification;
}

/** What a first frame can draw quickly: flat areas and lines, no names, no heights, nothing dense. */
export function firstOf(style: StyleSpecification): StyleSpecification {
  const quick = (layer: LayerSpecification): boolean =>
    layer.type === "background" || (["fill", "line"].includes(layer.type) && FIRST.has(layerOf(layer) ?? ""));
  const { terrain: _, sky: __, ...flat } = style;
  const layers = style.layers.filter(quick);
  const used = new Set(layers.map((layer) => ("source" in layer ? layer.source : "")));
  const sources = Object.fromEntries(Object.entries(style.sources).filter(([name]) => used.has(name)));
  return { ...flat, sources, layers };
}

/** What is wanted of a style's layers. */
type Wanted = Pick<MapModel, "layers" | "filters" | "looks">;

/** The same style with each layer's switch, opacity, filter and theme. Layers that stand as meshes are not extruded. */
export function withState(
  style: StyleSpecification,
  { layers: states, filters, looks }: Wanted,
  meshed: ReadonlySet<string> = new Set(),
): StyleSpecification {
  const layers = style.layers.map((layer) => {
    const name = layerOf(layer);
    if (name === undefined || layer.type === "background") return layer;
    const made = structuredClone(layer) as LayerSpecification & { layout: object; paint: Record<string, unknown> };
    const state = states[name];
    const hidden = layer.type === "fill-extrusion" && meshed.has(name);
    if (state) made.layout = { ...made.layout, visibility: state.visible && !hidden ? "visible" : "none" };
    const shade = layer.type === "fill-extrusion" && state?.by ? looks.layers[name]?.themes[state.by] : undefined;
    if (shade) made.paint = { ...made.paint, [EXTRUDED]: shaded(shade, looks.layers[name]!.other, looks.selection) };
    const opacity = state?.opacity ?? 1;
    if (opacity < 1)
      for (const property of OPACITY[layer.type] ?? [])
        made.paint = { ...made.paint, [property]: baseOpacity(layer, property) * opacity };
    const filter = filters[name];
    if (filter && layer.type !== "raster" && layer.type !== "hillshade") {
      const own = (layer as { filter?: unknown }).filter;
      (made as { filter?: unknown }).filter = own ? ["all", own, filter] : filter;
    }
    return made as LayerSpecification;
  });
  return { ...style, layers };
}

/** The address of a tile as a branch sees it; 0: the base. */
export function ofBranch(tile: string, branch: number): string {
  const [path, words] = tile.split("?") as [string, string?];
  if (!path.endsWith(".mvt")) return tile;
  const query = (words ?? "").split("&").filter((word) => word && !word.startsWith("scenario="));
  if (branch) query.push(`scenario=${branch}`);
  return query.length ? `${path}?${query.join("&")}` : path;
}

/** The style with the tiles of a branch. */
export function withBranch(style: StyleSpecification, branch: number): StyleSpecification {
  if (!branch) return style;
  const sources = Object.entries(style.sources).map(([name, source]) =>
    source.type === "vector" && source.tiles ? [name, { ...source, tiles: source.tiles.map((tile) => ofBranch(tile, branch)) }] : [name, source],
  );
  return { ...style, sources: Object.fromEntries(sources) as StyleSpecification["sources"] };
}

/** Brings a map from one state of its layers to another without touching what stays. */
export function applyState(
  map: MapLibre,
  style: StyleSpecification,
  wish: Wanted,
  meshed?: ReadonlySet<string>,
): void {
  for (const wanted of withState(style, wish, meshed).layers) {
    if (layerOf(wanted) === undefined || !map.getLayer(wanted.id)) continue;
    const visibility = (wanted.layout as { visibility?: "visible" | "none" })?.visibility ?? "visible";
    if (map.getLayoutProperty(wanted.id, "visibility") !== visibility)
      map.setLayoutProperty(wanted.id, "visibility", visibility);
    for (const property of wanted.type === "fill-extrusion" ? [...OPACITY[wanted.type]!, EXTRUDED] : (OPACITY[wanted.type] ?? [])) {
      const paint = (wanted.paint ?? {}) as Record<string, unknown>;
      if (map.getPaintProperty(wanted.id, property as never) !== paint[property])
        map.setPaintProperty(wanted.id, property as never, paint[property] as never);
    }
    if (wanted.type !== "raster" && wanted.type !== "hillshade" && wanted.type !== "background")
      map.setFilter(wanted.id, (wanted as { filter?: never }).filter ?? null);
  }
}

/** A theme's colours as an expression over the fields of the tiles; the selected feature keeps its own. */
function shaded(shade: Shade, other: string, selection: string): unknown[] {
  const value = ["get", shade.tile ?? shade.field];
  const colour = shade.steps
    ? ["case", ["has", shade.tile ?? shade.field], ["interpolate", ["linear"], ["to-number", value], ...shade.steps.flat()], other]
    : ["match", ["to-string", value], ...Object.entries(shade.words ?? {}).flat(), other];
  return ["case", ["boolean", ["feature-state", "selected"], false], selection, colour];
}

function baseOpacity(layer: LayerSpecification, property: string): number {
  const value = (layer.paint as Record<string, unknown> | undefined)?.[property];
  return typeof value === "number" ? value : 1;
}
