// What is filled in and drawn but not carried out yet: kept in the browser, so that neither an ended session nor a closed page loses it.
import { button, element } from "../parts";
import type { Words } from "./words";

export interface Kept {
  operation: string;
  values: Record<string, unknown>;
}

const name = (branch: number): string => `twin-plan-kept:${branch}`;

/** Keeps what a form holds; where the browser has no room or forbids it, the open form is all there is. */
export function keep(branch: number, what: Kept): void {
  try {
    localStorage.setItem(name(branch), JSON.stringify(what));
  } catch {
    drop(branch);
  }
}

/** What was kept of a branch; null: nothing, or nothing that can be read. */
export function kept(branch: number): Kept | null {
  try {
    const found = JSON.parse(localStorage.getItem(name(branch)) ?? "null") as Kept | null;
    return typeof found?.operation === "string" && typeof found.values === "object" ? found : null;
  } catch {
    return null;
  }
}

export function drop(branch: number): void {
  try {
    localStorage.removeItem(name(branch));
  } catch {
    // Where nothing may be kept, nothing is.
  }
}

/** Offers to go on with what was kept. */
export function offer(title: string, say: Words, acts: { goOn(): void; drop(): void }): HTMLElement {
  const box = element("section", "plan-kept");
  const row = element("div", "plan-acts");
  row.append(button(say("kept_go_on"), acts.goOn, "plan-act plan-main"), button(say("kept_drop"), acts.drop, "plan-act"));
  box.append(element("p", "", say("kept", { what: title })), row);
  return box;
}
