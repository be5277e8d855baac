// The chart of one sensor in the inspector: the last hour, day or week, renewed while it is open.
import { historyOf, svg, type History } from "./history";
import { button, clock, element, figure } from "./parts";

const WIDTH = 272;
const HEIGHT = 128;
const LEFT = 40;
const BELOW = 16;
const RENEWED_MS = 20_000;
const SPANS: [name: string, hours: number][] = [
  ["hour", 1],
  ["day", 24],
  ["week", 168],
];

interface ChartModel {
  sensor: string;
  theme: string;
  texts: Record<string, string>;
  on(name: string, callback: () => void): void;
}

export function render({ model }: { model: ChartModel }): HTMLElement {
  const root = element("section", "twin-chart");
  let hours = 1;
  let asked = 0;
  const fill = async (): Promise<void> => {
    const own = (asked += 1);
    root.hidden = !model.sensor;
    root.dataset["theme"] = model.theme;
    if (!model.sensor) return root.replaceChildren();
    const picture = await historyOf(model.sensor, hours).then(
      (history) => chartOf(history, model.texts),
      () => element("p", "", model.texts["chart_failed"]),
    );
    if (own === asked) root.replaceChildren(head(), picture);
  };
  const head = (): HTMLElement => {
    const line = element("div", "head");
    line.append(element("h3", "", model.texts["chart"]));
    for (const [name, length] of SPANS) {
      const made = button(model.texts[name] ?? name, () => {
        hours = length;
        void fill();
      }, "");
      made.setAttribute("aria-pressed", String(length === hours));
      line.append(made);
    }
    return line;
  };
  for (const name of ["sensor", "theme", "texts"]) model.on(name, () => void fill());
  const timer = setInterval(() => document.hidden || void fill(), RENEWED_MS);
  model.on("remove", () => clearInterval(timer));
  void fill();
  return root;
}

function chartOf(history: History, texts: Record<string, string>): Element {
  const { points, unit, phenomenon } = history;
  if (points.length < 2) return element("p", "", texts["chart_none"]);
  const times = points.map(({ time }) => Date.parse(time));
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, until] = [times[0]!, times.at(-1)!];
  const x = (time: number): number => LEFT + ((time - from) / (until - from || 1)) * (WIDTH - LEFT - 6);
  const y = (value: number): number => 8 + (1 - (value - low) / (high - low || 1)) * (HEIGHT - BELOW - 16);
  const title = `${phenomenon.replaceAll("_", " ")} (${unit})`;
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${figure(low)} – ${figure(high)}, ${clock(from)} – ${clock(until)}` });
  const text = (words: string, at: [number, number], anchor: string): SVGTextElement => {
    const made = svg("text", { x: at[0], y: at[1], "text-anchor": anchor, "font-size": 10, fill: "currentColor" });
    made.textContent = words;
    return made;
  };
  for (const value of [low, high]) root.append(svg("line", { x1: LEFT, x2: WIDTH - 6, y1: y(value), y2: y(value), class: "rule" }), text(figure(value), [LEFT - 6, y(value) + 3], "end"));
  root.append(
    svg("polyline", { class: "line", points: points.map(({ value }, index) => `${x(times[index]!).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    text(clock(from).slice(5), [LEFT, HEIGHT - 2], "start"),
    text(clock(until).slice(11), [WIDTH - 6, HEIGHT - 2], "end"),
  );
  const figureBox = element("figure");
  figureBox.append(element("figcaption", "", `${title}: ${figure(values.at(-1)!)} ${unit}`), root);
  return figureBox;
}

export default { render };
