// What lies under the pointer, said beside it: a name and its newest values, for what cannot be read off the map.
import { historyOf, sparkline } from "./history";
import type { Picked } from "./model";
import { age } from "./parts";
import { STALE_MS } from "./stale";

const SAID_OF = new Set(["iot.sensors", "iot.alerts", "migration.flows"]);
const MOST_ROWS = 4;
const QUIET = new Set(["id", "fid", "time", "quality", "origin", "name", "classification", "valid_from", "valid_to", "from_unit", "to_unit"]);
const ENDS = [
  ["from_district", "to_district"],
  ["from", "to"],
] as const;

export class Tip {
  readonly root = document.createElement("div");

  #shown = "";

  constructor() {
    this.root.className = "twin-tip";
    this.root.setAttribute("role", "tooltip");
    this.root.hidden = true;
  }

  /** Shows a thing at pixels from the upper left of the map; null hides it. `marks` follows its name. A sensor shows its last hour. */
  show(found: Picked | null, at: { x: number; y: number }, marks: string, texts: Record<string, string>): void {
    this.#shown = found?.id ?? "";
    this.root.hidden = !found || !SAID_OF.has(found.layer);
    if (!found || this.root.hidden) return;
    const { properties } = found;
    const ends = ENDS.find(([from]) => properties[from]);
    const head = document.createElement("strong");
    head.textContent = `${ends ? `${properties[ends[0]]} → ${properties[ends[1]]}` : String(properties["name"] ?? found.id)}${marks && ` ${marks}`}`;
    const hidden = new Set<string>([...QUIET, ...(ends ?? [])]);
    const rows = Object.entries(properties)
      .filter(([name, value]) => !hidden.has(name) && value !== null && value !== "")
      .slice(0, MOST_ROWS)
      .map(([name, value]) => {
        const row = document.createElement("span");
        row.textContent = `${name.replaceAll("_", " ")}: ${typeof value === "number" ? figure(value) : String(value)}`;
        return row;
      });
    this.root.replaceChildren(head, ...rows);
    if (found.layer === "iot.sensors") this.#sensor(found, texts);
    this.root.style.transform = `translate(${at.x + 14}px, ${at.y + 14}px)`;
  }

  /** When it last spoke, and the line of its last hour as soon as that has come. */
  #sensor(found: Picked, texts: Record<string, string>): void {
    const silent = Date.now() - Date.parse(String(found.properties["time"]));
    const heard = document.createElement("span");
    heard.className = silent > STALE_MS ? "twin-stale" : "twin-quiet";
    heard.textContent = `${silent > STALE_MS ? `${texts["silent"] ?? ""} ` : ""}${age(silent, texts)}`;
    this.root.append(heard);
    void historyOf(found.id, 1).then(
      (history) => {
        const line = this.#shown === found.id && sparkline(history, 176, 40);
        if (line && !this.root.querySelector("svg")) this.root.append(line);
      },
      () => undefined,
    );
  }
}

/** Whole from a hundred up, else two decimals: more is not known. */
function figure(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("fr-FR") : String(Math.round(value * 100) / 100);
}
