// What the pointer does on the map: it hovers, it clicks, and while something is drawn it does neither.
import type { Map as MapLibre, MapMouseEvent } from "maplibre-gl";
import type { Picked } from "./model";
import type { Tip } from "./tip";

const HOVER_MS = 120;

export interface PointerActs {
  /** Whether the pointer belongs to a tool. */
  busy(): boolean;
  pick(event: MapMouseEvent): Picked | null;
  clicked(found: Picked | null): void;
  hovered(found: Picked | null): void;
  /** The mark behind the name of what is not observed. */
  mark(found: Picked | null): string;
  texts(): Record<string, string>;
}

export function listenToPointer(map: MapLibre, tip: Tip, acts: PointerActs): void {
  map.on("click", (event) => {
    if (!acts.busy()) acts.clicked(acts.pick(event));
  });
  let waiting = 0;
  map.on("mousemove", (event) => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => {
      if (acts.busy()) return;
      const found = map.isMoving() ? null : acts.pick(event);
      map.getCanvas().style.cursor = found ? "pointer" : "";
      acts.hovered(found);
      tip.show(found, event.point, acts.mark(found), acts.texts());
    }, HOVER_MS);
  });
  for (const gone of ["mouseout", "movestart"] as const) map.on(gone, () => tip.show(null, { x: 0, y: 0 }, "", {}));
}

/** Says on the element how many frames were drawn, how often the map came to rest, and what went wrong last. */
export function countFrames(map: MapLibre, canvas: HTMLElement, rested: () => void): void {
  const count = (what: string): void => {
    canvas.dataset[what] = String(Number(canvas.dataset[what] ?? 0) + 1);
  };
  map.on("error", ({ error }) => {
    canvas.dataset["error"] = error.message;
  });
  map.on("render", () => count("frames"));
  map.on("idle", () => {
    count("idle");
    rested();
  });
}
