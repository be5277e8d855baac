// One map: MapLibre below, deck.gl above, the buttons and the strip, bound to the component's parameters.
import { Map as MapLibre, ScaleControl, type StyleSpecification } from "maplibre-gl";
import { optionsOf } from "./options";
import { FlowFeed, MOVES } from "./flows";
import { viewportOf, writeAddress } from "./address";
import { Controls, Strip, flyTo } from "./controls";
import { keyActs, listenToKeys } from "./keys";
import { LiveFeed } from "./live";
import { Changes } from "./changes";
import { Comparison } from "./comparison";
import { compareMap, deskMap, planMap, type MapParts } from "./faces";
import { isRef, type Heard, type MapModel } from "./model";
import { fontsReady } from "./fonts";
import type { Desk } from "./desk";
import { Dress } from "./dress";
import type { Overlay } from "./overlay";
import { whenPainted } from "./painted";
import { Choice } from "./choice";
import type { Solids } from "./solids";
import { countFrames, listenToPointer } from "./pointer";
import { Tip } from "./tip";
import type { Planning, PlanMap } from "./planning";
import { factsOf, fetchStyle, firstOf, withState } from "./style";

const TICK_MS = 10_000;
const FLOWS = "migration.flows";
const SENSORS = "iot.sensors";

export class TwinMap {
  /** The workbench, where one is open. */
  planning: Planning | null = null;
  readonly #map: MapLibre;
  readonly #controls: Controls;
  readonly #strip = new Strip();
  readonly #tip = new Tip();
  readonly #feed: LiveFeed;
  /** Made after the first frame: a second drawing context takes its time. */
  #overlay: Overlay | null = null;
  #desk: Desk | null = null;
  #deepening: Promise<void> | null = null;
  readonly #parts: MapParts;
  readonly #dress: Dress;
  readonly #comparison: Comparison;
  readonly #changes: Changes;
  readonly painted: Promise<void>;
  readonly #choice: Choice;
  readonly #ended = new AbortController();
  readonly #tick: number;
  readonly #flows: FlowFeed;
  #solids: Solids | null = null;
  /** Nothing glides: the viewer asked for that, or no graphics card would keep up. */
  readonly #still: boolean;
  #pendingDraw = 0;

  constructor(
    private readonly root: HTMLElement,
    private model: MapModel,
    private style: StyleSpecification,
    graphics: { software: boolean },
  ) {
    const canvas = Object.assign(document.createElement("div"), { className: "twin-canvas" });
    root.append(canvas);
    // Names, buildings and terrain follow the first frame: boundaries stand sooner.
    this.#map = new MapLibre(optionsOf(canvas, model.camera, withState(firstOf(style), model), graphics));
    this.#still = graphics.software || matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#feed = new LiveFeed(model.live_url, () => this.#told());
    this.#flows = new FlowFeed(() => this.draw(), this.#ended.signal);
    this.#choice = new Choice({
      map: this.#map,
      model: () => this.model,
      overlay: () => this.#overlay,
      solids: () => this.#solids,
      alert: () => {
        if (this.#desk?.panels.name !== "alerts") this.#desk?.press("alerts");
      },
      draw: () => this.draw(),
    });
    this.#parts = this.#asParts();
    this.#comparison = new Comparison(compareMap(this.#parts));
    this.#dress = new Dress(this.#map, { ...this.#parts, branch: () => this.#comparison.branch });
    this.#controls = new Controls(this.#map, (on) => this.setTerrain(on));
    this.#map.addControl(new ScaleControl({ maxWidth: 96, unit: "metric" }), "bottom-left");
    canvas.append(this.#tip.root);
    root.append(this.#controls.root, this.#strip.root);
    this.say();
    this.#listen(canvas);
    this.#changes = new Changes(this.#map, (heard) => this.#heardOf(heard), () => this.#comparison.branch, () => this.#desk?.health.doubt());
    this.#tick = window.setInterval(() => this.#desk?.tick(), TICK_MS);
    this.#map.once("style.load", () => {
      root.dataset["ready"] = "yes";
      this.select();
    });
    this.painted = whenPainted(this.#map, root);
  }

  /** Follows another model; what was done on the map meanwhile is told to it. */
  adopt(model: MapModel): void {
    const { viewport, clicked, mode_wanted } = this.model;
    this.model = model;
    if ((mode_wanted.at ?? 0) > (model.mode_wanted?.at ?? 0)) model.mode_wanted = mode_wanted;
    if (isRef(clicked as never)) model.clicked = clicked;
    model.viewport = viewport;
    this.say();
    this.states();
    this.comparing();
  }

