// A branch on the map: what it adds in its colour, what it removes outlined in red, what it changes dotted; violations and comments at their places.
import type { GeoJSONSource } from "maplibre-gl";
import type { PlanMap } from "../planning";
import { Pins } from "./pins";
import { ask, type Branch, type Comment, type Violation } from "./service";

const SOURCE = "twin:branch";
const REMOVED = "#d62839";
const MOST = 5000;
const MOST_PINS = 150;
const BUILDINGS = "infrastructure.buildings";
const PARCELS = "land.parcels";
const EMPTY = { type: "FeatureCollection" as const, features: [] };

interface Marked {
  type: "FeatureCollection";
  features: { properties: { operation: string; layer: string; id: string }; geometry: unknown }[];
}

export class Marks {
  #data: Marked | typeof EMPTY = EMPTY;
  #branch: Branch | null = null;
  readonly #pins: Pins;
  #asked = 0;

  constructor(private readonly on: PlanMap) {
    this.#pins = new Pins(on.map);
  }

  /** Fetches what differs in a branch and draws it; null takes all away. */
  async renew(branch: Branch | null): Promise<void> {
    this.#branch = branch;
    const asked = ++this.#asked;
    const found = branch ? await ask<Marked>(`/scenarios/${branch.id}/diff?format=geojson&limit=${MOST}`) : EMPTY;
    if (asked !== this.#asked) return;
    this.#data = found;
    this.place();
    const colour = branch?.colour ?? "";
    const changed = (found.features as Marked["features"]).map(({ properties }) => properties).filter(({ layer, operation }) => layer === BUILDINGS && operation !== "remove");
    this.on.tint(new Map(changed.map(({ id }) => [id, colour])));
  }

  /** Puts the marks onto the style, over all but names. */
  place(): void {
    const { map } = this.on;
    // A style that is still coming takes no layers.
    if (!map.getStyle()) return void map.once("idle", () => this.place());
    const source = map.getSource(SOURCE) as GeoJSONSource | undefined;
    if (source) source.setData(this.#data as never);
    else map.addSource(SOURCE, { type: "geojson", data: this.#data as never });
    const colour = this.#branch?.colour ?? "#7048e8";
    const names = map.getStyle().layers.find((layer) => layer.type === "symbol")?.id;
    const kind = (operation: string): never => ["==", ["get", "operation"], operation] as never;
    const point = ["==", ["geometry-type"], "Point"];
    const add = (id: string, layer: object): void => {
      if (!map.getLayer(`${SOURCE}:${id}`)) map.addLayer({ id: `${SOURCE}:${id}`, source: SOURCE, ...layer } as never, names);
    };
    // Parcels and footprints are many and close: their lines come with nearness, and solids show the buildings already.
    const fine = ["match", ["get", "layer"], [BUILDINGS, PARCELS]];
    const width = ["interpolate", ["linear"], ["zoom"], 14, [...fine, 0, 2.5], 17, [...fine, 0.75, 2.5], 19, [...fine, 2, 3]];
    const filled = ["match", ["get", "layer"], PARCELS, 0, BUILDINGS, 0.3, 0.14];
    add("area", { type: "fill", filter: ["all", ["!=", ["get", "operation"], "remove"], ["==", ["geometry-type"], "Polygon"]], paint: { "fill-color": colour, "fill-opacity": filled } });
    add("added", { type: "line", filter: ["all", kind("add"), ["!", point]], paint: { "line-color": colour, "line-width": width } });
    add("changed", { type: "line", filter: ["all", kind("modify"), ["!", point]], paint: { "line-color": colour, "line-width": width, "line-dasharray": [0.6, 1.2] } });
    add("removed", { type: "line", filter: ["all", kind("remove"), ["!", point]], paint: { "line-color": REMOVED, "line-width": 2.5, "line-dasharray": [3, 1.5] } });
    add("point", { type: "circle", filter: point, paint: {
      "circle-radius": 7, "circle-stroke-width": 3, "circle-pitch-alignment": "viewport",
      "circle-color": ["match", ["get", "operation"], "add", colour, "#ffffff"], "circle-stroke-color": ["match", ["get", "operation"], "remove", REMOVED, "add", "#ffffff", colour],
    } });
    if (map.getLayer(`${SOURCE}:area`)) {
      map.setPaintProperty(`${SOURCE}:area`, "fill-color", colour);
      for (const id of ["added", "changed"]) map.setPaintProperty(`${SOURCE}:${id}`, "line-color", colour);
    }
  }

  /** Pins at the places of violations and open comments; each says what it is and opens its entry. */
  pin(violations: Violation[], comments: Comment[], words: (one: Violation) => string, open: (tab: string) => void): void {
    const said = comments.filter((one) => one.lon !== null && one.lat !== null && !one.resolved_at && one.thread === null);
    this.#pins.show([
      ...violations.slice(0, MOST_PINS).map((one) => ({ sign: "!", kind: "rule" as const, words: words(one), at: one.place, act: () => open("rules") })),
      ...said.slice(0, MOST_PINS).map((one) => ({ sign: "…", kind: "talk" as const, words: `${one.author}: ${one.body}`, at: [one.lon!, one.lat!] as [number, number], act: () => open("talk") })),
    ]);
  }

  /** What the marks span: west, south, east, north; null where there are none. */
  get extent(): [number, number, number, number] | null {
    return extentOf((this.#data.features as Marked["features"]).map(({ geometry }) => geometry));
  }

  end(): void {
    this.pin([], [], () => "", () => undefined);
    void this.renew(null);
  }
}

/** The box about GeoJSON geometries. */
export function extentOf(shapes: unknown[]): [number, number, number, number] | null {
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (one: unknown): void => {
    if (!Array.isArray(one)) return;
    if (typeof one[0] === "number") {
      box[0] = Math.min(box[0], one[0]);
      box[1] = Math.min(box[1], one[1] as number);
      box[2] = Math.max(box[2], one[0]);
      box[3] = Math.max(box[3], one[1] as number);
    } else one.forEach(visit);
  };
  for (const shape of shapes) visit((shape as { coordinates?: unknown } | null)?.coordinates);
  return Number.isFinite(box[0]) ? box : null;
}
