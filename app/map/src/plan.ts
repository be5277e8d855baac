// The panel of the workbench, beside the map: it finds the map that the page began, and opens the workbench over it.
import type { PlanMap, PlanModel } from "./planning";
import type { Stage } from "./stage";

interface Made {
  openWorkbench(on: PlanMap, root: HTMLElement, model: PlanModel): { end(): void };
}

export function render({ model }: { model: PlanModel }): HTMLElement {
  const found = globalThis as unknown as Record<symbol, Stage | (() => Promise<Made>)>;
  const root = document.createElement("section");
  root.className = "plan";
  root.dataset["theme"] = model.theme;
  root.hidden = !model.active;
  let opened: { end(): void } | null = null;
  let ended = false;
  let coming = false;
  const open = async (): Promise<void> => {
    // Who only looks at the base needs no workbench.
    if (coming || (!model.active && !model.branch)) return;
    coming = true;
    const map = await (found[Symbol.for("twin.stage")] as Stage).plan();
    const { openWorkbench } = await (found[Symbol.for("twin.workbench")] as () => Promise<Made>)();
    if (map && !ended) opened = openWorkbench(map, root, model);
  };
  queueMicrotask(() => void open());
  model.on("active", () => void open());
  model.on("branch", () => void open());
  model.on("remove", () => {
    ended = true;
    opened?.end();
  });
  return root;
}

export default { render };