  /** After the first frame: names, buildings, terrain, the streams and the overlay over them. Once. */
  deepen(): Promise<void> {
    return (this.#deepening ??= this.#deepen());
  }

  async #deepen(): Promise<void> {
    const [{ Overlay }, { Solids }, { Desk }] = await Promise.all([import("./overlay"), import("./solids"), import("./desk"), fontsReady()]);
    if (this.#ended.signal.aborted) return;
    this.#overlay = new Overlay(this.#map, this.#still);
    this.#solids = new Solids(this.#map, () => this.#dress.states());
    this.#desk = new Desk(deskMap(this.#parts));
    this.#show();
    this.select();
    this.#desk.begin(this.model.drawing);
    this.#changes.start();
    this.streams();
    this.comparing();
  }

  /** Switches, opacities and filters. */
  states(): void {
    this.#dress.states();
    this.#dress.stand();
    this.#desk?.follow();
    this.#comparison.shown?.follow();
    this.streams();
    this.share();
    this.draw();
  }

  /** Opens the comparison that the model names, or closes it. */
  comparing(): void {
    if (this.#overlay) this.#comparison.follow();
  }

  /** Fetches what the shown overlays need, and stops what is no longer shown. */
  streams(): void {
    const { layers, tools, flows_url: url, flows_year: year } = this.model;
    if (!this.#overlay) return;
    this.#feed.follow(layers[SENSORS]?.visible ?? false, tools.includes("alerts"));
    if (layers[FLOWS]?.visible) void this.#flows.load({ url, year, branch: this.#comparison.branch });
  }

  async restyle(): Promise<void> {
    this.style = await fetchStyle(this.model.style_url, undefined, this.#ended.signal);
    if (this.#overlay) this.#show();
    this.#comparison.shown?.restyled(true);
  }

  /** Puts the whole style on the map, with what the viewer switched. */
  #show(): void {
    this.#dress.whole();
    this.#map.once("idle", () => this.#choice.renew());
    if (!this.model.keep_address) this.#map.once("idle", () => (this.model.viewport = viewportOf(this.#map)));
    this.planning?.shown();
    this.draw();
  }

  /** Another branch, or the base: its tiles and scenes are asked for. */
  branch(): void {
    if (this.#overlay) this.#dress.branch();
    this.streams();
  }

  fly(): void {
    if (this.model.camera.pitch > 5) this.setTerrain(true);
    flyTo(this.#map, this.model.camera);
  }

  select(): void {
    const { selected } = this.model;
    this.#choice.mark(isRef(selected) ? selected : null);
    this.draw();
  }

  say(): void {
    this.#controls.say(this.model.texts);
    this.#strip.say(this.model.texts);
    this.#strip.live(this.#feed);
    this.#desk?.say();
    this.#comparison.shown?.say();
  }

  drawing(): void {
    this.#desk?.begin(this.model.drawing);
  }

  moment(): void {
    void this.#desk?.time.go(this.model.time);
  }

  share(): void {
    if (this.model.keep_address) writeAddress(this.#map, this.model.share);
  }

  setTerrain(on: boolean): void {
    this.#dress.terrain = on;
    if (!this.#overlay) return;
    this.#dress.ground();
    this.draw();
  }

  /** Draws the overlay again on the next frame. */
  draw(): void {
    if (this.#pendingDraw) return;
    this.#pendingDraw = requestAnimationFrame(() => {
      this.#pendingDraw = 0;
      this.#overlay?.draw({
        states: this.model.layers,
        facts: factsOf(this.style),
        flows: this.#desk?.flows() ?? [],
        place: this.#choice.place,
        deck: this.model.deck,
        sensors: this.#desk?.time.source ?? this.#feed,
        over: (ground) => [...(this.#desk?.layers(ground) ?? []), ...(this.planning?.layers(ground) ?? []), ...(this.#comparison.shown?.layers(ground) ?? [])],
      });
      if (this.#overlay?.isMoving(this.#desk?.time.source ?? this.#feed)) this.draw();
    });
  }

  end(): void {
    this.#ended.abort();
    for (const part of [this.#comparison, this.#desk, this.#solids]) part?.end();
    for (const one of [this.#feed, this.#changes]) one.stop();
    window.clearInterval(this.#tick);
    cancelAnimationFrame(this.#pendingDraw);
    this.#map.remove();
  }

  #listen(canvas: HTMLElement): void {
    const map = this.#map;
    listenToPointer(map, this.#tip, {
      busy: () => (this.#desk?.drawing.active || this.planning?.busy() || this.#comparison.shown?.drawing) ?? false,
      pick: (event) => this.#choice.pick(event),
      clicked: (found) => {
        this.#choice.click(found);
        this.planning?.clicked(found);
      },
      hovered: (found) => this.#choice.hover(found),
      mark: (found) => (this.#feed.isSimulated() && found?.layer === SENSORS ? "◇" : found?.layer === FLOWS ? "≈" : ""),
      texts: () => this.model.texts,
    });
    if (this.model.keep_address) listenToKeys(keyActs(map, () => this.model, (name) => this.#desk?.press(name)), this.#ended.signal);
    map.on("moveend", () => this.#moved());
    map.on("terrain", () => this.draw());
    countFrames(map, canvas, () => this.draw());
  }

  #moved(): void {
    if (this.#comparison.shown?.leading) return;
    this.model.viewport = viewportOf(this.#map);
    this.share();
    this.draw();
  }

  #told(): void {
    this.#strip.live(this.#feed);
    this.#desk?.alerted();
    this.draw();
  }

  #heardOf(heard: Heard): void {
    if (!heard.branch) this.model.heard = heard;
    this.planning?.heard(heard.layer);
    if (heard.layer === FLOWS || (heard.branch && MOVES.has(heard.layer))) {
      this.#flows.forget();
      this.streams();
    }
    this.#solids?.renew(heard.layer, heard.extent ?? null);
    this.#comparison.shown?.renew(heard.layer, heard.extent ?? null);
  }

  /** The map as the workbench knows it. */
  asPlan(): PlanMap {
    return planMap(this.#parts);
  }

  #asParts(): MapParts {
    const [map, root, strip, feed] = [this.#map, this.root, this.#strip.root, this.#feed];
    const [flows, choice, still] = [this.#flows, this.#choice, this.#still];
    return {
      map, root, strip, feed, flows, choice, still,
      model: () => this.model,
      style: () => this.style,
      solids: () => this.#solids,
      draw: () => this.draw(),
      streams: () => this.streams(),
      branch: () => this.branch(),
      rested: () => this.#moved(),
      serve: (planning) => (this.planning = planning),
    };
  }
}
