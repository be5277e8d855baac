// Sun and shadow at a date and an hour: the shadows that the buildings in the view throw on level ground, and what hills darken.
import { Hillshadows } from "./hillshadows";
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";
import type { Place } from "./model";
import { clock, element, figure, labelled } from "./parts";
import { LOWEST_DEG, shadowOf, sunAt, type SunPlace } from "./sunlight";

const SOURCE = "twin:shadows";
/** Draws nothing: it keeps the footprints coming where the buildings stand as meshes, and their own style layer is off. */
const CASTERS = "twin:casters";
const BUILDINGS = "infrastructure.buildings";
const NEAREST = 14.5;
const MOST = 12_000;
/** The light of the twin's style. */
const BEFORE = { anchor: "map" as const, position: [1.4, 45, 35] as [number, number, number] };
const KIGALI_OFFSET_H = 2;
/** The view has come to rest, and its tiles have had time to come: milliseconds. */
const REST_MS = 900;

export interface SunActs {
  /** Lights what stands as meshes; null: as the map is lit. */
  shine(sun: SunPlace | null): void;
  shown(layer: string): boolean;
}

export class Sun {
  readonly body = element("div", "twin-sun");
  #on = false;
  #texts: Record<string, string> = {};
  readonly #date = Object.assign(element("input"), { type: "date", value: clock(Date.now()).slice(0, 10) });
  readonly #hour = Object.assign(element("input"), { type: "range", min: "5", max: "19", step: "0.25", value: "9" });
  readonly #told = element("p", "twin-quiet");
  readonly #hills: Hillshadows;

  constructor(
    private readonly map: MapLibre,
    private readonly on: SunActs,
  ) {
    this.#told.setAttribute("role", "status");
    this.#hills = new Hillshadows(map, (state) => {
      this.body.dataset["hills"] = state;
      this.#tell();
    });
    for (const field of [this.#date, this.#hour]) field.addEventListener("input", () => this.draw());
    map.on("idle", () => this.#idle());
    // While sensors move the map is never idle.
    map.on("moveend", () => this.#rest());
    map.on("sourcedata", (event) => {
      if (this.#on && event.sourceId === BUILDINGS && event.tile) this.#rest(true);
    });
  }

  /** Looks again in a while; `anew`: there are other footprints than before. */
  #rest(anew = false): void {
    window.clearTimeout(this.#resting);
    if (anew) this.#drawnFor = "";
    this.#resting = window.setTimeout(() => this.#idle(), REST_MS);
  }

  #resting = 0;
  #drawnFor = "";
  #said = "";

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    this.body.replaceChildren(labelled(texts["sun_date"] ?? "", this.#date), labelled(texts["sun_hour"] ?? "", this.#hour), this.#told, element("p", "twin-quiet", texts["sun_note"]));
    if (this.#on) this.draw();
  }

  open(): void {
    this.#on = true;
    this.draw();
  }

  close(): void {
    this.#on = false;
    this.#drawnFor = "";
    for (const id of [SOURCE, CASTERS]) if (this.map.getLayer(id)) this.map.removeLayer(id);
    if (this.map.getSource(SOURCE)) this.map.removeSource(SOURCE);
    this.#hills.clear();
    this.map.setLight(BEFORE);
    this.on.shine(null);
  }

  /** The view has come to rest: what it newly shows throws its shadow too. */
  #idle(): void {
    if (this.#on && this.#key() !== this.#drawnFor) this.draw();
  }

  #key(): string {
    return `${this.map.getBounds().toArray().flat().map((one) => one.toFixed(5))} ${this.#moment()} ${Boolean(this.map.getSource(SOURCE))} ${this.on.shown(BUILDINGS)} ${this.map.areTilesLoaded()}`;
  }

  #moment(): number {
    return Date.parse(`${this.#date.value}T00:00:00Z`) + (Number(this.#hour.value) - KIGALI_OFFSET_H) * 3_600_000;
  }

  draw(): void {
    const moment = this.#moment();
    if (!Number.isFinite(moment) || !this.map.getStyle()) return;
    const { lng, lat } = this.map.getCenter();
    const sun = sunAt(moment, lng, lat);
    const far = this.map.getZoom() < NEAREST;
    const down = sun.altitude < LOWEST_DEG;
    const features = far || down ? [] : this.#shadows(sun);
    this.#put(features);
    this.on.shine(down ? null : sun);
    this.map.setLight({ anchor: "map", position: [1.5, sun.azimuth, Math.max(0, 90 - sun.altitude)] });
    if (down) this.#hills.clear();
    else this.#hills.show(moment);
    this.body.dataset["shadows"] = String(features.length);
    const stands = (this.#texts["sun_stands"] ?? "").replace("{altitude}", figure(Math.round(sun.altitude))).replace("{azimuth}", figure(Math.round(sun.azimuth)));
    this.#said = [clock(moment), stands, down ? this.#texts["sun_down"] : far ? this.#texts["sun_far"] : ""].filter(Boolean).join(" · ");
    this.#tell();
    this.#hour.setAttribute("aria-valuetext", clock(moment).slice(11));
    this.#drawnFor = this.#key();
  }

  #tell(): void {
    this.#told.textContent = [this.#said, this.#texts[`sun_hills_${this.#hills.state}`]].filter(Boolean).join(" · ");
  }

  #shadows(sun: SunPlace): object[] {
    if (!this.map.getSource(BUILDINGS) || !this.on.shown(BUILDINGS)) return [];
    if (!this.map.getLayer(CASTERS))
      this.map.addLayer({ id: CASTERS, type: "fill", source: BUILDINGS, "source-layer": BUILDINGS, paint: { "fill-opacity": 0 } });
    const seen = new Set<unknown>();
    const made: object[] = [];
    for (const one of this.map.querySourceFeatures(BUILDINGS, { sourceLayer: BUILDINGS })) {
      const height = Number(one.properties["height_m"]);
      if (made.length >= MOST || !(height > 0) || seen.has(one.id)) continue;
      seen.add(one.id);
      const rings = one.geometry.type === "Polygon" ? [one.geometry.coordinates[0]!] : one.geometry.type === "MultiPolygon" ? one.geometry.coordinates.map((part) => part[0]!) : [];
      for (const ring of rings)
        made.push({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [shadowOf(ring as Place[], height, sun)] } });
    }
    return made;
  }

  #put(features: object[]): void {
    const data = { type: "FeatureCollection", features } as never;
    const source = this.map.getSource(SOURCE) as GeoJSONSource | undefined;
    if (source) source.setData(data);
    else this.map.addSource(SOURCE, { type: "geojson", data, tolerance: 0 });
    if (this.map.getLayer(SOURCE)) return;
    const over = this.map.getStyle().layers.find(({ type }) => type === "fill-extrusion" || type === "symbol");
    this.map.addLayer({ id: SOURCE, type: "fill", source: SOURCE, paint: { "fill-color": "#1b2740", "fill-opacity": 0.28, "fill-antialias": false } }, over?.id);
  }
}
