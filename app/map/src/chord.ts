// Migration between districts as a chord and as a table; small flows are left to a sum.
import type { Flow, FlowFeed } from "./flows";
import { svg } from "./history";
import { element, figure, labelled } from "./parts";

const TAU = Math.PI * 2;
const SIZE = 312;
const OUTER = 104;
const INNER = 96;
const GAP = 0.012;
const LOUD = 12;

export type Direction = "both" | "in" | "out";

export interface FlowChoice {
  /** Fewest people that a flow is drawn with. */
  least: number;
  direction: Direction;
}

/** Ends of five years that one may choose; 0: as published. */
const YEARS = [0, 2010, 2015, 2020, 2025, 2030, 2035, 2040, 2045, 2050];

export interface FlowActs {
  /** Another threshold or direction. */
  changed(): void;
  /** The year whose flows are wished. */
  year(wished: number): void;
}

export function endsOf(flow: Flow): [from: string, to: string] {
  const { properties: said } = flow;
  return [String(said["from_district"] ?? said["from"] ?? said["from_unit"] ?? ""), String(said["to_district"] ?? said["to"] ?? said["to_unit"] ?? "")];
}

/** The flows a choice leaves, largest first: over the threshold, and of the selected place only those in, out, or both. */
export function chosenFlows(flows: Flow[], { least, direction }: FlowChoice, place: string | null): Flow[] {
  const touching = place !== null && flows.some((flow) => endsOf(flow).includes(place));
  return flows.filter((flow) => {
    if (flow.people < least) return false;
    const [from, to] = endsOf(flow);
    if (!touching) return true;
    return (direction !== "in" && from === place) || (direction !== "out" && to === place);
  });
}

export class FlowsPanel {
  readonly body = element("div", "twin-flows");
  choice: FlowChoice = { least: 0, direction: "both" };
  readonly #least = Object.assign(element("input"), { type: "range", min: "0", max: "1", step: "0.01", value: "0" });
  readonly #direction = element("select");
  readonly #picture = element("div", "twin-chord");
  readonly #told = element("p", "twin-quiet");
  #texts: Record<string, string> = {};
  #flows: Flow[] = [];
  #place: string | null = null;
  #feed: FlowFeed | null = null;
  #state = "";
  readonly #year = element("select");
  readonly #note = element("p", "twin-quiet");

