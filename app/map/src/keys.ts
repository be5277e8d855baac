// Keys that work anywhere on the page: `/` searches, digits change the mode, arrows move the map, letters open panels, `?` helps.
import type { Map as MapLibre } from "maplibre-gl";
import { flight } from "./controls";
import type { MapModel } from "./model";

const STEP_PX = 120;
const MOVES: Record<string, [x: number, y: number]> = {
  ArrowLeft: [-STEP_PX, 0],
  ArrowRight: [STEP_PX, 0],
  ArrowUp: [0, -STEP_PX],
  ArrowDown: [0, STEP_PX],
};
const PANELS: Record<string, string> = { t: "table", a: "alerts", s: "share", d: "draw", "?": "tour" };
const MODES: Record<string, string> = { c: "compare" };
/** Inputs that take no letters: a switch, a slider or a button leaves them to the page. */
const SWITCHES = ["checkbox", "radio", "range", "button", "submit", "color"].map((type) => `[type=${type}]`).join(", ");
const TYPED_IN = `input:not(${SWITCHES}), textarea, select, [contenteditable]`;
/** What moves by arrows itself: the map, and whatever is turned or chosen along a row. */
const MOVES_ITSELF = ".maplibregl-canvas, input, [role=slider], [role=radio], [role=tab], [role=option], [role=region], [role=combobox], ul[tabindex]";

export interface KeyActs {
  move(x: number, y: number): void;
  /** A mode by its place in the switch, from 1. */
  mode(place: number): void;
  /** A mode by its name. */
  named(name: string): void;
  /** Opens or closes a panel by its name. */
  press(name: string): void;
}

/** What the keys do to a map and its page. */
export function keyActs(map: MapLibre, model: () => MapModel, press: (name: string) => void): KeyActs {
  return {
    move: (x, y) => map.panBy([x, y], { duration: flight() / 8 }),
    mode: (place) => (model().mode_wanted = { place, at: performance.now() }),
    named: (name) => (model().mode_wanted = { name, at: performance.now() }),
    press,
  };
}

/** Listens until the signal ends. Keys belong to whatever is typed in; with a modifier, to the browser. */
export function listenToKeys(acts: KeyActs, signal: AbortSignal): void {
  document.addEventListener(
    "keydown",
    (event) => {
      const target = event.composedPath()[0];
      if (isForAnother(event)) return;
      const move = target instanceof Element && target.matches(MOVES_ITSELF) ? undefined : MOVES[event.key];
      if (event.key === "/") searchField()?.focus();
      else if (/^[1-9]$/.test(event.key)) acts.mode(Number(event.key));
      else if (MODES[event.key]) acts.named(MODES[event.key]!);
      else if (PANELS[event.key]) acts.press(PANELS[event.key]!);
      else if (move) acts.move(...move);
      else return;
      event.preventDefault();
    },
    { signal },
  );
}

/** Whether a key belongs to the browser, or to the field it is typed into. */
export function isForAnother(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return event.ctrlKey || event.metaKey || event.altKey || (target instanceof Element && target.matches(TYPED_IN));
}

/** The page's first search field, wherever its component's shadow hides it. */
function searchField(root: ParentNode = document): HTMLElement | null {
  const here = root.querySelector<HTMLElement>("input[role=combobox]");
  if (here) return here;
  for (const one of root.querySelectorAll("*")) {
    const found = one.shadowRoot && searchField(one.shadowRoot);
    if (found) return found;
  }
  return null;
}
