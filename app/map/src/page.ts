// The component of the planner's page: takes over the map that the page began.
import type { MapModel } from "./model";
import type { Stage } from "./stage";

export function render({ model }: { model: MapModel }): HTMLElement {
  const stage = (globalThis as unknown as Record<symbol, Stage>)[Symbol.for("twin.stage")]!;
  queueMicrotask(() => {
    stage.adopt(model);
    document.getElementById("twin-early")?.setAttribute("hidden", "");
  });
  return stage.root;
}

export default { render };
