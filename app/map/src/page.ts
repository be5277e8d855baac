// The component of the planner's page: takes over the map that the page began.
import type { MapModel } from "./model";
import type { Stage } from "./stage";

/** Under this many pixels the panels would cover the map. */
const NARROW_PX = 900;
/** The frame does not hear of its panels before it stands. */
const SETTLED_MS = 1200;

export function render({ model }: { model: MapModel & { narrow: boolean } }): HTMLElement {
  const stage = (globalThis as unknown as Record<symbol, Stage>)[Symbol.for("twin.stage")]!;
  queueMicrotask(() => {
    stage.adopt(model);
    if (innerWidth < NARROW_PX) setTimeout(() => (model.narrow = true), SETTLED_MS);
    document.getElementById("twin-early")?.setAttribute("hidden", "");
  });
  return stage.root;
}

export default { render };
