// Compare mode: two maps with one camera over a sheet of figures. What is compared lies in the page's address.
import type { Layer } from "@deck.gl/core";
import type { Map as MapLibre, StyleSpecification } from "maplibre-gl";
import { flight } from "../controls";
import type { MapModel, Picked } from "../model";
import { button, element } from "../parts";
import type { Ground } from "../sensors";
import type { LayerFacts } from "../style";
import { askBranches, askIndicators, type Branch, type Cause, type Indicator } from "./ask";
import { Bar } from "./bar";
import { Beside, type BesideFrom } from "./beside";
import sheet from "./compare.css";
import { Files } from "./files";
import { Outcome } from "./outcome";
import { FIRST_GROUPS, settled, type Comparing, type View } from "./state";
import { Status } from "./status";
import { Where } from "./where";

/** A cause is shown from this near. */
const CLOSE_ZOOM = 16.5;

export interface CompareFrom {
  readonly map: MapLibre;
  readonly root: HTMLElement;
  readonly still: boolean;
  model(): MapModel;
  style(): StyleSpecification;
  facts(): Record<string, LayerFacts>;
  /** Puts `first` on the first map. */
  show(): void;
  draw(): void;
  open(found: Picked): void;
  rested(): void;
}

export class Compare {
  readonly #root = element("section", "twin-cmp");
  readonly #badges = [element("p", "twin-badge twin-badge-a"), element("p", "twin-badge twin-badge-b")];
  readonly #ended = new AbortController();
  readonly #status: Status;
  readonly #outcome: Outcome;
  readonly #bar: Bar;
  readonly #files: Files;
  readonly #where: Where;
  #state: Comparing;
  #beside: Beside | null = null;
  #branches: Branch[] = [];
  #indicators: Indicator[] = [];
  #note = "";

