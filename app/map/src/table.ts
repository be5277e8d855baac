// The table twin of the map: what the switched layers hold in the view, as tables. Needs no WebGL.
import { at } from "./home";
import type { LayerState } from "./model";
import { element, figure, labelled } from "./parts";

const MOST = 100;
const HIDDEN = new Set(["fid", "tenant", "classification", "valid_to", "source", "bounds"]);

interface Item {
  id?: string | number;
  properties: Record<string, unknown>;
}

export interface TableFrom {
  layers(): Record<string, LayerState>;
  title(layer: string): string;
  /** west, south, east, north; null: everywhere. */
  bounds(): [number, number, number, number] | null;
  texts(): Record<string, string>;
  open(layer: string, fid: number, properties: Record<string, unknown>): void;
}

export class TableTwin {
  readonly body = element("div", "twin-tables");
  readonly #choice = element("select");
  readonly #table = element("div", "twin-scroll");
  #asked: AbortController | null = null;

  constructor(private readonly from: TableFrom) {
    this.#choice.addEventListener("change", () => void this.#fill());
  }

  show(): void {
    const texts = this.from.texts();
    const before = this.#choice.value;
    const shown = Object.entries(this.from.layers()).filter(([name, state]) => state.visible && !name.startsWith("scene:"));
    this.#choice.replaceChildren(...shown.map(([name]) => Object.assign(element("option", "", this.from.title(name)), { value: name })));
    if (shown.some(([name]) => name === before)) this.#choice.value = before;
    this.#table.tabIndex = 0;
    this.#table.setAttribute("role", "region");
    this.#table.setAttribute("aria-label", texts["table"] ?? "");
    this.body.replaceChildren(labelled(texts["table_layer"] ?? "", this.#choice), this.#table);
    void this.#fill();
  }

  async #fill(): Promise<void> {
    this.#asked?.abort();
    const asked = (this.#asked = new AbortController());
    const texts = this.from.texts();
    const layer = this.#choice.value;
    if (!layer) return this.#say(texts["table_nothing"]);
    this.#say(texts["table_busy"]);
    const bounds = this.from.bounds();
    const query = new URLSearchParams({ limit: String(MOST) });
    if (bounds) query.set("bbox", bounds.map((one) => one.toFixed(6)).join(","));
    try {
      const answer = await fetch(at(`/layers/${layer}/items?${query}`), { signal: asked.signal, headers: { accept: "application/geo+json" } });
      if (!answer.ok) return this.#say(texts[answer.status < 500 ? "table_raster" : "table_failed"]);
      const items = ((await answer.json()) as { features: Item[] }).features;
      if (!items.length) return this.#say(texts["table_empty"]);
      this.#table.replaceChildren(this.#rows(layer, items));
    } catch {
      if (!asked.signal.aborted) this.#say(texts["table_failed"]);
    }
  }

  #say(text = ""): void {
    this.#table.replaceChildren(Object.assign(element("p", "twin-empty", text), { role: "status" }));
  }

  #rows(layer: string, items: Item[]): HTMLTableElement {
    const texts = this.from.texts();
    const names = [...new Set(items.flatMap(({ properties }) => Object.keys(properties)))].filter(
      (name) => !HIDDEN.has(name) && items.some(({ properties }) => properties[name] !== null && typeof properties[name] !== "object"),
    );
    const table = element("table");
    table.append(element("caption", "", `${this.from.title(layer)}: ${items.length === MOST ? (texts["table_first"] ?? "").replace("{count}", String(MOST)) : items.length}`));
    const head = element("tr");
    for (const name of ["id", ...names]) head.append(Object.assign(element("th", "", name.replaceAll("_", " ")), { scope: "col" }));
    const top = element("thead");
    top.append(head);
    const rows = element("tbody");
    for (const item of items) {
      const row = element("tr");
      const fid = Number(item.properties["fid"]);
      const first = element("th");
      first.scope = "row";
      const open = element("button", "twin-link", String(item.id ?? item.properties["id"] ?? fid));
      open.type = "button";
      open.addEventListener("click", () => this.from.open(layer, fid, item.properties));
      first.append(open);
      row.append(first, ...names.map((name) => this.#cell(item.properties[name])));
      rows.append(row);
    }
    table.append(top, rows);
    return table;
  }

  #cell(value: unknown): HTMLTableCellElement {
    const text = value == null || typeof value === "object" ? "" : typeof value === "number" ? figure(value) : String(value);
    return element("td", typeof value === "number" ? "twin-figure" : "", text);
  }
}
