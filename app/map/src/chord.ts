// Migration between districts as a chord and as a table; small flows are left to a sum.
import type { Flow } from "./flows";
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

  constructor(changed: () => void) {
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
    for (const name of ["both", "in", "out"]) this.#direction.append(Object.assign(element("option"), { value: name }));
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    for (const option of this.#direction.options) option.textContent = texts[`flows_${option.value}`] ?? "";
    this.body.replaceChildren(labelled(texts["flows_least"] ?? "", this.#least), labelled(texts["flows_direction"] ?? "", this.#direction), this.#told, this.#picture);
    this.#draw();
  }

  show(flows: Flow[], place: string | null): void {
    if (flows === this.#flows && place === this.#place) return;
    this.#flows = flows;
    this.#place = place;
    this.#draw();
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
