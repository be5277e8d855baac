// What one sensor said lately, and its line as a small drawing.
import { at } from "./home";
import { figure } from "./parts";

export interface Point {
  time: string;
  value: number;
  quality?: string;
  minimum?: number;
  maximum?: number;
}

export interface History {
  sensor: string;
  phenomenon: string;
  unit: string;
  points: Point[];
}

const KEPT_MS = 20_000;
const kept = new Map<string, { at: number; answer: Promise<History> }>();

/** The values of a sensor over the last hours, oldest first; an answer is kept for a while. */
export function historyOf(sensor: string, hours: number, phenomenon = ""): Promise<History> {
  const key = `${sensor} ${hours} ${phenomenon}`;
  const before = kept.get(key);
  if (before && Date.now() - before.at < KEPT_MS) return before.answer;
  const query = new URLSearchParams({ sensor, since: new Date(Date.now() - hours * 3_600_000).toISOString() });
  if (phenomenon) query.set("phenomenon", phenomenon);
  const answer = fetch(at(`/live/history?${query}`)).then(async (got) => {
    if (!got.ok) throw new Error(`history: ${got.status}`);
    const found = (await got.json()) as History;
    return { ...found, points: found.points.filter(({ value }) => typeof value === "number") };
  });
  answer.catch(() => kept.delete(key));
  if (kept.size > 200) kept.clear();
  kept.set(key, { at: Date.now(), answer });
  return answer;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Record<string, string | number>): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

/** The line of a history with its least and greatest value; null where there is too little to draw. */
export function sparkline(history: History, width: number, height: number): SVGSVGElement | null {
  const { points, unit } = history;
  if (points.length < 2) return null;
  const times = points.map(({ time }) => Date.parse(time));
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, until] = [times[0]!, times.at(-1)!];
  const x = (time: number): number => ((time - from) / (until - from || 1)) * (width - 8) + 4;
  const y = (value: number): number => height - 5 - ((value - low) / (high - low || 1)) * (height - 10);
  const root = svg("svg", { class: "twin-spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  root.setAttribute("aria-label", `${history.phenomenon.replaceAll("_", " ")}: ${figure(low)} – ${figure(high)} ${unit}`);
  const line = points.map(({ value }, index) => `${x(times[index]!).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  root.append(
    svg("polyline", { points: line, fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linejoin": "round" }),
    svg("circle", { cx: x(until), cy: y(values.at(-1)!), r: 2.5, fill: "currentColor" }),
  );
  return root;
}
