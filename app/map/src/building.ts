// One building by itself in the inspector: its own mesh, turned by hand, with its measures. Drawn without WebGL, so it is there wherever the page is.
import { button, element, figure } from "./parts";
import { paintBody, readBody, type Body } from "./body";

const TURN_MS = 6000;
const STEP_DEG = 15;
const FIRST_DEG = 30;

interface BuildingModel {
  building: string;
  scenario: number;
  theme: string;
  texts: Record<string, string>;
  on(name: string, callback: () => void): void;
}

/** A figure of the building, with its standard error where one is told: the name of its words, its fields, its unit. */
const MEASURES: [words: string, field: string, error: string | null, unit: string][] = [
  ["body_height", "height_m", "height_se_m", "m"],
  ["body_volume", "volume_m3", "volume_se_m3", "m³"],
  ["body_roof", "roof_area_m2", null, "m²"],
  ["body_walls", "wall_area_m2", null, "m²"],
];

export function render({ model }: { model: BuildingModel }): HTMLElement {
  const root = element("section", "twin-building");
  const canvas = element("canvas");
  const told = element("p", "told");
  const turns = element("div", "turns");
  let body: Body | null = null;
  let bearing = FIRST_DEG;
  let turning = 0;
  let asked: AbortController | null = null;
  const text = (name: string): string => model.texts[name] ?? "";
  const draw = (): void => {
    if (body) paintBody(canvas, body, bearing, model.theme === "dark");
    canvas.dataset["bearing"] = String(Math.round(bearing));
  };
  const stop = (): void => cancelAnimationFrame(turning);
  const turn = (degrees: number): void => {
    stop();
    bearing = (bearing + degrees + 360) % 360;
    draw();
  };
  /** Once around, slowly, then still; not at all for who wants no motion. */
  const around = (): void => {
    stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return draw();
    const begun = performance.now();
    const step = (now: number): void => {
      const part = Math.min(1, (now - begun) / TURN_MS);
      bearing = FIRST_DEG + 360 * part * part * (3 - 2 * part);
      draw();
      if (part < 1 && root.isConnected) turning = requestAnimationFrame(step);
    };
    turning = requestAnimationFrame(step);
  };
  const fill = async (): Promise<void> => {
    stop();
    asked?.abort();
    body = null;
    root.hidden = !model.building;
    if (!model.building) return;
    const own = (asked = new AbortController());
    root.setAttribute("aria-busy", "true");
    told.textContent = text("body_busy");
    canvas.hidden = turns.hidden = true;
    try {
      const answer = await fetch(addressOf(model), { signal: own.signal });
      if (own.signal.aborted) return;
      body = answer.ok ? readBody(await answer.text()) : null;
      told.textContent = body ? measuresOf(body, text) : text(answer.status === 404 ? "body_none" : "body_failed");
    } catch {
      if (own.signal.aborted) return;
      told.textContent = text("body_failed");
    }
    root.removeAttribute("aria-busy");
    canvas.hidden = turns.hidden = !body;
    if (body) around();
  };
  const say = (): void => {
    root.dataset["theme"] = model.theme;
    canvas.setAttribute("aria-label", text("body_label"));
    canvas.title = text("body_label");
    for (const made of turns.querySelectorAll("button")) made.setAttribute("aria-label", text(`body_${made.dataset["act"]}`));
    if (body) told.textContent = measuresOf(body, text);
    draw();
  };
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  listen(canvas, turn);
  for (const [name, sign, degrees] of [["left", "⟲", STEP_DEG], ["right", "⟳", -STEP_DEG]] as const) {
    const made = button(sign, () => turn(degrees), "");
    made.dataset["act"] = name;
    turns.append(made);
  }
  root.append(canvas, turns, told);
  for (const name of ["building", "scenario"]) model.on(name, () => void fill());
  for (const name of ["theme", "texts"]) model.on(name, say);
  model.on("remove", stop);
  say();
  void fill();
  return root;
}

/** Dragging and the arrow keys turn what the canvas shows. */
function listen(canvas: HTMLCanvasElement, turn: (degrees: number) => void): void {
  canvas.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    turn(event.key === "ArrowLeft" ? STEP_DEG : -STEP_DEG);
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) turn(event.movementX / 2);
  });
}

function addressOf({ building, scenario }: BuildingModel): string {
  return `/scenes/buildings/features/${encodeURIComponent(building)}?f=obj${scenario ? `&scenario=${scenario}` : ""}`;
}

function measuresOf(body: Body, text: (name: string) => string): string {
  const rows = MEASURES.flatMap(([words, field, error, unit]) => {
    const value = body.facts[field];
    if (value === undefined) return [];
    const spread = error ? body.facts[error] : undefined;
    return [`${text(words)} ${figure(value)}${spread === undefined ? "" : ` ± ${figure(spread)}`} ${unit}`];
  });
  if (body.facts["volume_m3"] === undefined) rows.push(text("body_open"));
  return rows.join(" · ");
}

export default { render };
