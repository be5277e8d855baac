// What lies along the map's lower edge: time, alerts, and the panels for drawing, sun, flows, tables and sharing.
import type { Layer } from "@deck.gl/core";
import type { Map as MapLibre } from "maplibre-gl";
import { alertLayers, AlertList, openAlerts } from "./alerts";
import { viewportOf } from "./address";
import { chosenFlows, FlowsPanel } from "./chord";
import { flyTo } from "./controls";
import { Draw, type Drawn, type Shape } from "./draw";
import { Flood } from "./flood";
import type { Flow, FlowFeed } from "./flows";
import { Health } from "./health";
import type { LiveFeed } from "./live";
import type { MapModel, Picked } from "./model";
import { button, element, Panels } from "./parts";
import type { Ground } from "./sensors";
import { SharePanel } from "./share";
import type { Solids } from "./solids";
import type { LayerFacts } from "./style";
import { Sun } from "./sun";
import { TableTwin } from "./table";
import { Timeline } from "./timeline";
import { Tour } from "./tour";

const FLOWS = "migration.flows";
const SETTLED_MS = 500;
const CLOSE = 14;

/** The map as its desk knows it. */
export interface DeskMap {
  readonly map: MapLibre;
  readonly root: HTMLElement;
  readonly strip: HTMLElement;
  readonly feed: LiveFeed;
  readonly still: boolean;
  model(): MapModel;
  facts(): Record<string, LayerFacts>;
  flows: FlowFeed;
  /** Asks for what the shown layers need. */
  streams(): void;
  place(): string | null;
  solids(): Solids | null;
  draw(): void;
  open(found: Picked): void;
  picture(): Promise<Blob | null>;
}

export class Desk {
  readonly panels: Panels;
  readonly time: Timeline;
  readonly health: Health;
  readonly drawing: Draw;
  readonly #alerts: AlertList;
  readonly #table: TableTwin;
  readonly #share: SharePanel;
  readonly #sun: Sun;
  readonly #flood: Flood;
  readonly #flowsPanel: FlowsPanel;
  readonly #tour: Tour;
  readonly #buttons = new Map<string, HTMLButtonElement>();
  readonly #told = Object.assign(element("p", "twin-told"), { hidden: true });
  readonly #ended = new AbortController();
  #timer = 0;
  #quiet = 0;

  constructor(private readonly on: DeskMap) {
    const texts = (): Record<string, string> => on.model().texts;
    this.panels = new Panels((name) => texts()[name] ?? name);
    this.time = new Timeline((moment) => this.#moved(moment), on.still);
    this.health = new Health(on.map, (layer) => on.facts()[layer]?.title ?? layer);
    this.drawing = new Draw(on.map, { changed: () => on.draw(), done: (drawn) => this.#drawn(drawn), tell: (name, count) => this.#tell(name, count) });
    this.#alerts = new AlertList(on.feed, (longitude, latitude) => flyTo(on.map, { longitude, latitude, zoom: Math.max(CLOSE, on.map.getZoom()), pitch: on.map.getPitch(), bearing: on.map.getBearing() }));
    this.#table = new TableTwin({
      layers: () => on.model().layers,
      title: (layer) => on.facts()[layer]?.title ?? layer,
      bounds: () => viewportOf(on.map).bounds,
      texts,
      open: (layer, fid, properties) => on.open({ layer, fid, properties, id: String(properties["id"] ?? ""), place: on.map.getCenter().toArray() as [number, number] }),
    });
    const shown = (): string[] => Object.entries(on.model().layers).filter(([name, state]) => state.visible && !name.includes(":")).map(([name]) => name);
    this.#share = new SharePanel({ texts, picture: () => on.picture(), layers: shown, title: (layer) => on.facts()[layer]?.title ?? layer, bounds: () => viewportOf(on.map).bounds });
    this.#sun = new Sun(on.map, { shine: (sun) => on.solids()?.shine(sun), shown: (layer) => on.model().layers[layer]?.visible ?? false });
    this.#flood = new Flood(on.map);
    this.#flowsPanel = new FlowsPanel({
      changed: () => on.draw(),
      year: (wished) => {
        on.model().flows_year = wished;
        on.streams();
      },
    });
    this.#tour = new Tour(this.panels);
    this.#told.setAttribute("role", "status");
    this.#place();
    this.say();
    this.follow();
    if (on.model().time) void this.time.go(on.model().time);
    if (this.#offers("tour")) this.#tour.first();
  }

