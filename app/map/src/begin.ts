// The entry of the planner's page: the map begins before the page's frame is fetched, and the frame takes it over.
import type { MapModel } from "./model";
import { openStage, type Stage } from "./stage";

/** Where the frame's component finds the stage. */
const STAGE = Symbol.for("twin.stage");
/** The frame comes after so long even if no boundary stands by then: milliseconds. */
const PATIENCE_MS = 6000;

/** Where the workbench beside the map is found; it is fetched when it is first wanted. */
(globalThis as unknown as Record<symbol, unknown>)[Symbol.for("twin.workbench")] = () => import("./plan/workbench");

const begun = document.getElementById("twin-start")!;
const values = JSON.parse(begun.textContent) as MapModel;
const stage: Stage = openStage({ ...values, on: () => undefined }, { deep: false });
(globalThis as unknown as Record<symbol, Stage>)[STAGE] = stage;
document.getElementById("twin-early")!.append(stage.root);
await Promise.race([stage.painted, new Promise((go) => setTimeout(go, PATIENCE_MS))]);
await bringFrame();

/** Runs the scripts that the page kept back, in their order. */
async function bringFrame(): Promise<void> {
  const kept = document.getElementById("twin-frame") as HTMLTemplateElement;
  let coming: Promise<unknown>[] = [];
  for (const script of kept.content.querySelectorAll("script")) {
    const made = document.createElement("script");
    for (const { name, value } of script.attributes) made.setAttribute(name, value);
    if (script.src) {
      made.async = false;
      coming.push(new Promise((go) => ((made.onload = go), (made.onerror = go))));
    } else {
      await Promise.all(coming);
      coming = [];
      made.textContent = script.textContent;
    }
    document.body.append(made);
  }
}
