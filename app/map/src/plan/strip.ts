// The indicator strip: what the branch comes to in the place in view, beside the base, with the difference and its interval.
import type { Map as MapLibre } from "maplibre-gl";
import { button, element, figure } from "../parts";
import { ask, type Branch } from "./service";
import { refusal, type Words } from "./words";

const SHOWN = ["people", "dwellings", "floor_area", "access.health.mean_time", "flood.people", "energy.annual", "cost.buildings"];
/** Asked one after the other, so that what is counted at once does not wait for walks and waters. */
const STEPS = [["people", "dwellings", "floor_area", "energy.annual", "cost.buildings"], ["access.health.mean_time"], ["flood.people"]];
const MARKS: Record<string, string> = { modelled: "≈", synthetic: "◇", schematic: "◈", simulated: "◇", planned: "◇" };
const SECTOR_ZOOM = 12.5;
const DISTRICT_ZOOM = 9;
const REST_MS = 700;
const LATE_MS = 1000;

export interface Place {
  code: string;
  title: string;
}

interface Told {
  value: number | null;
  low: number | null;
  high: number | null;
  suppressed?: boolean;
  remark?: string;
  origins?: Record<string, number>;
}

interface Line {
  name: string;
  title: Record<string, string>;
  unit: string;
  digits: number;
  origin: string;
  methods: Record<string, string>;
  figures: Told[];
  differences: Told[];
}

export class IndicatorStrip {
  readonly root = element("section", "plan-strip");
  readonly #place = element("select", "plan-place");
  readonly #list = element("ul", "plan-figures");
  readonly #note = element("p", "plan-quiet");
  #places: Place[] = [];
  #chosen = "";
  #branch: Branch | null = null;
  #asked: AbortController | null = null;
  #shownFor = "";
  #asPlaced = "";
  #timer = 0;
  #open = true;
  readonly #fold: HTMLButtonElement;

