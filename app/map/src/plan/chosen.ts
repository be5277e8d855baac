// What can be done with a feature that was clicked on the map.
import type { Picked } from "../model";
import { button, element } from "../parts";
import type { Build } from "./build";

/** The feature's name and a button for each operation that takes it; empty where none does. */
export function offers(found: Picked, build: Build, layer: string, show: () => void): HTMLElement[] {
  const about = build.about(found.layer);
  if (!about.length) return [];
  const name = String(found.properties["name"] ?? found.id);
  const acts = element("div", "plan-acts");
  for (const { operation, parameter, several } of about) {
    const made = button(build.title(operation), () => {
      show();
      build.open(operation.name, { [parameter]: several ? [found.id] : found.id, ...(parameter === "building" || parameter === "zone" ? rulesOf(found.properties) : {}) });
    }, "plan-act");
    made.dataset["about"] = operation.name;
    acts.append(made);
  }
  return [element("p", "plan-label", `${layer}: ${name}`), acts];
}

/** What a form begins with, of what is known of the feature. */
function rulesOf(properties: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).filter(([name, value]) => value !== null && /^(far|coverage|max_height_m|setback.*|min_parcel_m2|.*_share|storeys)$/.test(name)));
}
