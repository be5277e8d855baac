// The tabs of the panel: by pointer, and by arrows along the row.
import { button, element } from "../parts";
import type { Words } from "./words";

const TABS = ["build", "changes", "rules", "history", "talk", "review"] as const;
const PANEL = "plan-panel";

export type Tab = (typeof TABS)[number];

export class Tabs {
  readonly root = element("div", "plan-tabs");
  #open: Tab = "build";

  constructor(
    private readonly say: Words,
    body: HTMLElement,
    private readonly choose: (tab: Tab) => void,
  ) {
    this.root.setAttribute("role", "tablist");
    this.root.addEventListener("keydown", (event) => this.#turn(event));
    body.setAttribute("role", "tabpanel");
    body.id = PANEL;
  }

  /** Shows which tab is open, and how many entries wait behind each. */
  show(open: Tab, counts: Partial<Record<Tab, number>>): void {
    this.#open = open;
    const within = this.root.getRootNode();
    const focused = within instanceof ShadowRoot || within instanceof Document ? within.activeElement?.getAttribute("data-tab") : null;
    this.root.setAttribute("aria-label", this.say("tabs"));
    this.root.replaceChildren(...TABS.map((name) => this.#tab(name, counts[name] ?? 0)));
    if (focused) this.root.querySelector<HTMLElement>(`[data-tab="${focused}"]`)?.focus();
  }

  #tab(name: Tab, count: number): HTMLElement {
    const made = button(this.say(`tab_${name}`), () => this.choose(name), "plan-tab");
    made.dataset["tab"] = name;
    made.setAttribute("role", "tab");
    made.setAttribute("aria-selected", String(name === this.#open));
    made.setAttribute("aria-controls", PANEL);
    made.tabIndex = name === this.#open ? 0 : -1;
    if (count) made.append(element("span", `plan-count${name === "rules" ? " plan-count-wrong" : ""}`, String(count)));
    return made;
  }

  #turn(event: KeyboardEvent): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(TABS[(TABS.indexOf(this.#open) + by + TABS.length) % TABS.length]!);
    this.root.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }
}
