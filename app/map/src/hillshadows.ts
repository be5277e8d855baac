// The ground that hills darken at a moment, asked of the service for the view once it rests, and laid on the map.
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";

const SOURCE = "twin:hillshadows";
/** The slider is let come to rest first: milliseconds. */
const REST_MS = 350;
/** Wider views, degrees, would show too little of what the service answers for at once: this much about the middle. */
const WIDEST_DEG = 0.25;
const ASKED_DEG = 0.049;
const WAIT_MS = 60_000;

export type HillState = "" | "busy" | "failed" | "far";

export class Hillshadows {
  state: HillState = "";
  #timer = 0;
  #asked = new AbortController();
  #shown = "";

  constructor(
    private readonly map: MapLibre,
    private readonly changed: (state: HillState) => void,
  ) {}

  /** Shows what is dark at a moment, milliseconds since 1970; the same moment and view again asks nothing. */
  show(moment: number): void {
    const bounds = this.map.getBounds();
    const { lng, lat } = this.map.getCenter();
    const half = ASKED_DEG / 2;
    const box = [Math.max(bounds.getWest(), lng - half), Math.max(bounds.getSouth(), lat - half), Math.min(bounds.getEast(), lng + half), Math.min(bounds.getNorth(), lat + half)];
    const key = `${box.map((one) => one.toFixed(4)).join()}&at=${new Date(moment).toISOString()}`;
    if (key === this.#shown && (this.state === "busy" || this.map.getLayer(SOURCE) || this.state === "far")) return;
    this.#stop();
    this.#shown = key;
    if (bounds.getEast() - bounds.getWest() > WIDEST_DEG) {
      this.#take();
      return this.#be("far");
    }
    this.#be("busy");
    this.#timer = window.setTimeout(() => void this.#ask(key), REST_MS);
  }

  clear(): void {
    this.#stop();
    this.#shown = "";
    this.#take();
    this.#be("");
  }

  #stop(): void {
    window.clearTimeout(this.#timer);
    this.#asked.abort();
    this.#asked = new AbortController();
  }

  async #ask(key: string): Promise<void> {
    const { signal } = this.#asked;
    try {
      const answer = await fetch(`/shadows?of=terrain&bbox=${key}`, { signal: AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)]) });
      if (!answer.ok) throw new Error(`/shadows: ${answer.status}`);
      const found = (await answer.json()) as object;
      if (signal.aborted) return;
      this.#put(found);
      this.#be("");
    } catch {
      if (!signal.aborted) this.#be("failed");
    }
  }

  #be(state: HillState): void {
    if (state === this.state) return;
    this.state = state;
    this.changed(state);
  }

  #put(data: object): void {
    const source = this.map.getSource(SOURCE) as GeoJSONSource | undefined;
    if (source) source.setData(data as never);
    else this.map.addSource(SOURCE, { type: "geojson", data: data as never, tolerance: 0.2 });
    if (this.map.getLayer(SOURCE)) return;
    const over = this.map.getStyle().layers.find(({ type }) => type === "line" || type === "fill-extrusion" || type === "symbol");
    this.map.addLayer({ id: SOURCE, type: "fill", source: SOURCE, paint: { "fill-color": "#1b2740", "fill-opacity": 0.3, "fill-antialias": false } }, over?.id);
  }

  #take(): void {
    if (this.map.getLayer(SOURCE)) this.map.removeLayer(SOURCE);
    if (this.map.getSource(SOURCE)) this.map.removeSource(SOURCE);
  }
}
