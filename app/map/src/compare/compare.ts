// Compare mode: two maps with one camera over a sheet of figures. What is compared lies in the page's address.
import type { Layer } from "@deck.gl/core";
import type { Map as MapLibre, StyleSpecification } from "maplibre-gl";
import { flight } from "../controls";
import { Draw, type Drawn } from "../draw";
import type { MapModel, Picked } from "../model";
import { button, element } from "../parts";
import type { Ground } from "../sensors";
import type { LayerFacts } from "../style";
import { askBranches, askIndicators, compare, differenceMap, districtAt, Problem, type Branch, type Cause, type Compared, type Indicator, type Question, type Unit } from "./ask";
import { Bar, MOST_SIDES } from "./bar";
import { Beside } from "./beside";
import sheet from "./compare.css";
import { detailOf } from "./detail";
import { Files } from "./files";
import { shade, shadesOf, type Shades } from "./shading";
import { BASE, FIRST_GROUPS, placeOf, saidOf, type Comparing, type Ring, type View } from "./state";
import { tableOf } from "./table";

/** Farther out than this the whole country is meant, not the district in the middle. */
const COUNTRY_ZOOM = 9;
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
  readonly #status = element("div", "twin-cmp-status");
  readonly #body = element("div", "twin-cmp-body");
  readonly #table = element("div", "twin-scroll");
  readonly #badges = [element("p", "twin-badge twin-badge-a"), element("p", "twin-badge twin-badge-b")];
  readonly #bar: Bar;
  readonly #files: Files;
  readonly #ended = new AbortController();
  readonly #draw: Draw;
  #state: Comparing;
  #beside: Beside | null = null;
  #branches: Branch[] = [];
  #indicators: Indicator[] = [];
  #compared: Compared | null = null;
  #shades: Shades | null = null;
  #running: AbortController | null = null;
  #mapping: AbortController | null = null;
  #note = "";
  #over = false;

  constructor(private readonly from: CompareFrom) {
    this.#state = { ...(from.model().compare as Comparing) };
    this.#state.groups ||= FIRST_GROUPS;
    const texts = (): Record<string, string> => from.model().texts;
    const language = (): string => from.model().language;
    this.#files = new Files({ texts, language, question: () => this.#question() });
    this.#draw = new Draw(from.map, { changed: () => from.draw(), done: (drawn) => this.#drawn(drawn), tell: (name, count) => this.#say((texts()[name] ?? "").replace("{count}", String(count))) });
    this.#bar = new Bar({
      texts,
      branches: () => this.#branches,
      ids: () => this.#ids,
      view: () => this.#state.view,
      groups: () => ({ all: [...new Set(this.#indicators.map(({ group }) => group))], chosen: this.#state.groups.split(",") }),
      place: () => this.#state.place,
      setIds: (ids) => this.#setIds(ids),
      setView: (view) => this.#setView(view),
      setGroups: (groups) => this.#change({ groups: groups.join(",") }),
      setUnit: (unit) => this.#setUnit(unit),
      setPlace: (kind) => void this.#setPlace(kind),
      leave: () => this.leave(),
    });
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
    return this.#draw.active;
  }

  /** Other words, another language. */
  say(): void {
    const { texts } = this.from.model();
    this.#root.setAttribute("aria-label", texts["cmp_title"] ?? "");
    this.#table.setAttribute("aria-label", texts["cmp_table"] ?? "");
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
    this.#shade();
  }

  renew(layer: string, extent: [number, number, number, number] | null): void {
    this.#beside?.renew(layer, extent);
  }

  layers(ground: Ground): Layer[] {
    return this.#draw.active ? this.#draw.layers(ground) : [];
  }

  leave(): void {
    this.from.model().mode_wanted = { name: "look", at: performance.now() };
  }

  end(): void {
    this.#over = true;
    this.#draw.cancel();
    this.#ended.abort();
    this.#running?.abort();
    this.#mapping?.abort();
    this.#files.end();
    this.#beside?.end();
    this.#beside = null;
    shade(this.from.map, null);
    for (const one of [this.#root, ...this.#badges]) one.remove();
    delete this.from.root.dataset["compare"];
    this.from.show();
    this.from.map.resize();
  }

  get #ids(): string[] {
    return this.#state.ids.split(",");
  }

  #build(): void {
    this.#status.setAttribute("role", "status");
    this.#table.tabIndex = 0;
    this.#table.setAttribute("role", "region");
    this.#body.append(this.#table);
    this.#root.append(element("style", "", sheet), this.#bar.root, this.#status, this.#body, this.#files.root);
    this.from.root.append(this.#root, ...this.#badges);
    this.from.root.dataset["compare"] = "wait";
  }

  async #begin(): Promise<void> {
    const { texts } = this.from.model();
    const { signal } = this.#ended;
    this.#busy(texts["cmp_opening"] ?? "", null);
    try {
      const [{ signedIn, branches }, indicators] = await Promise.all([askBranches(signal), askIndicators(signal)]);
      if (!branches.length) return this.#empty(signedIn);
      this.#branches = branches;
      this.#indicators = indicators;
      this.#settle();
      await this.#findPlace();
    } catch (error) {
      return this.#failed(error, () => void this.#begin());
    }
    if (signal.aborted) return;
    this.#beside = new Beside(this.#asBeside(), this.#scenario(1));
    this.#beside.say(texts);
    this.#beside.view = this.#state.view;
    this.from.show();
    this.#told();
    void this.#run();
  }

  /** Only branches that are there are compared; of the others it is said that they are gone. */
  #settle(): void {
    const known = new Set([BASE, ...this.#branches.map(({ id }) => String(id))]);
    const said = this.#state.ids.split(",").filter(Boolean);
    const gone = said.filter((id) => !known.has(id));
    const ids = said.filter((id) => known.has(id));
    for (const id of [BASE, ...this.#branches.filter(({ state }) => state !== "archived").map(({ id }) => String(id)), ...known]) if (ids.length < 2 && !ids.includes(id)) ids.push(id);
    this.#state.ids = ids.slice(0, MOST_SIDES).join(",");
    const groups = new Set(this.#indicators.map(({ group }) => group));
    this.#state.groups = this.#state.groups.split(",").filter((one) => groups.has(one)).join(",") || FIRST_GROUPS;
    this.#note = gone.length ? (this.from.model().texts["cmp_gone"] ?? "").replace("{ids}", gone.join(", ")) : "";
  }

  async #findPlace(): Promise<void> {
    if (this.#state.place) return;
    const { lng, lat } = this.from.map.getCenter();
    this.#state.place = this.from.map.getZoom() < COUNTRY_ZOOM ? "RW" : ((await districtAt(lng, lat, this.#ended.signal)) ?? "RW");
  }

  /** The branch on the first map; 0: the country as it is. */
  get first(): number {
    return this.#over ? this.from.model().scenario : this.#scenario(0);
  }

  #scenario(index: number): number {
    return Number(this.#ids[index] ?? 0) || 0;
  }

  #question(): Question | null {
    return this.#compared ? { ids: this.#state.ids, names: this.#compared.lines.map(({ name }) => name), place: placeOf(this.#state.place) } : null;
  }

  /** Asks group by group, so that the first figures stand early and the rest can be watched coming. */
  async #run(): Promise<void> {
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    this.#compared = null;
    this.#drop();
    this.#render();
    const { texts } = this.from.model();
    const groups = this.#state.groups.split(",");
    for (const [index, group] of groups.entries()) {
      const words = (texts["cmp_busy"] ?? "").replace("{group}", texts[`group_${group}`] ?? group).replace("{at}", String(index + 1)).replace("{count}", String(groups.length));
      this.#busy(words, index / groups.length);
      const names = this.#indicators.filter((one) => one.group === group).map(({ name }) => name);
      try {
        const found = await compare({ ids: this.#state.ids, names, place: placeOf(this.#state.place) }, running.signal);
        if (running.signal.aborted) return;
        this.#compared = this.#compared ? { ...found, lines: [...(this.#compared as Compared).lines, ...found.lines] } : found;
        this.#render();
      } catch (error) {
        if (!running.signal.aborted) this.#failed(error, () => void this.#run());
        return;
      }
    }
    this.#say(this.#note);
    this.#root.dataset["ready"] = this.#state.ids;
    if (this.#state.indicator) void this.#map();
  }

  /** The maps of the chosen indicator: differences by village, and what caused them. */
  async #map(): Promise<void> {
    this.#drop();
    const name = this.#state.indicator;
    const line = this.#compared?.lines.find((one) => one.name === name);
    this.#render();
    if (!line?.differences[0]?.causes.length) return;
    const mapping = (this.#mapping = new AbortController());
    const question = { ids: this.#ids.slice(0, 2).join(","), names: [name], place: placeOf(this.#state.place) };
    try {
      const [villages, causes] = await Promise.all([differenceMap(question, "village", 1, mapping.signal), differenceMap(question, "feature", 1, mapping.signal)]);
      if (mapping.signal.aborted) return;
      this.#shades = shadesOf(villages, causes);
      this.#shade();
      this.#render();
    } catch (error) {
      if (!mapping.signal.aborted) this.#failed(error, () => void this.#map());
    }
  }

  #drop(): void {
    this.#mapping?.abort();
    this.#shades = null;
    this.#shade();
  }

  #shade(): void {
    for (const map of [this.from.map, this.#beside?.map]) if (map) shade(map, this.#shades);
    this.#root.dataset["villages"] = String(this.#shades?.villages.features.length ?? "");
  }

  #render(): void {
    const { texts, language } = this.from.model();
    this.#bar.show();
    this.#label(texts);
    const tree = this.#root.getRootNode() as Document | ShadowRoot;
    const focused = (tree.activeElement as HTMLElement | null)?.closest<HTMLElement>("tr[data-indicator]")?.dataset["indicator"];
    const table = this.#compared ? tableOf(this.#compared, this.#state.indicator, { texts: () => texts, language: () => language, chosen: (name) => this.#choose(name) }) : null;
    this.#table.replaceChildren(...(table ? [table, element("p", "twin-quiet", `${texts["cmp_interval"] ?? ""} ${texts["marks"] ?? ""}`)] : []));
    if (focused) this.#table.querySelector<HTMLElement>(`tr[data-indicator="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
    this.#body.querySelector(".twin-detail")?.remove();
    const line = this.#compared?.lines.find(({ name }) => name === this.#state.indicator);
    if (!line) return;
    const facts = this.from.facts();
    this.#body.append(
      detailOf(line, this.#compared!, 1, this.#shades, {
        texts: () => texts,
        language: () => language,
        title: (layer) => facts[layer]?.title ?? layer,
        close: () => this.#choose(line.name),
        go: (cause) => this.#go(cause),
      }),
    );
  }

  /** Names on the map what stands on which side. */
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
    if (this.#state.indicator) void this.#map();
    else {
      this.#drop();
      this.#render();
    }
  }

  #go(cause: Cause): void {
    if (cause.lon === null || cause.lat === null) return;
    const { map } = this.from;
    map.easeTo({ center: [cause.lon, cause.lat], zoom: Math.max(CLOSE_ZOOM, map.getZoom()), duration: flight() / 2 });
    const feature = this.#shades?.causes.features.find(({ properties }) => properties?.["id"] === cause.id);
    this.from.open({ layer: cause.layer, fid: Number(feature?.properties?.["fid"] ?? -1), id: cause.id, place: [cause.lon, cause.lat], properties: { id: cause.id, change: cause.change, difference: cause.difference } });
  }

  #setIds(ids: string[]): void {
    this.#note = "";
    const before = this.#ids;
    this.#state = { ...this.#state, ids: ids.join(",") };
    if (ids[0] !== before[0]) this.from.show();
    if (ids[1] !== before[1]) this.#beside?.show(this.#scenario(1));
    this.#told();
    void this.#run();
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
    void this.#run();
  }

  #setUnit(unit: Unit): void {
    if (unit.bounds) this.#fit(unit.bounds);
    this.#change({ place: unit.id });
  }

  async #setPlace(kind: "country" | "view" | "draw"): Promise<void> {
    if (kind === "country") return this.#change({ place: "RW" });
    if (kind === "draw") {
      if (this.#beside) this.#beside.away = true;
      return this.#draw.start("polygon");
    }
    const { lng, lat } = this.from.map.getCenter();
    const found = await districtAt(lng, lat, this.#ended.signal).catch(() => null);
    if (found) this.#change({ place: found });
    else this.#say(this.from.model().texts["cmp_place_outside"]);
  }

  #drawn(drawn: Drawn | null): void {
    if (this.#beside) this.#beside.away = false;
    if (!drawn) return this.#say("");
    const ring = (drawn.geometry.coordinates as Ring[])[0]!.slice(0, -1);
    this.#change({ place: saidOf(ring) });
  }

  #fit([west, south, east, north]: [number, number, number, number]): void {
    const { map } = this.from;
    map.fitBounds([west, south, east, north], { padding: 24, pitch: map.getPitch(), bearing: map.getBearing(), duration: flight() / 2 });
  }

  #told(): void {
    delete this.#root.dataset["ready"];
    const model = this.from.model();
    model.compare = { ...this.#state };
    if (this.#compared) this.#root.dataset["ready"] = this.#state.ids;
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "Escape" || event.defaultPrevented || this.#draw.active) return;
    this.leave();
  }

  #busy(words: string, share: number | null): void {
    const bar = element("progress");
    if (share !== null) Object.assign(bar, { max: 1, value: Math.max(share, 0.03) });
    bar.setAttribute("aria-label", words);
    this.#status.replaceChildren(bar, element("span", "", words));
  }

  #say(words = ""): void {
    this.#status.replaceChildren(...(words ? [element("span", "", words)] : []));
  }

  #failed(error: unknown, again: () => void): void {
    if (this.#ended.signal.aborted) return;
    const { texts } = this.from.model();
    const words = error instanceof Problem ? `${error.message} ${error.remedy}` : (texts["cmp_failed"] ?? "");
    this.#status.replaceChildren(element("span", "twin-failed", words), button(texts["cmp_again"] ?? "", again));
  }

  /** Nothing to compare yet: says what to do. */
  #empty(signedIn: boolean): void {
    const { texts } = this.from.model();
    this.#root.dataset["empty"] = signedIn ? "no-branch" : "sign-in";
    const shut = button(texts["cmp_leave"] ?? "", () => this.leave());
    this.#status.replaceChildren();
    this.#files.root.remove();
    const box = element("div", "twin-cmp-empty");
    box.append(element("h2", "", texts[signedIn ? "cmp_no_branch_title" : "cmp_sign_in_title"]), element("p", "", texts[signedIn ? "cmp_no_branch" : "cmp_sign_in"]), shut);
    this.#body.replaceChildren(box);
  }

  #asBeside() {
    const { map, root, still, model, style, open, rested } = this.from;
    return { map, root, still, model, style, open, rested, busy: () => this.#draw.active, restyled: () => this.#shade() };
  }
}