  /** The layers that the desk adds over the map. */
  layers(ground: Ground): Layer[] {
    const until = this.time.source?.now ?? Infinity;
    const alerts = openAlerts(this.on.feed).filter(({ since }) => Date.parse(since) <= until);
    return [...(this.#offers("alerts") ? alertLayers(alerts, ground) : []), ...(this.drawing.active ? this.drawing.layers(ground) : [])];
  }

  flows(): Flow[] {
    this.#flowsPanel.show(this.on.flows, this.on.model().flows_year, this.on.place());
    return chosenFlows(this.on.flows.flows, this.#flowsPanel.choice, this.on.place());
  }

  alerted(): void {
    const count = this.on.feed.alerts.size;
    const bell = this.#buttons.get("alerts");
    if (bell) {
      bell.textContent = `⚠ ${count}`;
      bell.dataset["count"] = String(count);
      const words = (this.on.model().texts["alerts_count"] ?? "").replace("{count}", String(count));
      bell.title = words;
      bell.setAttribute("aria-label", words);
    }
    if (this.panels.name === "alerts") this.#alerts.renew();
  }

  say(): void {
    const { texts } = this.on.model();
    for (const part of [this.time, this.health, this.#alerts, this.#sun, this.#flood, this.#flowsPanel, this.#tour]) part.say(texts);
    for (const [name, made] of this.#buttons) {
      made.textContent = texts[`do_${name}`] ?? name;
      made.title = texts[`about_${name}`] ?? "";
    }
    this.alerted();
  }

  /** Follows the switches: what no shown layer needs is not offered. */
  follow(): void {
    const { layers } = this.on.model();
    const flows = this.#buttons.get("flows");
    if (flows) flows.hidden = !layers[FLOWS]?.visible;
    if (flows?.hidden && this.panels.name === "flows") this.panels.close();
    if (this.panels.name === "table") this.#table.show();
  }

  /** Opens a panel by the name of its button; closes it where it stands open. */
  press(name: string): void {
    const title = this.on.model().texts[`about_${name}`] ?? name;
    if (name === "table" && this.panels.name !== name) this.#table.show();
    if (name === "share" && this.panels.name !== name) this.#share.show();
    if (name === "alerts") this.#alerts.renew();
    const painting = { sun: this.#sun, flood: this.#flood }[name];
    if (painting && this.panels.name !== name) {
      this.panels.show(name, title, painting.body, () => painting.close());
      return painting.open();
    }
    if (name === "tour") return this.#tour.open();
    const bodies: Record<string, HTMLElement> = { table: this.#table.body, share: this.#share.body, alerts: this.#alerts.body, flows: this.#flowsPanel.body, draw: this.#shapes() };
    if (bodies[name]) this.panels.toggle(name, title, bodies[name]);
    else this.panels.close();
  }

  /** Begins to draw what Python or the panel asks for; an empty word ends it. */
  begin(shape: string): void {
    if (shape === "point" || shape === "line" || shape === "polygon") {
      if (this.drawing.shape !== shape) this.drawing.start(shape);
    } else this.drawing.cancel();
  }

  tick(): void {
    this.time.tick();
  }

  end(): void {
    this.#ended.abort();
    this.time.end();
    this.health.end();
    window.clearTimeout(this.#timer);
    window.clearTimeout(this.#quiet);
  }

  #offers(name: string): boolean {
    return this.on.model().tools.includes(name);
  }

  #place(): void {
    const { root, strip } = this.on;
    const acts = element("div", "twin-tools");
    for (const name of ["alerts", "flows", "draw", "sun", "flood", "table", "share"]) {
      if (!this.#offers(name)) continue;
      const made = button(name, () => this.press(name), `twin-tool twin-tool-${name}`);
      this.#buttons.set(name, made);
      acts.append(made);
    }
    if (this.#offers("time")) strip.prepend(this.time.root);
    strip.dataset["time"] = this.#offers("time") ? "yes" : "no";
    strip.append(acts);
    root.append(this.panels.root, this.#told, this.health.root);
  }

  #shapes(): HTMLElement {
    const { texts } = this.on.model();
    const body = element("div", "twin-shapes");
    const acts = element("div", "twin-acts");
    for (const shape of ["point", "line", "polygon"] as Shape[])
      acts.append(
        button(texts[`shape_${shape}`] ?? shape, () => {
          this.panels.close();
          this.begin(shape);
        }),
      );
    body.append(acts, element("p", "twin-quiet", texts["draw_how"]));
    return body;
  }

  #drawn(drawn: Drawn | null): void {
    const model = this.on.model();
    model.drawing = "";
    if (drawn) model.drawn = drawn;
  }

  #tell(name: string, count: number): void {
    this.#told.textContent = (this.on.model().texts[name] ?? "").replace("{count}", String(count));
    this.#told.hidden = !this.#told.textContent;
    window.clearTimeout(this.#quiet);
    if (!this.drawing.active) this.#quiet = window.setTimeout(() => (this.#told.hidden = true), 5000);
  }

  /** Another moment: the map at once, the address when the slider rests. */
  #moved(moment: string): void {
    this.on.draw();
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => (this.on.model().time = moment), SETTLED_MS);
  }
}
