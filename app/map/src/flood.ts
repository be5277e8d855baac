// What lies lower than a chosen water level over the nearest stream: heights come once as tiles, the slider only paints them.
import { at } from "./home";
import type { Map as MapLibre } from "maplibre-gl";
import { element, figure, labelled } from "./parts";

const SOURCE = "twin:flood";
const FIRST_M = 2;
const MOST_M = 12;
/** Ground this far over the water is dry without doubt of rounding: metres. */
const EDGE_M = 0.05;
const DEEP = "#123c7a";
const SHALLOW = "#7cc4e8";
const OPACITY = 0.72;

export class Flood {
  readonly body = element("div", "twin-flood");
  #on = false;
  #texts: Record<string, string> = {};
  readonly #level = Object.assign(element("input"), { type: "range", min: "0", max: String(MOST_M), step: "0.25", value: String(FIRST_M) });
  readonly #told = element("p", "twin-level");
  readonly #busy = element("p", "twin-quiet");
  readonly #key = element("div", "twin-ramp");

  constructor(private readonly map: MapLibre) {
    this.#busy.setAttribute("role", "status");
    this.#level.addEventListener("input", () => this.#paint());
    this.#key.style.setProperty("--ramp", `linear-gradient(90deg, ${SHALLOW}, ${DEEP})`);
    // While sensors move the map is never idle: what has come is seen by its own source.
    map.on("sourcedata", () => {
      if (map.getLayer(SOURCE) || !map.getSource(SOURCE)) this.#idle();
    });
    map.on("idle", () => this.#idle());
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    this.body.replaceChildren(labelled(texts["flood_level"] ?? "", this.#level), this.#told, this.#key, this.#busy, element("p", "twin-quiet", texts["flood_says"]), element("p", "twin-quiet", texts["flood_not"]));
    this.#tell();
  }

  open(): void {
    this.#on = true;
    this.#put();
    this.#tell();
  }

  close(): void {
    this.#on = false;
    if (this.map.getLayer(SOURCE)) this.map.removeLayer(SOURCE);
    if (this.map.getSource(SOURCE)) this.map.removeSource(SOURCE);
  }

  /** At rest: all tiles have come, and a style that came anew wears the water again. */
  #idle(): void {
    if (!this.#on) return;
    if (!this.map.getLayer(SOURCE)) this.#put();
    else if (this.map.getSource(SOURCE) && this.map.isSourceLoaded(SOURCE)) this.#busy.textContent = "";
  }

  #put(): void {
    if (!this.map.isStyleLoaded() && !this.map.getStyle()?.layers.length) return;
    if (!this.map.getSource(SOURCE))
      this.map.addSource(SOURCE, { type: "raster-dem", tiles: [`${at("/flood")}/{z}/{x}/{y}.png`], tileSize: 256, minzoom: 6, maxzoom: 14, encoding: "mapbox" });
    if (!this.map.getLayer(SOURCE)) {
      const over = this.map.getStyle().layers.find(({ type }) => type === "line" || type === "fill-extrusion" || type === "symbol");
      this.map.addLayer({ id: SOURCE, type: "color-relief", source: SOURCE, paint: { "color-relief-color": ramp(this.#metres), "color-relief-opacity": OPACITY } }, over?.id);
      this.#busy.textContent = this.#texts["flood_busy"] ?? "";
    }
  }

  get #metres(): number {
    return Number(this.#level.value);
  }

  /** Another level: the same tiles in other colours. */
  #paint(): void {
    if (this.map.getLayer(SOURCE)) this.map.setPaintProperty(SOURCE, "color-relief-color", ramp(this.#metres));
    this.#tell();
  }

  #tell(): void {
    const level = figure(this.#metres);
    this.#told.textContent = (this.#texts["flood_told"] ?? "").replace("{level}", level);
    this.#level.setAttribute("aria-valuetext", `${level} m`);
    const ends = [element("span", "", "0 m"), element("span", "", this.#texts["flood_depth"]), element("span", "", `${level} m`)];
    this.#key.replaceChildren(...ends);
    this.body.dataset["level"] = level;
  }
}

/** Colours by height over the drainage, metres: deepest at the stream, none over the level. */
export function ramp(level: number): never {
  const wet = level > 0 ? ["interpolate", ["linear"], ["elevation"], 0, DEEP, Math.max(level, 2 * EDGE_M), SHALLOW, Math.max(level, 2 * EDGE_M) + EDGE_M, "#7cc4e800"] : ["interpolate", ["linear"], ["elevation"], 0, "#7cc4e800", 1, "#7cc4e800"];
  return wet as never;
}