  constructor({ changed, year }: FlowActs) {
    this.#told.setAttribute("role", "status");
    this.#least.addEventListener("input", () => {
      this.choice.least = this.#threshold();
      this.#draw();
      changed();
    });
    this.#direction.addEventListener("change", () => {
      this.choice.direction = this.#direction.value as Direction;
      this.#draw();
      changed();
    });
    this.#year.addEventListener("change", () => year(Number(this.#year.value)));
    for (const one of YEARS) this.#year.append(Object.assign(element("option"), { value: String(one) }));
    for (const name of ["both", "in", "out"]) this.#direction.append(Object.assign(element("option"), { value: name }));
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    for (const option of this.#direction.options) option.textContent = texts[`flows_${option.value}`] ?? "";
    for (const option of this.#year.options) option.textContent = option.value === "0" ? (texts["flows_published"] ?? "") : `≈ ${Number(option.value) - 5} – ${option.value}`;
    this.body.replaceChildren(labelled(texts["flows_year"] ?? "", this.#year), labelled(texts["flows_least"] ?? "", this.#least), labelled(texts["flows_direction"] ?? "", this.#direction), this.#told, this.#note, this.#picture);
    this.#draw();
  }

  /** Shows what has come of the flows of a year, of the selected place where one is. */
  show(feed: FlowFeed, year: number, place: string | null): void {
    this.#year.value = String(YEARS.includes(year) ? year : (this.#other(year), year));
    if (feed.flows === this.#flows && place === this.#place && feed.state === this.#state) return;
    [this.#feed, this.#flows, this.#place, this.#state] = [feed, feed.flows, place, feed.state];
    this.#draw();
  }

  /** A year that an address named and the list does not hold. */
  #other(year: number): void {
    if (![...this.#year.options].some(({ value }) => value === String(year))) this.#year.append(Object.assign(element("option"), { value: String(year), textContent: `≈ ${year - 5} – ${year}` }));
  }

  /** By the square of the slider: most flows are small. */
  #threshold(): number {
    return Math.round((this.#flows[0]?.people ?? 0) * Number(this.#least.value) ** 2);
  }

  #draw(): void {
    const chosen = chosenFlows(this.#flows, this.choice, this.#place);
    const all = this.#flows.reduce((sum, flow) => sum + flow.people, 0);
    const shown = chosen.reduce((sum, flow) => sum + flow.people, 0);
    this.#told.textContent = (this.#texts["flows_told"] ?? "")
      .replace("{least}", figure(this.choice.least))
      .replace("{flows}", figure(chosen.length))
      .replace("{people}", figure(Math.round(shown)))
      .replace("{share}", String(all ? Math.round((shown / all) * 100) : 0));
    const told = this.#feed?.state ? `flows_${this.#feed.state}` : this.#feed?.answer.modelled ? "flows_modelled" : "";
    this.#note.textContent = (this.#texts[told] ?? "").replace("{count}", figure(this.#feed?.answer.withheld ?? 0));
    this.body.dataset["state"] = this.#feed?.state || (this.#feed?.answer.modelled ? "modelled" : "published");
    this.#least.setAttribute("aria-valuetext", figure(this.choice.least));
    this.#picture.replaceChildren(chosen.length ? chord(chosen, this.#place, this.#texts["flows_chord"] ?? "") : element("p", "twin-empty", this.#texts["flows_none"]));
  }
}

/** A chord of flows: an arc for each place by the people who leave or come, a ribbon for each of the largest flows. */
export function chord(flows: Flow[], place: string | null, label: string): SVGSVGElement {
  const sums = new Map<string, number>();
  for (const flow of flows) for (const end of endsOf(flow)) sums.set(end, (sums.get(end) ?? 0) + flow.people);
  const total = [...sums.values()].reduce((one, other) => one + other, 0) || 1;
  const names = [...sums.keys()].sort();
  const share = TAU - GAP * names.length;
  const starts = new Map<string, number>();
  let at = -TAU / 4;
  const root = svg("svg", { viewBox: `${-SIZE / 2} ${-SIZE / 2} ${SIZE} ${SIZE}`, role: "img", "aria-label": label });
  for (const name of names) {
    const width = (sums.get(name)! / total) * share;
    starts.set(name, at);
    const band = svg("path", { d: bandPath(at, at + width), fill: name === place ? "var(--accent)" : "var(--quiet)" });
    band.append(title(`${name}: ${figure(Math.round(sums.get(name)!))}`));
    root.append(band);
    if (width > 0.09) root.append(nameAt(name, at + width / 2));
    at += width + GAP;
  }
  const ribbons = flows.map((flow, index) => {
    const [from, to] = endsOf(flow);
    const width = (flow.people / total) * share;
    const [begin, end] = [starts.get(from)!, starts.get(to)!];
    starts.set(from, begin + width);
    starts.set(to, end + width);
    const ribbon = svg("path", { d: ribbonPath(begin, begin + width, end, end + width), fill: index < LOUD ? "#8a3ffc" : "var(--quiet)", "fill-opacity": index < LOUD ? 0.55 : 0.12 });
    ribbon.append(title(`${from} → ${to}: ${figure(Math.round(flow.people))}`));
    return ribbon;
  });
  root.append(...ribbons.reverse());
  return root;
}

function title(text: string): SVGTitleElement {
  const made = svg("title", {});
  made.textContent = text;
  return made;
}

function spot(angle: number, radius: number): string {
  return `${(Math.cos(angle) * radius).toFixed(1)},${(Math.sin(angle) * radius).toFixed(1)}`;
}

function bandPath(from: number, until: number): string {
  const wide = until - from > Math.PI ? 1 : 0;
  return `M${spot(from, OUTER)}A${OUTER},${OUTER} 0 ${wide} 1 ${spot(until, OUTER)}L${spot(until, INNER)}A${INNER},${INNER} 0 ${wide} 0 ${spot(from, INNER)}Z`;
}

function ribbonPath(a: number, b: number, c: number, d: number): string {
  return `M${spot(a, INNER)}A${INNER},${INNER} 0 0 1 ${spot(b, INNER)}Q0,0 ${spot(c, INNER)}A${INNER},${INNER} 0 0 1 ${spot(d, INNER)}Q0,0 ${spot(a, INNER)}Z`;
}

function nameAt(name: string, angle: number): SVGTextElement {
  const turned = (angle * 360) / TAU;
  const left = Math.cos(angle) < 0;
  const text = svg("text", { transform: `rotate(${turned.toFixed(1)}) translate(${OUTER + 4},0)${left ? " rotate(180)" : ""}`, "text-anchor": left ? "end" : "start", "dominant-baseline": "middle", "font-size": 8, fill: "var(--ink)" });
  text.textContent = name;
  return text;
}
