// What the viewer points at: picked through the overlay, the solids and the tiles, marked on the map and told to the model.
import type { Map as MapLibre } from "maplibre-gl";
import { isSame, type FeatureRef, type MapModel, type Picked } from "./model";
import type { Overlay } from "./overlay";
import { Selection, pickTiled } from "./picking";
import type { Solids } from "./solids";

/** Not a layer of the catalogue: what the overlay says of an alert. */
const ALERTS = "iot.alerts";

interface ChoiceFrom {
  map: MapLibre;
  model(): MapModel;
  overlay(): Overlay | null;
  solids(): Solids | null;
  /** An alert was clicked. */
  alert(): void;
  draw(): void;
}

export class Choice {
  /** The name of the place chosen last, whose flows are shown. */
  place: string | null = null;
  readonly #selection: Selection;

  constructor(private readonly from: ChoiceFrom) {
    this.#selection = new Selection(from.map);
  }

  pick(event: { point: { x: number; y: number }; lngLat: { lng: number; lat: number } }): Picked | null {
    const { map, overlay, solids } = this.from;
    const place: [number, number] = [event.lngLat.lng, event.lngLat.lat];
    return overlay()?.pick(event.point.x, event.point.y, place) ?? pickTiled(map, event.point, place, () => solids()?.pick(event.point, place) ?? null);
  }

  click(found: Picked | null): void {
    if (found?.layer === ALERTS) return this.from.alert();
    this.mark(found);
    const name = found?.layer.startsWith("land.") ? found.properties["name"] : null;
    if (!found) this.place = null;
    else if (name != null) this.place = String(name);
    this.from.model().clicked = found ?? { nothing: performance.now() };
    this.from.draw();
  }

  hover(found: Picked | null): void {
    this.from.solids()?.mark("hovered", found);
    const model = this.from.model();
    if (!isSame(model.hovered, found)) model.hovered = found ?? {};
  }

  mark(feature: FeatureRef | null): void {
    this.#selection.set(feature);
    this.from.solids()?.mark("selected", feature);
  }

  /** Marks again what is selected, on a style that came anew. */
  renew(): void {
    this.#selection.renew();
  }
}
