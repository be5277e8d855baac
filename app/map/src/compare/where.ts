// The place whose figures are compared: the country, the district in view, a unit that was searched for, or an area drawn by hand.
import type { Layer } from "@deck.gl/core";
import type { Map as MapLibre } from "maplibre-gl";
import { flight } from "../controls";
import { Draw, type Drawn } from "../draw";
import type { Ground } from "../sensors";
import { districtAt, type Unit } from "./ask";
import { saidOf, type Ring } from "./state";

const COUNTRY = "RW";
/** Farther out than this the whole country is meant, not the district in the middle. */
const COUNTRY_ZOOM = 9;
const PADDING_PX = 24;

export interface WhereFrom {
  readonly map: MapLibre;
  texts(): Record<string, string>;
  draw(): void;
  tell(words: string): void;
  /** An area begins to be drawn, or no longer is. */
  drawing(on: boolean): void;
  /** A place as the address says it. */
  chosen(place: string): void;
}

export class Where {
  readonly #draw: Draw;

  constructor(private readonly from: WhereFrom) {
    const tell = (name: string, count: number): void => from.tell((from.texts()[name] ?? "").replace("{count}", String(count)));
    this.#draw = new Draw(from.map, { changed: () => from.draw(), done: (drawn) => this.#drawn(drawn), tell });
  }

  get drawing(): boolean {
    return this.#draw.active;
  }

  layers(ground: Ground): Layer[] {
    return this.#draw.active ? this.#draw.layers(ground) : [];
  }

  /** The district in the middle of the map, or the country where that is meant. */
  async inView(signal: AbortSignal): Promise<string> {
    if (this.from.map.getZoom() < COUNTRY_ZOOM) return COUNTRY;
    return (await this.#district(signal)) ?? COUNTRY;
  }

  unit(unit: Unit): void {
    const { map } = this.from;
    if (unit.bounds) map.fitBounds(unit.bounds, { padding: PADDING_PX, pitch: map.getPitch(), bearing: map.getBearing(), duration: flight() / 2 });
    this.from.chosen(unit.id);
  }

  async choose(kind: "country" | "view" | "draw", signal: AbortSignal): Promise<void> {
    if (kind === "country") return this.from.chosen(COUNTRY);
    if (kind === "draw") {
      this.from.drawing(true);
      return this.#draw.start("polygon");
    }
    const found = await this.#district(signal).catch(() => null);
    if (signal.aborted) return;
    if (found) this.from.chosen(found);
    else this.from.tell(this.from.texts()["cmp_place_outside"] ?? "");
  }

  end(): void {
    this.#draw.cancel();
  }

  #district(signal: AbortSignal): Promise<string | null> {
    const { lng, lat } = this.from.map.getCenter();
    return districtAt(lng, lat, signal);
  }

  #drawn(drawn: Drawn | null): void {
    this.from.drawing(false);
    if (!drawn) return this.from.tell("");
    this.from.chosen(saidOf((drawn.geometry.coordinates as Ring[])[0]!.slice(0, -1)));
  }
}
