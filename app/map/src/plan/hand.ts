// The planner's hand on the map: what is drawn, picked, or listed because it is in the view.
import type { Layer } from "@deck.gl/core";
import { GeoJsonLayer } from "@deck.gl/layers";
import { viewportOf } from "../address";
import { Draw, geometryOf, type Shape as Drawable } from "../draw";
import { element } from "../parts";
import type { PlanMap } from "../planning";
import type { Ground } from "../sensors";
import { ask, type Branch, type Shape } from "./service";
import type { Words } from "./words";

const INK: [number, number, number] = [112, 72, 232];

export interface HandFrom {
  branch(): Branch | null;
  /** Whether the panel is wanted out of the map's way, on a phone. */
  aside(on: boolean): void;
  /** The shape as it is drawn so far; null: nothing is drawn. */
  drawing(shape: unknown): void;
}

export class Hand {
  readonly hint = element("p", "plan-hint");
  readonly #draw: Draw;
  #finish: ((shape: Shape | null) => void) | null = null;
  #sketch: Shape | null = null;
  #picking: { layer: string; give: (id: string | null) => void } | null = null;

  constructor(
    private readonly on: PlanMap,
    private readonly panel: HTMLElement,
    private readonly say: Words,
    private readonly from: HandFrom,
  ) {
    this.#draw = new Draw(on.map, {
      changed: () => {
        on.draw();
        this.#partial();
      },
      done: (drawn) => this.#end((drawn?.geometry as Shape) ?? null),
      tell: (name, count) => this.#tell(name, count),
    });
    this.hint.setAttribute("role", "status");
    this.hint.hidden = true;
  }

  get drawing(): boolean {
    return this.#draw.active;
  }

  busy(): boolean {
    return this.#draw.active || this.#picking !== null;
  }

  layers(ground: Ground): Layer[] {
    if (this.#draw.active) return this.#draw.layers(ground);
    const raised = this.#sketch && raise(this.#sketch.coordinates, ground);
    return raised ? [new GeoJsonLayer({ id: "plan-sketch", data: { type: this.#sketch!.type, coordinates: raised } as never, getFillColor: [...INK, 50], getLineColor: [...INK, 255], getLineWidth: 2.5, lineWidthUnits: "pixels", getPointRadius: 5, pointRadiusUnits: "pixels", lineBillboard: true })] : [];
  }

  /** Shows what was drawn before and is not carried out. */
  show(shape: Shape): void {
    this.#sketch = shape;
    this.on.draw();
  }

  /** Takes away what was drawn and is not carried out. */
  forget(): void {
    this.#sketch = null;
    this.on.draw();
  }

  /** Ends what is drawn or picked, with nothing. */
  leave(): void {
    this.#draw.cancel();
    this.#picking?.give(null);
  }

  draw(shape: Drawable): Promise<Shape | null> {
    this.#end(null);
    this.from.aside(true);
    return new Promise((give) => {
      this.#finish = give;
      this.#draw.start(shape);
    });
  }

  #end(shape: Shape | null): void {
    const give = this.#finish;
    this.#finish = null;
    this.from.drawing(null);
    if (give && shape) this.#sketch = shape;
    if (give) this.from.aside(false);
    give?.(shape);
    if (give) this.panel.querySelector<HTMLElement>(".plan-form .plan-main, .plan-form textarea")?.focus();
  }

  /** The rules are tried on an area while it is drawn. */
  #partial(): void {
    const { shape, path } = this.#draw;
    if (shape === "polygon" && path.length > 3) this.from.drawing(geometryOf(shape, path));
  }

  #tell(name: string, count: number): void {
    this.hint.textContent = (this.on.model().texts[name] ?? "").replace("{count}", String(count));
    this.hint.hidden = !this.#draw.active;
  }

  pick(layer: string): Promise<string | null> {
    this.#picking?.give(null);
    this.from.aside(true);
    const { map } = this.on;
    this.hint.textContent = this.say("pick_how");
    this.hint.hidden = false;
    map.getCanvas().style.cursor = "crosshair";
    map.getCanvas().focus();
    return new Promise((give) => {
      const stop = new AbortController();
      const end = (id: string | null): void => {
        stop.abort();
        map.off("click", click);
        map.getCanvas().style.cursor = "";
        this.hint.hidden = true;
        this.from.aside(false);
        // The click that chose it is still on its way to the page.
        setTimeout(() => {
          if (this.#picking === picking) this.#picking = null;
        }, 0);
        this.panel.querySelector<HTMLElement>(".plan-form .plan-main")?.focus();
        give(id);
      };
      const take = (event: { point: { x: number; y: number }; lngLat: { lng: number; lat: number } }): void => {
        const found = this.on.pick(event);
        if (found && (layer === "services." ? found.layer.startsWith(layer) : found.layer === layer)) return end(found.id);
        this.hint.textContent = this.say("pick_none");
      };
      const click = (event: Parameters<typeof take>[0]): void => take(event);
      const picking = { layer, give: end };
      this.#picking = picking;
      map.on("click", click);
      document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") end(null);
        else if (event.key === "Enter" && event.composedPath()[0] === map.getCanvas()) take({ point: map.project(map.getCenter()), lngLat: map.getCenter() });
        else return;
        event.preventDefault();
        event.stopPropagation();
      }, { capture: true, signal: stop.signal });
    });
  }

  async inView(layer: string): Promise<[string, string][]> {
    const box = viewportOf(this.on.map).bounds.map((one) => one.toFixed(6)).join(",");
    const open = this.from.branch();
    const branch = open ? `&scenario=${open.id}` : "";
    const { features } = await ask<{ features: { id: string; properties: Record<string, unknown> }[] }>(`/layers/${layer}/items?bbox=${box}&limit=50${branch}`).catch(() => ({ features: [] }));
    return features.map(({ id, properties }) => {
      const ident = String(properties["id"] ?? id);
      return [ident, [properties["name"], ident].filter(Boolean).join(" · ")];
    });
  }
}

/** Positions however deep they are nested, a metre over the ground. */
function raise(coordinates: unknown, ground: Ground): unknown {
  const [first, second] = coordinates as unknown[];
  if (typeof first === "number" && typeof second === "number") return [first, second, ground(first, second) + 1];
  return (coordinates as unknown[]).map((one) => raise(one, ground));
}