  constructor(private readonly from: CompareFrom) {
    this.#state = { ...(from.model().compare as Comparing) };
    this.#state.groups ||= FIRST_GROUPS;
    const [texts, language] = [() => from.model().texts, () => from.model().language];
    this.#status = new Status(texts, this.#ended.signal);
    this.#outcome = this.#makeOutcome(texts, language);
    this.#files = new Files({ texts, language, question: () => this.#outcome.question });
    this.#where = new Where({
      map: from.map,
      texts,
      draw: () => from.draw(),
      tell: (words) => this.#status.say(words),
      drawing: (on) => this.#beside?.leave(on),
      chosen: (place) => this.#change({ place }),
    });
    this.#bar = this.#makeBar(texts);
    this.#build();
    document.addEventListener("keydown", (event) => this.#key(event), { signal: this.#ended.signal });
    this.say();
    void this.#begin();
  }

  /** Whether the other map moves the first at this moment: then the first has not come to rest. */
  get leading(): boolean {
    return this.#beside?.leading ?? false;
  }

  get drawing(): boolean {
    return this.#where.drawing;
  }

  /** Other words, another language. */
  say(): void {
    const { texts } = this.from.model();
    this.#root.setAttribute("aria-label", texts["cmp_title"] ?? "");
    this.#files.say();
    this.#beside?.say(texts);
    if (this.#branches.length) this.#render();
  }

  /** Switches, opacities or the style of the first map are others than before. */
  follow(): void {
    this.#beside?.follow();
  }

  /** The first map's style was put on anew; `whole`: the style itself is another. */
  restyled(whole: boolean): void {
    if (whole) this.#beside?.restyle();
    this.#outcome.shade();
  }

  renew(layer: string, extent: [number, number, number, number] | null): void {
    this.#beside?.renew(layer, extent);
  }

  layers(ground: Ground): Layer[] {
    return this.#where.layers(ground);
  }

  leave(): void {
    this.from.model().mode_wanted = { name: "look", at: performance.now() };
  }

  end(): void {
    this.#where.end();
    this.#ended.abort();
    this.#outcome.end();
    this.#files.end();
    this.#beside?.end();
    this.#beside = null;
    this.#outcome.drop();
    for (const one of [this.#root, ...this.#badges]) one.remove();
    delete this.from.root.dataset["compare"];
    this.from.show();
    this.from.map.resize();
  }

  get #ids(): string[] {
    return this.#state.ids.split(",");
  }

  #build(): void {
    this.#root.append(element("style", "", sheet), this.#bar.root, this.#status.root, this.#outcome.root, this.#files.root);
    this.from.root.append(this.#root, ...this.#badges);
    this.from.root.dataset["compare"] = "wait";
  }

  async #begin(): Promise<void> {
    const { texts } = this.from.model();
    const { signal } = this.#ended;
    this.#status.busy(texts["cmp_opening"] ?? "", null);
    try {
      const [{ signedIn, branches }, indicators] = await Promise.all([askBranches(signal), askIndicators(signal)]);
      if (!branches.length) return this.#empty(signedIn);
      this.#branches = branches;
      this.#indicators = indicators;
      this.#settle();
      this.#state.place ||= await this.#where.inView(signal);
    } catch (error) {
      return this.#status.failed(error, () => void this.#begin());
    }
    if (signal.aborted) return;
    this.#beside = new Beside(this.#asBeside(), this.#scenario(1));
    this.#beside.say(texts);
    this.#beside.view = this.#state.view;
    this.from.show();
    this.#told();
    this.#run();
  }

  /** Only branches that are there are compared; of the others it is said that they are gone. */
  #settle(): void {
    const { state, gone } = settled(this.#state, this.#branches, this.#indicators.map(({ group }) => group));
    this.#state = state;
    this.#note = gone.length ? (this.from.model().texts["cmp_gone"] ?? "").replace("{ids}", gone.join(", ")) : "";
  }

  /** The branch on the first map; 0: the country as it is. */
  get first(): number {
    return this.#scenario(0);
  }

  #scenario(index: number): number {
    return Number(this.#ids[index] ?? 0) || 0;
  }

  #run(): void {
    this.#head();
    void this.#outcome.run();
  }

  #render(): void {
    this.#head();
    this.#outcome.show();
  }

  /** The bar, and the names on the map of what stands on which side. */
  #head(): void {
    this.#bar.show();
    this.#label(this.from.model().texts);
  }

  #label(texts: Record<string, string>): void {
    this.#badges.forEach((badge, index) => {
      const branch = this.#branches.find(({ id }) => id === this.#scenario(index));
      const dot = element("span", "twin-dot");
      dot.style.setProperty("--c", branch?.colour ?? "#868e96");
      badge.replaceChildren(dot, branch?.name ?? texts["cmp_base"] ?? "");
    });
  }

  #choose(name: string): void {
    this.#state = { ...this.#state, indicator: this.#state.indicator === name ? "" : name };
    this.#told();
    if (this.#state.indicator) return void this.#outcome.map();
    this.#outcome.drop();
    this.#outcome.show();
  }

  #go(cause: Cause): void {
    if (cause.lon === null || cause.lat === null) return;
    const { map } = this.from;
    map.easeTo({ center: [cause.lon, cause.lat], zoom: Math.max(CLOSE_ZOOM, map.getZoom()), duration: flight() / 2 });
    const feature = this.#outcome.featureOf(cause);
    this.from.open({ layer: cause.layer, fid: Number(feature?.properties?.["fid"] ?? -1), id: cause.id, place: [cause.lon, cause.lat], properties: { id: cause.id, change: cause.change, difference: cause.difference } });
  }

  #setIds(ids: string[]): void {
    this.#note = "";
    const before = this.#ids;
    this.#state = { ...this.#state, ids: ids.join(",") };
    if (ids[0] !== before[0]) this.from.show();
    if (ids[1] !== before[1]) this.#beside?.show(this.#scenario(1));
    this.#told();
    this.#run();
  }

  #setView(view: View): void {
    this.#state = { ...this.#state, view };
    if (this.#beside) this.#beside.view = view;
    this.#told();
    this.#bar.show();
  }

  #change(change: Partial<Comparing>): void {
    this.#state = { ...this.#state, ...change };
    this.#told();
    this.#run();
  }

  #told(): void {
    this.from.model().compare = { ...this.#state };
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Escape" || event.defaultPrevented || this.#where.drawing) return;
    this.leave();
  }

  /** Nothing to compare yet: says what to do. */
  #empty(signedIn: boolean): void {
    const { texts } = this.from.model();
    this.#root.dataset["empty"] = signedIn ? "no-branch" : "sign-in";
    const shut = button(texts["cmp_leave"] ?? "", () => this.leave());
    this.#status.say();
    this.#files.root.remove();
    const box = element("div", "twin-cmp-empty");
    box.append(element("h2", "", texts[signedIn ? "cmp_no_branch_title" : "cmp_sign_in_title"]), element("p", "", texts[signedIn ? "cmp_no_branch" : "cmp_sign_in"]), shut);
    this.#outcome.root.replaceChildren(box);
  }

  #makeBar(texts: () => Record<string, string>): Bar {
    return new Bar({
      texts,
      branches: () => this.#branches,
      ids: () => this.#ids,
      view: () => this.#state.view,
      groups: () => ({ all: [...new Set(this.#indicators.map(({ group }) => group))], chosen: this.#state.groups.split(",") }),
      place: () => this.#state.place,
      setIds: (ids) => this.#setIds(ids),
      setView: (view) => this.#setView(view),
      setGroups: (groups) => this.#change({ groups: groups.join(",") }),
      setUnit: (unit) => this.#where.unit(unit),
      setPlace: (kind) => void this.#where.choose(kind, this.#ended.signal),
      leave: () => this.leave(),
    });
  }

  #makeOutcome(texts: () => Record<string, string>, language: () => string): Outcome {
    return new Outcome({
      sheet: this.#root,
      status: this.#status,
      texts,
      language,
      state: () => this.#state,
      indicators: () => this.#indicators,
      maps: () => [this.from.map, ...(this.#beside ? [this.#beside.map] : [])],
      title: (layer) => this.from.facts()[layer]?.title ?? layer,
      note: () => this.#note,
      chosen: (name) => this.#choose(name),
      go: (cause) => this.#go(cause),
    });
  }

  #asBeside(): BesideFrom {
    const { map, root, still, model, style, open, rested } = this.from;
    return { map, root, still, model, style, open, rested, busy: () => this.#where.drawing, restyled: () => this.#outcome.shade() };
  }
}
