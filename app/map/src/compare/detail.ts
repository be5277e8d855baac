// One indicator in full: its figures with their intervals as a chart, the legend of its map, and the features that caused the difference.
import { svg } from "../history";
import { button, element } from "../parts";
import type { Cause, Compared, Line } from "./ask";
import { interval, plain, signed } from "./figures";
import { CHANGES, VIK, type Shades } from "./shading";

const WIDTH = 320;
const ROW = 30;
const LEFT = 8;
const MOST_CAUSES = 60;

export interface DetailFrom {
  texts(): Record<string, string>;
  language(): string;
  title(layer: string): string;
  close(): void;
  /** Shows a cause on the map and opens it. */
  go(cause: Cause): void;
}

/** The pane of an indicator; `side` counts from 1; `shades` are null until the maps have come. */
export function detailOf(line: Line, compared: Compared, side: number, shades: Shades | null, from: DetailFrom): HTMLElement {
  const texts = from.texts();
  const root = element("section", "twin-detail");
  root.setAttribute("aria-label", line.title[from.language()] ?? line.name);
  const head = element("header");
  const shut = button("×", () => from.close(), "twin-close");
  shut.setAttribute("aria-label", texts["close"] ?? "");
  head.append(element("h3", "", line.title[from.language()] ?? line.title["en"] ?? line.name), shut);
  root.append(head, chart(line, compared, texts), element("p", "twin-quiet", line.methods[from.language()] ?? line.methods["en"]));
  const found = line.differences[side - 1];
  if (!found || found.value === null) {
    const withheld = line.figures.some(({ suppressed }) => suppressed);
    root.append(element("p", "", withheld ? texts["cmp_withheld_why"] : texts["cmp_none"]));
    return root;
  }
  if (!found.causes.length) {
    root.append(element("p", "", texts["cmp_no_causes"]));
    return root;
  }
  if (shades?.most) root.append(legend(line, shades.most, texts));
  else root.append(element("p", "twin-quiet", shades ? texts["cmp_map_none"] : texts["cmp_map_coming"]));
  root.append(causes(line, found.causes, found.features, found.value, from));
  return root;
}

/** One row for each side: a dot at its figure, a bar over its 90 % interval. The table beside holds the same figures. */
function chart(line: Line, compared: Compared, texts: Record<string, string>): HTMLElement {
  const box = element("figure", "twin-dots");
  const known = line.figures.flatMap(({ value, low, high }) => [value, low, high]).filter((one): one is number => one !== null);
  if (!known.length) return box;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const pad = (most - least || Math.abs(most) || 1) * 0.06;
  const x = (value: number): number => LEFT + ((value - least + pad) / (most - least + 2 * pad)) * (WIDTH - 2 * LEFT);
  const height = ROW * line.figures.length;
  const words = line.figures.map((figure, index) => {
    const name = compared.sides[index]!.scenario === null ? texts["cmp_base"] : compared.sides[index]!.name;
    return `${name}: ${figure.value === null ? texts["cmp_withheld"] : plain(figure.value, line.digits)} ${interval(figure, line.digits)}`;
  });
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": words.join("; ") });
  line.figures.forEach((figure, index) => {
    const side = compared.sides[index]!;
    const y = ROW * index + 22;
    const name = svg("text", { x: LEFT, y: y - 10, "font-size": 10.5, fill: "currentColor" });
    name.textContent = `${side.scenario === null ? texts["cmp_base"] : side.name}`.slice(0, 44);
    root.append(name, svg("line", { x1: LEFT, x2: WIDTH - LEFT, y1: y, y2: y, class: "rule" }));
    if (figure.value === null) return;
    if (figure.low !== null && figure.high !== null && figure.high > figure.low)
      root.append(svg("line", { x1: x(figure.low), x2: x(figure.high), y1: y, y2: y, stroke: side.colour, "stroke-width": 5, "stroke-opacity": 0.35, "stroke-linecap": "round" }));
    const told = svg("text", { x: WIDTH - LEFT, y: y - 10, "font-size": 10.5, "text-anchor": "end", fill: "currentColor" });
    told.textContent = `${plain(figure.value, line.digits)}${line.unit === "1" ? "" : ` ${line.unit}`}`;
    root.append(svg("circle", { cx: x(figure.value), cy: y, r: 4.5, fill: side.colour, stroke: "currentColor", "stroke-width": 0.75 }), told);
  });
  box.append(root, element("figcaption", "twin-quiet", texts["cmp_chart"]));
  return box;
}

function legend(line: Line, most: number, texts: Record<string, string>): HTMLElement {
  const box = element("div", "twin-legend");
  const ramp = element("div", "twin-ramp");
  ramp.style.background = `linear-gradient(90deg, ${VIK.map(([at, colour]) => `${colour} ${(at + 1) * 50}%`).join(", ")})`;
  const ends = element("div", "twin-ends");
  for (const value of [-most, 0, most]) ends.append(element("span", "", signed(value, line.digits)));
  box.append(element("h4", "", (texts["cmp_by_village"] ?? "").replace("{unit}", line.unit === "1" ? "" : line.unit)), ramp, ends);
  return box;
}

function causes(line: Line, found: Cause[], features: number, total: number, from: DetailFrom): HTMLElement {
  const texts = from.texts();
  const box = element("div", "twin-causes");
  box.append(element("h4", "", (texts["cmp_causes"] ?? "").replace("{count}", String(features)).replace("{sum}", `${signed(total, line.digits)}${line.unit === "1" ? "" : ` ${line.unit}`}`)));
  const list = element("ol");
  for (const cause of found.slice(0, MOST_CAUSES)) {
    const item = element("li");
    item.dataset["change"] = cause.change;
    const dot = element("span", "twin-square");
    dot.style.setProperty("--c", CHANGES[cause.change] ?? "#868e96");
    const words = `${texts[`cmp_${cause.change}`] ?? cause.change}: ${from.title(cause.layer)}`;
    const amount = element("span", "twin-amount", signed(cause.difference, Math.max(line.digits, Math.abs(cause.difference) < 10 ? 1 : 0)));
    const named = element("span", "twin-named");
    if (cause.id && cause.lon !== null) named.append(button(words, () => from.go(cause), "twin-link"), element("small", "", cause.id));
    else named.append(element("span", "", `${words}: ${(texts["cmp_together"] ?? "").replace("{count}", String(cause.count))}`));
    item.append(dot, named, amount);
    list.append(item);
  }
  box.append(list);
  if (found.length > MOST_CAUSES || features > found.length) box.append(element("p", "twin-quiet", texts["cmp_more_causes"]));
  return box;
}