  constructor(
    private readonly map: MapLibre,
    private readonly say: Words,
    private readonly language: () => string,
  ) {
    const head = element("header");
    this.#fold = button("", () => {
      this.#open = !this.#open;
      this.#say();
    }, "plan-fold");
    head.append(this.#place, this.#note, this.#fold);
    this.#note.setAttribute("role", "status");
    // On a narrow map the figures scroll: the arrows reach them too.
    this.#list.tabIndex = 0;
    this.root.append(head, this.#list);
    this.#place.addEventListener("change", () => {
      this.#chosen = this.#place.value;
      void this.renew(this.#branch, true);
    });
    map.on("moveend", () => this.#later());
    // What floats over the map's lower edge stands above the strip, however high it is.
    new ResizeObserver(() => (this.root.parentNode as HTMLElement | null)?.style.setProperty("--plan-strip", `${this.root.offsetHeight}px`)).observe(this.root);
  }

  #say(): void {
    this.root.setAttribute("aria-label", this.say("strip"));
    this.#list.setAttribute("aria-label", this.say("strip"));
    this.#place.setAttribute("aria-label", this.say("strip_place"));
    this.#fold.textContent = this.#open ? "▾" : "▴";
    this.#fold.setAttribute("aria-label", this.say(this.#open ? "strip_close" : "strip_open"));
    this.#fold.setAttribute("aria-expanded", String(this.#open));
    this.#list.hidden = !this.#open;
  }

  #later(): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.renew(this.#branch), REST_MS);
  }

  /** The figures anew, where the place, the branch or its version is another. */
  async renew(branch: Branch | null, force = false): Promise<void> {
    this.#branch = branch;
    this.#say();
    if (this.root.hidden) return;
    this.#asked?.abort();
    const asked = (this.#asked = new AbortController());
    try {
      await this.#locate(asked.signal);
      const place = this.#chosen || this.#inView();
      const key = `${branch?.id ?? 0} ${branch?.version ?? 0} ${place} ${this.language()}`;
      if (key === this.#shownFor && !force) return;
      this.#begin(this.#asPlaced !== `${branch?.id ?? 0} ${place}`);
      this.#asPlaced = `${branch?.id ?? 0} ${place}`;
      for (const [index, names] of STEPS.entries()) {
        const note = this.say("strip_busy", { at: index + 1, count: STEPS.length });
        const late = window.setTimeout(() => (this.#note.textContent = note), LATE_MS);
        const lines = await this.#ask(branch, place, names, asked.signal).finally(() => window.clearTimeout(late));
        for (const line of lines) this.#put(this.#item(line, branch !== null));
      }
      this.#shownFor = key;
      this.#note.textContent = branch ? "" : this.say("strip_base");
      this.root.dataset["version"] = String(branch?.version ?? 0);
    } catch (error) {
      if (asked.signal.aborted) return;
      this.#note.replaceChildren(refusal(error, this.say));
    } finally {
      if (asked === this.#asked) delete this.root.dataset["busy"];
    }
  }

  /** All figures wait for new ones; of another place or branch none of the old is left. */
  #begin(other: boolean): void {
    this.root.dataset["busy"] = "yes";
    if (other) this.#list.replaceChildren();
    for (const item of this.#list.children) (item as HTMLElement).dataset["late"] = "yes";
  }

  /** A figure takes its place in the row, which is always the same. */
  #put(item: HTMLElement): void {
    const [at, items] = [SHOWN.indexOf(item.dataset["indicator"]!), [...this.#list.children] as HTMLElement[]];
    const before = items.find((one) => one.dataset["indicator"] === item.dataset["indicator"]);
    if (before) before.replaceWith(item);
    else this.#list.insertBefore(item, items.find((one) => SHOWN.indexOf(one.dataset["indicator"]!) > at) ?? null);
  }

  async #ask(branch: Branch | null, place: string, names: string[], signal: AbortSignal): Promise<Line[]> {
    if (branch) {
      const query = new URLSearchParams({ ids: `base,${branch.id}`, names: names.join(","), place });
      return (await ask<{ lines: Line[] }>(`/scenarios/compare?${query}`, { signal })).lines;
    }
    const { figures } = await ask<{ figures: (Told & Line)[] }>("/indicators", { body: { names, place }, signal });
    return figures.map((one) => ({ ...one, figures: [one], differences: [], methods: {} }));
  }

  /** The units that hold the middle of the view, narrowest first, and the country. */
  async #locate(signal: AbortSignal): Promise<void> {
    const { lng, lat } = this.map.getCenter();
    const reach = 1e-5;
    const box = [lng - reach, lat - reach, lng + reach, lat + reach].map((one) => one.toFixed(6)).join(",");
    const one = async (layer: string): Promise<Place[]> => {
      const { features } = await ask<{ features: { id: string; properties: Record<string, unknown> }[] }>(`/layers/${layer}/items?bbox=${box}&limit=1`, { signal }).catch(() => ({ features: [] }));
      const [found] = features;
      if (!found) return [];
      const code = String(found.properties["id"] ?? found.id);
      return [{ code, title: this.say(`place_${layer.split(".")[1]}`, { name: String(found.properties["name"] ?? code) }) }];
    };
    const found = await Promise.all(["land.cells", "land.sectors", "land.districts"].map(one));
    this.#places = [...found.flat(), { code: "RW", title: this.say("place_country") }];
    const shown = new Option(this.say("place_in_view", { place: this.#places.find(({ code }) => code === this.#inView())?.title ?? "" }), "");
    const kept = this.#chosen && !this.#places.some(({ code }) => code === this.#chosen) ? [...this.#place.options].filter(({ value }) => value === this.#chosen) : [];
    this.#place.replaceChildren(shown, ...kept, ...this.#places.map(({ code, title }) => new Option(title, code)));
    this.#place.value = this.#chosen;
  }

  #inView(): string {
    const zoom = this.map.getZoom();
    const digits = zoom >= SECTOR_ZOOM ? 4 : zoom >= DISTRICT_ZOOM ? 2 : 0;
    return this.#places.find(({ code }) => code.length === digits && code !== "RW")?.code ?? "RW";
  }

  #item(line: Line, compared: boolean): HTMLElement {
    const [base, branch] = line.figures;
    const now = (compared ? branch : base)!;
    const item = element("li");
    item.dataset["indicator"] = line.name;
    const unit = line.unit === "people" || line.unit === "dwellings" ? "" : ` ${line.unit.replace(/([a-z])2$/, "$1²")}`;
    const origins = Object.keys(now.origins ?? {});
    const mark = [...new Set([MARKS[line.origin] ?? "", ...origins.map((one) => MARKS[one] ?? "")].filter(Boolean))].join("");
    const head = element("span", "plan-title", line.title[this.language()] ?? line.title["en"] ?? line.name);
    const sign = element("span", "plan-mark", mark);
    sign.title = [line.methods[this.language()] ?? "", ...origins.map((one) => this.say(`origin_${one}`))].filter(Boolean).join(" · ");
    head.append(" ", sign);
    const amount = element("b", "plan-amount", now.suppressed ? this.say("suppressed") : amountOf(now.value, line.digits) + (now.value === null ? "" : unit));
    if (now.suppressed) amount.title = this.say("suppressed_why");
    item.append(head, amount);
    if (compared) {
      const difference = line.differences[0];
      item.append(element("span", "plan-base", base!.suppressed ? "" : this.say("base_is", { value: amountOf(base!.value, line.digits) })), this.#difference(difference, line.digits));
    } else if (now.low !== null && now.high !== null && !now.suppressed) item.append(element("span", "plan-base", `${amountOf(now.low, line.digits)} … ${amountOf(now.high, line.digits)}`));
    if (now.remark) item.title = now.remark;
    return item;
  }

  #difference(one: Told | undefined, digits: number): HTMLElement {
    const made = element("span", "plan-difference");
    if (!one || one.value === null) return made;
    const flat = Number(one.value.toFixed(digits)) === 0;
    made.dataset["sign"] = flat ? "0" : one.value > 0 ? "+" : "-";
    made.textContent = flat ? this.say("no_difference") : `${one.value > 0 ? "▲ +" : "▼ −"}${amountOf(Math.abs(one.value), digits)}`;
    if (!flat && one.low !== null && one.high !== null && amountOf(one.low, digits) !== amountOf(one.high, digits)) {
      made.append(element("small", "", ` ${amountOf(one.low, digits)} … ${amountOf(one.high, digits)}`));
      made.title = this.say("interval");
    }
    return made;
  }
}

function amountOf(value: number | null, digits: number): string {
  return value === null ? "–" : figure(Number(value.toFixed(Math.max(0, digits)))).replace("-", "−");
}
