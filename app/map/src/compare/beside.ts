// The other map: a second one over or beside the first, with the same camera, and the handle between them.
import { Map as MapLibre, type StyleSpecification } from "maplibre-gl";
import type { MapModel, Picked } from "../model";
import { optionsOf } from "../options";
import { element } from "../parts";
import { pickTiled } from "../picking";
import { Solids } from "../solids";
import { applyState, withBranch, withState } from "../style";
import type { View } from "./state";

const STEP = 0.02;
const LEAP = 0.1;
const STEPS: Record<string, number> = { ArrowLeft: -STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowUp: STEP, PageDown: -LEAP, PageUp: LEAP };

export interface BesideFrom {
  readonly map: MapLibre;
  readonly root: HTMLElement;
  readonly still: boolean;
  model(): MapModel;
  style(): StyleSpecification;
  open(found: Picked): void;
  /** The camera came to rest after the other map led it. */
  rested(): void;
  /** Whether the pointer belongs to a drawing. */
  busy(): boolean;
  /** The style of the other map was put on anew. */
  restyled(): void;
}

export class Beside {
  readonly handle = element("div", "twin-handle");
  readonly map: MapLibre;
  readonly #canvas = element("div", "twin-canvas twin-beside");
  #solids!: Solids;
  #scenario: number;
  #moving = false;
  #part = 0.5;

  constructor(
    private readonly from: BesideFrom,
    scenario: number,
  ) {
    this.#scenario = scenario;
    from.root.append(this.#canvas, this.handle);
    const lead = from.map;
    const { lng, lat } = lead.getCenter();
    const camera = { longitude: lng, latitude: lat, zoom: lead.getZoom(), pitch: lead.getPitch(), bearing: lead.getBearing() };
    this.map = new MapLibre({ ...optionsOf(this.#canvas, camera, this.#wanted(), { software: from.still }), attributionControl: false });
    this.#solids = new Solids(this.map, () => this.follow());
    this.map.on("style.load", () => this.#dressed());
    this.map.on("render", () => this.#count("frames"));
    this.map.on("idle", () => this.#count("idle"));
    lead.on("move", this.#led);
    lead.on("terrain", this.#grounded);
    this.map.on("move", this.#leads);
    this.map.on("moveend", () => this.#moving || from.rested());
    this.map.on("click", ({ point, lngLat }) => {
      if (from.busy()) return;
      const place: [number, number] = [lngLat.lng, lngLat.lat];
      const found = pickTiled(this.map, point, place, () => this.#solids.pick(point, place));
      if (found) from.open(found);
    });
    this.#listenToHandle();
    this.part = this.#part;
  }

  /** Whether the other map leads the first at this moment. */
  get leading(): boolean {
    return this.#moving;
  }

  /** Where the handle stands: 0 at the left edge, 1 at the right. */
  get part(): number {
    return this.#part;
  }

  set part(part: number) {
    this.#part = Math.max(0, Math.min(1, part));
    this.from.root.style.setProperty("--part", `${(this.#part * 100).toFixed(2)}%`);
    this.handle.setAttribute("aria-valuenow", String(Math.round(this.#part * 100)));
  }

  set view(view: View) {
    this.from.root.dataset["compare"] = view;
    this.handle.hidden = view === "side";
    queueMicrotask(() => {
      this.from.map.resize();
      this.map.resize();
      this.#led();
    });
  }

  say(texts: Record<string, string>): void {
    this.handle.setAttribute("aria-label", texts["cmp_handle"] ?? "");
    this.handle.title = texts["cmp_handle"] ?? "";
  }

  show(scenario: number): void {
    if (scenario === this.#scenario) return;
    this.#scenario = scenario;
    this.restyle();
  }

  /** Puts the style on anew: another theme, language or branch. */
  restyle(): void {
    this.map.setStyle(this.#wanted(), { diff: true });
    this.#dressed();
  }

  /** Switches, opacities and filters as on the first map. */
  follow(): void {
    if (this.map.style) applyState(this.map, this.from.style(), this.from.model(), this.#solids.drawn);
    this.#stand();
  }

  /** Something of a branch changed: what is drawn of it is asked anew. */
  renew(layer: string, extent: [number, number, number, number] | null): void {
    for (const source of [layer, `${layer}:names`]) if (this.map.getSource(source)) this.map.refreshTiles(source);
    this.#solids.renew(layer, extent);
  }

  /** While an area is drawn the first map is whole. */
  leave(away: boolean): void {
    this.#canvas.hidden = away;
    this.handle.hidden = away || this.from.root.dataset["compare"] === "side";
  }

  end(): void {
    this.from.map.off("move", this.#led);
    this.from.map.off("terrain", this.#grounded);
    this.#solids.end();
    this.map.remove();
    this.#canvas.remove();
    this.handle.remove();
    delete this.from.root.dataset["compare"];
    queueMicrotask(() => this.from.map.resize());
  }

  #wanted(): StyleSpecification {
    const wanted = withBranch(withState(this.from.style(), this.from.model(), this.#solids?.drawn), this.#scenario);
    if (!this.from.map.getTerrain()) delete wanted.terrain;
    return wanted;
  }

  /** The meshes of this side's branch. */
  #stand(): void {
    const { looks, layers } = this.from.model();
    this.#solids.follow({ looks, layers, scenario: this.#scenario });
  }

  #dressed(): void {
    this.#stand();
    this.from.restyled();
  }

  readonly #led = (): void => this.#bring(this.from.map, this.map);
  readonly #leads = (): void => this.#bring(this.map, this.from.map);
  readonly #grounded = (): void => {
    const terrain = this.from.map.getTerrain();
    if (Boolean(terrain) !== Boolean(this.map.getTerrain()) && this.map.style) this.map.setTerrain(terrain);
  };

  /** One camera: where one map goes, the other is at once. */
  #bring(leader: MapLibre, follower: MapLibre): void {
    if (this.#moving) return;
    this.#moving = true;
    try {
      follower.jumpTo({ center: leader.getCenter(), zoom: leader.getZoom(), pitch: leader.getPitch(), bearing: leader.getBearing() });
    } finally {
      this.#moving = false;
    }
  }

  #count(what: string): void {
    this.#canvas.dataset[what] = String(Number(this.#canvas.dataset[what] ?? 0) + 1);
  }

  #listenToHandle(): void {
    const { handle } = this;
    handle.tabIndex = 0;
    for (const [name, value] of Object.entries({ role: "slider", "aria-orientation": "horizontal", "aria-valuemin": "0", "aria-valuemax": "100" })) handle.setAttribute(name, value);
    handle.append(element("span", "twin-grip", "⇔"));
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = this.from.root.getBoundingClientRect();
      this.part = (event.clientX - box.left) / box.width;
    });
    handle.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (event.key === "Home") this.part = 0;
      else if (event.key === "End") this.part = 1;
      else if (step) this.part += step;
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
