// The component of the planner's page: takes over the map that the page began.
import type { MapModel } from "./model";
import type { Stage } from "./stage";

/** Under this many pixels the panels would cover the map. */
const NARROW_PX = 900;
/** The frame does not hear of its panels before it stands. */
const SETTLED_MS = 1200;
const LOOK_MS = 30;
const PATIENCE_MS = 15_000;

export function render({ model }: { model: MapModel & { narrow: boolean } }): HTMLElement {
  const stage = (globalThis as unknown as Record<symbol, Stage>)[Symbol.for("twin.stage")]!;
  const place = document.createElement("div");
  place.style.cssText = "width: 100%; height: 100%";
  queueMicrotask(() => {
    stage.adopt(model);
    if (innerWidth < NARROW_PX) setTimeout(() => (model.narrow = true), SETTLED_MS);
  });
  void isStyled(place).then(() => {
    place.replaceChildren(stage.root);
    document.getElementById("twin-early")?.setAttribute("hidden", "");
  });
  return place;
}

/** Resolves when the component's style sheet holds within its shadow: without it the map would take another size, and so another view. */
async function isStyled(place: HTMLElement): Promise<void> {
  const probe = document.createElement("div");
  probe.className = "twin-stage";
  probe.hidden = true;
  place.append(probe);
  const until = performance.now() + PATIENCE_MS;
  while (getComputedStyle(probe).position !== "relative" && performance.now() < until) await new Promise((go) => setTimeout(go, LOOK_MS));
}

export default { render };
