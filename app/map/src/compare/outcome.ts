// What a comparison found: the table of figures, one figure's causes, and the map of where it differs.
import type { Map as MapLibre } from "maplibre-gl";
import { element } from "../parts";
import { compare, differenceMap, type Cause, type Compared, type Indicator, type Question } from "./ask";
import { detailOf } from "./detail";
import { shade, shadesOf, type Shades } from "./shading";
import { placeOf, type Comparing } from "./state";
import type { Status } from "./status";
import { tableOf } from "./table";

export interface OutcomeFrom {
  /** The sheet; its `villages` and `ready` say how far the outcome is. */
  readonly sheet: HTMLElement;
  readonly status: Status;
  texts(): Record<string, string>;
  language(): string;
  state(): Comparing;
  indicators(): Indicator[];
  /** The maps on which a difference is drawn. */
  maps(): MapLibre[];
  title(layer: string): string;
  /** What else was found wanting; empty: nothing. */
  note(): string;
  /** An indicator was pressed. */
  chosen(name: string): void;
  go(cause: Cause): void;
}

export class Outcome {
  readonly root = element("div", "twin-cmp-body");
  readonly #table = element("div", "twin-scroll");
  #compared: Compared | null = null;
  #shades: Shades | null = null;
  #running: AbortController | null = null;
  #mapping: AbortController | null = null;

  constructor(private readonly from: OutcomeFrom) {
    this.#table.tabIndex = 0;
    this.#table.setAttribute("role", "region");
    this.root.append(this.#table);
  }

  /** What the files are made of; null: no figure has come yet. */
  get question(): Question | null {
    const { ids, place } = this.from.state();
    return this.#compared ? { ids, names: this.#compared.lines.map(({ name }) => name), place: placeOf(place) } : null;
  }

  /** The feature of a cause on the map; undefined until the maps have come. */
  featureOf(cause: Cause): GeoJSON.Feature | undefined {
    return this.#shades?.causes.features.find(({ properties }) => properties?.["id"] === cause.id);
  }

  /** Asks group by group, so that the first figures stand early and the rest can be watched coming. */
  async run(): Promise<void> {
    const { from } = this;
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    delete from.sheet.dataset["ready"];
    this.#compared = null;
    this.drop();
    this.show();
    const { ids, place, groups } = from.state();
    const wanted = groups.split(",");
    for (const [index, group] of wanted.entries()) {
      const texts = from.texts();
      const words = (texts["cmp_busy"] ?? "").replace("{group}", texts[`group_${group}`] ?? group).replace("{at}", String(index + 1)).replace("{count}", String(wanted.length));
      from.status.busy(words, index / wanted.length);
      const names = from.indicators().filter((one) => one.group === group).map(({ name }) => name);
      try {
        const found: Compared = await compare({ ids, names, place: placeOf(place) }, running.signal);
        if (running.signal.aborted) return;
        this.#add(found);
        this.show();
      } catch (error) {
        if (!running.signal.aborted) from.status.failed(error, () => void this.run());
        return;
      }
    }
    from.status.say(from.note());
    from.sheet.dataset["ready"] = ids;
    if (from.state().indicator) void this.map();
  }

  #add(found: Compared): void {
    this.#compared = this.#compared ? { ...found, lines: [...this.#compared.lines, ...found.lines] } : found;
  }

  /** The maps of the chosen indicator: differences by village, and what caused them. */
  async map(): Promise<void> {
    this.drop();
    const { ids, place, indicator } = this.from.state();
    const line = this.#compared?.lines.find(({ name }) => name === indicator);
    this.show();
    if (!line?.differences[0]?.causes.length) return;
    const mapping = (this.#mapping = new AbortController());
    const question = { ids: ids.split(",").slice(0, 2).join(","), names: [indicator], place: placeOf(place) };
    try {
      const [villages, causes] = await Promise.all([differenceMap(question, "village", 1, mapping.signal), differenceMap(question, "feature", 1, mapping.signal)]);
      if (mapping.signal.aborted) return;
      this.#shades = shadesOf(villages, causes);
      this.shade();
      this.show();
    } catch (error) {
      if (!mapping.signal.aborted) this.from.status.failed(error, () => void this.map());
    }
  }

  /** Takes the difference off the maps. */
  drop(): void {
    this.#mapping?.abort();
    this.#shades = null;
    this.shade();
  }

  /** Draws the difference on the maps, as after their style was put on anew. */
  shade(): void {
    for (const map of this.from.maps()) shade(map, this.#shades);
    this.from.sheet.dataset["villages"] = String(this.#shades?.villages.features.length ?? "");
  }

  /** Draws the table and the pane anew; the focus stays on the figure that had it. */
  show(): void {
    const { from } = this;
    const texts = from.texts();
    const { indicator } = from.state();
    const words = { texts: from.texts, language: from.language };
    this.#table.setAttribute("aria-label", texts["cmp_table"] ?? "");
    const tree = this.root.getRootNode() as Document | ShadowRoot;
    const focused = (tree.activeElement as HTMLElement | null)?.closest<HTMLElement>("tr[data-indicator]")?.dataset["indicator"];
    const table = this.#compared ? tableOf(this.#compared, indicator, { ...words, chosen: from.chosen }) : null;
    this.#table.replaceChildren(...(table ? [table, element("p", "twin-quiet", `${texts["cmp_interval"] ?? ""} ${texts["marks"] ?? ""}`)] : []));
    if (focused) this.#table.querySelector<HTMLElement>(`tr[data-indicator="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
    this.root.querySelector(".twin-detail")?.remove();
    const line = this.#compared?.lines.find(({ name }) => name === indicator);
    if (line && this.#compared) this.root.append(detailOf(line, this.#compared, 1, this.#shades, { ...words, title: from.title, close: () => from.chosen(line.name), go: from.go }));
  }

  end(): void {
    this.#running?.abort();
    this.#mapping?.abort();
  }
}
