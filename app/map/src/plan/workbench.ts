// The workbench of a branch: the panel beside the map, the bar and the strip over it, and what is drawn and picked on the map.
import type { Layer } from "@deck.gl/core";
import { flight } from "../controls";
import { Draw, geometryOf, type Shape as Drawable } from "../draw";
import type { Picked } from "../model";
import { button, element } from "../parts";
import type { Planning, PlanMap, PlanModel } from "../planning";
import type { Ground } from "../sensors";
import { viewportOf } from "../address";
import { factsOf } from "../style";
import { Bar } from "./bar";
import { Build } from "./build";
import { Head } from "./head";
import { changes, history, rules, ruleWords, talk, type ListActs } from "./lists";
import { Marks } from "./marks";
import { review } from "./review";
import { ask, Refusal, type Answer, type Branch, type Comment, type Difference, type Shape, type Violation } from "./service";
import sheet from "./plan.css";
import { IndicatorStrip } from "./strip";
import { refusal, wordsOf, type Words } from "./words";

const TABS = ["build", "changes", "rules", "history", "talk", "review"] as const;
const GATHER_MS = 500;
const MOST_ZONES = 40;
const ZONES = "land.zones";
const TYPED_IN = "input, textarea, select, [contenteditable]";

export class Workbench implements Planning {
  readonly #say: Words;
  readonly #marks: Marks;
  readonly #bar: Bar;
  readonly #strip: IndicatorStrip;
  readonly #build: Build;
  readonly #head: Head;
  readonly #draw: Draw;
  readonly #tabs = element("div", "plan-tabs");
  readonly #body = element("div", "plan-body");
  readonly #chosen = element("div", "plan-chosen");
  readonly #hint = element("p", "plan-hint");
  readonly #ended = new AbortController();
  #branches: Branch[] = [];
  #branch: Branch | null = null;
  #differences: Difference[] = [];
  #violations: Violation[] = [];
  #comments: Comment[] = [];
  #tab: (typeof TABS)[number] = "build";
  #working = false;
  #gathering = 0;
  #finish: ((shape: Shape | null) => void) | null = null;
  #picking: { layer: string; give: (id: string | null) => void } | null = null;
  #selected: Picked | null = null;
  readonly #sheets: HTMLStyleElement[] = [];

  constructor(
    private readonly on: PlanMap,
    private readonly root: HTMLElement,
    private readonly model: PlanModel,
  ) {
    this.#say = wordsOf(() => model.texts);
    this.#marks = new Marks(on);
    this.#bar = new Bar(this.#say, { undo: () => void this.#step("undo"), redo: () => void this.#step("redo") });
    this.#strip = new IndicatorStrip(on.map, this.#say, () => model.language);
    this.#head = new Head(this.#say, {
      choose: (id) => void this.#open(id).then(() => (model.branch = this.#branch?.id ?? 0)),
      made: async (made) => {
        this.#branches = [made, ...this.#branches];
        this.#bar.tell(this.#say("branch_made", { name: made.name }));
        await this.#open(made.id);
        model.branch = made.id;
      },
    });
    this.#build = new Build(this.#say, {
      branch: () => this.#branch,
      language: () => model.language,
      draw: (shape) => this.#drawn(shape),
      pick: (layer) => this.#picked(layer),
      inView: (layer) => this.#inView(layer),
      done: (answer, title) => this.#done(answer, title),
      takeBack: () => this.#step("undo"),
      working: (on) => this.#work(on),
    });
    this.#draw = new Draw(on.map, {
      changed: () => {
        on.draw();
        this.#partial();
      },
      done: (drawn) => this.#end((drawn?.geometry as Shape) ?? null),
      tell: (name, count) => this.#tell(name, count),
    });
    this.#hint.setAttribute("role", "status");
    this.#hint.hidden = true;
    this.#tabs.setAttribute("role", "tablist");
    this.#tabs.addEventListener("keydown", (event) => this.#turn(event));
    this.#body.setAttribute("role", "tabpanel");
    this.#body.id = "plan-panel";
    this.root.append(this.#head.root, this.#tabs, this.#chosen, this.#body);
    for (const place of [this.root, on.root]) place.append(this.#sheet());
    on.root.append(this.#bar.root, this.#strip.root, this.#hint);
    on.serve(this);
    for (const name of ["branch", "active", "theme", "language", "texts", "actor"]) model.on(name, () => void this.#follow(name));
    document.addEventListener("keydown", (event) => this.#key(event), { signal: this.#ended.signal });
    void this.#begin();
  }

  // What the map asks.

  busy(): boolean {
    return this.#draw.active || this.#picking !== null;
  }

  layers(ground: Ground): Layer[] {
    return this.#draw.active ? this.#draw.layers(ground) : [];
  }

  clicked(found: Picked | null): void {
    this.#selected = found;
    this.#choose();
  }

  heard(): void {
    if (!this.#branch) return;
    window.clearTimeout(this.#gathering);
    this.#gathering = window.setTimeout(() => void this.#renew(), GATHER_MS);
  }

  shown(): void {
    this.on.map.once("idle", () => this.#marks.place());
    if (this.#branch) this.#marks.place();
  }

  end(): void {
    this.#ended.abort();
    this.#draw.cancel();
    this.#marks.end();
    for (const part of [this.#bar.root, this.#strip.root, this.#hint, ...this.#sheets]) part.remove();
    this.on.serve(null);
  }

  // The branch.

  async #begin(): Promise<void> {
    this.#layout();
    await this.#list();
    await this.#build.load().catch((error: unknown) => this.#body.replaceChildren(refusal(error, this.#say)));
    await this.#open(this.model.branch);
    this.on.root.dataset["plan"] = "ready";
  }

  async #list(): Promise<void> {
    try {
      this.#branches = (await ask<{ scenarios: Branch[] }>("/scenarios?limit=200")).scenarios;
    } catch {
      // Who may not see branches sees the base.
      this.#branches = [];
    }
  }

  async #open(id: number): Promise<void> {
    this.#tab = "build";
    if (!id) {
      this.#branch = null;
      this.#paint();
      await this.#renew();
      return;
    }
    try {
      this.#branch = await ask<Branch>(`/scenarios/${id}`);
      this.#paint();
      await this.#renew();
    } catch (error) {
      this.#branch = null;
      this.model.branch = 0;
      this.#paint();
      if (error instanceof Refusal && error.status !== 0) this.#head.missing(id);
      this.#bar.tell(this.#say("branch_missing", { id }), true);
      await this.#renew();
    }
  }

  async #follow(name: string): Promise<void> {
    if (name === "branch") {
      if (this.model.branch !== (this.#branch?.id ?? 0)) await this.#open(this.model.branch);
      return;
    }
    if (name === "active" && !this.model.active) this.#leave();
    if (name === "language" || name === "texts") this.#build.list();
    this.#paint();
    this.#pin();
    await this.#strip.renew(this.#branch);
  }

  /** Everything that hangs on the branch, fetched anew. */
  async #renew(): Promise<void> {
    const branch = this.#branch;
    if (branch) {
      const path = `/scenarios/${branch.id}`;
      try {
        const [now, diff, talked] = await Promise.all([ask<Branch>(path), ask<{ differences: Difference[] }>(`${path}/diff?limit=1000`), ask<{ comments: Comment[] }>(`${path}/comments`)]);
        if (this.#branch?.id !== branch.id) return;
        this.#branch = now;
        this.#branches = this.#branches.map((one) => (one.id === now.id ? now : one));
        [this.#differences, this.#comments] = [diff.differences, talked.comments];
      } catch (error) {
        this.#bar.tell(error instanceof Refusal && error.message ? error.message : this.#say("away"), true);
      }
    } else [this.#differences, this.#comments, this.#violations] = [[], [], []];
    this.#paint();
    await Promise.all([this.#marks.renew(this.#branch).catch(() => undefined), this.#judge(), this.#strip.renew(this.#branch)]);
  }

  /** What breaks the rules of the branch's zones, as it stands. */
  async #judge(): Promise<void> {
    const branch = this.#branch;
    if (!branch) return this.#pin();
    const zones = [...new Set(this.#differences.filter(({ layer, operation }) => layer === ZONES && operation !== "remove").map(({ id }) => id))].slice(0, MOST_ZONES);
    const found = await Promise.all(zones.map((zone) => ask<{ violations: Violation[] }>(`/scenarios/${branch.id}/zones/${encodeURIComponent(zone)}/violations`).catch(() => ({ violations: [] }))));
    if (this.#branch?.id !== branch.id) return;
    this.#violations = found.flatMap(({ violations }) => violations);
    this.#pin();
    this.#paint(this.#tab !== "build");
  }

  #pin(): void {
    const on = this.model.active ? this.#violations : [];
    this.#marks.pin(on, this.model.active ? this.#comments : [], (one) => ruleWords(one, this.#say), (tab) => this.#show(tab as (typeof TABS)[number]));
  }

  async #done(answer: Answer, title: string): Promise<void> {
    this.#violations = answer.violations;
    const changed = Object.values(answer.counts).flatMap((one) => Object.values(one)).reduce((all, one) => all + one, 0);
    this.#bar.tell(this.#say("did", { what: title, count: changed }));
    await this.#renew();
  }

  async #step(move: "undo" | "redo"): Promise<void> {
    const branch = this.#branch;
    if (!branch) return;
    this.#work(true);
    try {
      await ask(`/scenarios/${branch.id}/${move}`, { body: {} });
      this.#bar.tell(this.#say(`${move}_done`));
      await this.#renew();
    } catch (error) {
      const words = error instanceof Refusal ? [error.message, error.remedy].filter(Boolean).join(" → ") : String(error);
      this.#bar.tell(words || this.#say("away"), true);
    } finally {
      this.#work(false);
    }
  }

  #work(on: boolean): void {
    this.#working = on;
    this.#bar.show(this.#branch, this.#state());
  }

  #state(): { active: boolean; plans: boolean; working: boolean } {
    return { active: this.model.active, plans: this.model.actor.plan, working: this.#working };
  }

  // The panel.

  #sheet(): HTMLStyleElement {
    const made = Object.assign(element("style"), { textContent: sheet });
    this.#sheets.push(made);
    return made;
  }

  #layout(): void {
    this.root.classList.add("plan");
    this.#paint();
  }

  /** The whole panel as things stand; `keep`: not the body of the open tab where somebody fills it in. */
  #paint(renewBody = true): void {
    const { model } = this;
    this.root.dataset["theme"] = model.theme;
    this.root.hidden = !model.active;
    this.#strip.root.hidden = !model.active;
    this.on.root.dataset["planning"] = model.active ? "yes" : "no";
    this.#bar.show(this.#branch, this.#state());
    this.#head.show(this.#branches, this.#branch, model.actor.plan);
    this.#tabs.hidden = this.#body.hidden = this.#branch === null;
    this.#strip.root.dataset["theme"] = model.theme;
    const counts: Record<string, number> = { changes: this.#differences.length, rules: this.#violations.length, talk: this.#comments.filter((one) => !one.resolved_at && one.thread === null).length, review: this.#branch?.open_conflicts ?? 0 };
    const focused = (this.root.getRootNode() as ShadowRoot).activeElement?.getAttribute("data-tab");
    this.#tabs.setAttribute("aria-label", this.#say("tabs"));
    this.#tabs.replaceChildren(
      ...TABS.map((name) => {
        const made = button(this.#say(`tab_${name}`), () => this.#show(name), "plan-tab");
        made.dataset["tab"] = name;
        made.setAttribute("role", "tab");
        made.setAttribute("aria-selected", String(name === this.#tab));
        made.setAttribute("aria-controls", "plan-panel");
        made.tabIndex = name === this.#tab ? 0 : -1;
        if (counts[name]) made.append(element("span", `plan-count${name === "rules" ? " plan-count-wrong" : ""}`, String(counts[name])));
        return made;
      }),
    );
    if (focused) this.#tabs.querySelector<HTMLElement>(`[data-tab="${focused}"]`)?.focus();
    this.#body.setAttribute("aria-label", this.#say(`tab_${this.#tab}`));
    this.#choose();
    if (renewBody) void this.#fill();
  }

  #show(tab: (typeof TABS)[number]): void {
    this.#tab = tab;
    this.#paint();
    this.model.aside = false;
  }

  #turn(event: KeyboardEvent): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.#show(TABS[(TABS.indexOf(this.#tab) + by + TABS.length) % TABS.length]!);
    this.#tabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }

  async #fill(): Promise<void> {
    const [branch, tab, say] = [this.#branch, this.#tab, this.#say];
    if (!branch) return;
    const acts = this.#listActs();
    const { actor } = this.model;
    try {
      const made =
        tab === "build" ? (actor.plan && branch.state === "draft" ? this.#build.root : element("p", "plan-empty", say(actor.plan ? "not_draft" : "may_not", { state: say(`state_${branch.state}`) })))
        : tab === "changes" ? changes(this.#differences, say, acts)
        : tab === "rules" ? rules(this.#violations, say, acts)
        : tab === "history" ? await history(branch, say, (name) => this.#titled(name))
        : tab === "talk" ? talk(branch, this.#comments, actor.plan, say, acts)
        : await review(branch, actor, say, async (words) => {
            this.#bar.tell(words);
            await this.#renew();
          });
      if (this.#tab === tab && this.#branch?.id === branch.id && this.#body.firstChild !== made) this.#body.replaceChildren(made);
    } catch (error) {
      if (this.#tab === tab) this.#body.replaceChildren(refusal(error, say));
    }
  }

  #titled(name: string): string {
    return this.#build.named(name);
  }

  #listActs(): ListActs {
    return {
      go: (box) => {
        this.model.aside = true;
        this.on.map.fitBounds(box, { padding: 120, maxZoom: 17.5, duration: flight() / 2, pitch: this.on.map.getPitch() });
      },
      point: async () => {
        const shape = await this.#drawn("point");
        return shape ? (shape.coordinates as [number, number]) : null;
      },
      changed: () => this.#renew(),
      layer: (name) => this.#layerTitle(name),
    };
  }

  #layerTitle(name: string): string {
    return factsOf(this.on.map.getStyle())[name]?.title ?? this.#say(`layer_${name.split(".").at(-1)}`);
  }

  /** What can be done with the feature that was clicked. */
  #choose(): void {
    const [found, branch] = [this.#selected, this.#branch];
    this.#chosen.replaceChildren();
    if (!found || !branch || !this.model.active || branch.state !== "draft" || !this.model.actor.plan) return;
    const offers = this.#build.about(found.layer);
    if (!offers.length) return;
    const name = String(found.properties["name"] ?? found.id);
    this.#chosen.append(element("p", "plan-label", `${this.#layerTitle(found.layer)}: ${name}`));
    const acts = element("div", "plan-acts");
    for (const { operation, parameter, several } of offers) {
      const made = button(this.#build.title(operation), () => {
        this.#show("build");
        this.#build.open(operation.name, { [parameter]: several ? [found.id] : found.id, ...(parameter === "building" || parameter === "zone" ? rulesOf(found.properties) : {}) });
      }, "plan-act");
      made.dataset["about"] = operation.name;
      acts.append(made);
    }
    this.#chosen.append(acts);
  }

  // What is drawn and picked on the map.

  #drawn(shape: Drawable): Promise<Shape | null> {
    this.#end(null);
    this.model.aside = true;
    return new Promise((give) => {
      this.#finish = give;
      this.#draw.start(shape);
    });
  }

  #end(shape: Shape | null): void {
    const give = this.#finish;
    this.#finish = null;
    this.#build.drawing(null);
    if (give) this.model.aside = false;
    give?.(shape);
    if (give) this.root.querySelector<HTMLElement>(".plan-form .plan-main, .plan-form textarea")?.focus();
  }

  /** The rules are tried on an area while it is drawn. */
  #partial(): void {
    const { shape, path } = this.#draw;
    if (shape === "polygon" && path.length > 3) this.#build.drawing(geometryOf(shape, path));
  }

  #tell(name: string, count: number): void {
    this.#hint.textContent = (this.on.model().texts[name] ?? "").replace("{count}", String(count));
    this.#hint.hidden = !this.#draw.active;
  }

  #picked(layer: string): Promise<string | null> {
    this.#picking?.give(null);
    this.model.aside = true;
    const { map } = this.on;
    this.#hint.textContent = this.#say("pick_how");
    this.#hint.hidden = false;
    map.getCanvas().style.cursor = "crosshair";
    map.getCanvas().focus();
    return new Promise((give) => {
      const stop = new AbortController();
      const end = (id: string | null): void => {
        stop.abort();
        map.off("click", click);
        map.getCanvas().style.cursor = "";
        this.#hint.hidden = true;
        this.model.aside = false;
        // The click that chose it is still on its way to the page.
        setTimeout(() => {
          if (this.#picking === picking) this.#picking = null;
        }, 0);
        this.root.querySelector<HTMLElement>(".plan-form .plan-main")?.focus();
        give(id);
      };
      const take = (event: { point: { x: number; y: number }; lngLat: { lng: number; lat: number } }): void => {
        const found = this.on.pick(event);
        if (found && (layer === "services." ? found.layer.startsWith(layer) : found.layer === layer)) return end(found.id);
        this.#hint.textContent = this.#say("pick_none");
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

  async #inView(layer: string): Promise<[string, string][]> {
    const box = viewportOf(this.on.map).bounds.map((one) => one.toFixed(6)).join(",");
    const branch = this.#branch ? `&scenario=${this.#branch.id}` : "";
    const { features } = await ask<{ features: { id: string; properties: Record<string, unknown> }[] }>(`/layers/${layer}/items?bbox=${box}&limit=50${branch}`).catch(() => ({ features: [] }));
    return features.map(({ id, properties }) => {
      const ident = String(properties["id"] ?? id);
      return [ident, [properties["name"], ident].filter(Boolean).join(" · ")];
    });
  }

  #leave(): void {
    this.#draw.cancel();
    this.#picking?.give(null);
    this.#pin();
  }

  /** `z` takes back, `Z` puts on again; only in the mode of planning. */
  #key(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (!this.model.active || event.ctrlKey || event.metaKey || event.altKey || this.#working) return;
    if (event.key.toLowerCase() !== "z" || (target instanceof Element && target.matches(TYPED_IN))) return;
    if (!this.model.actor.plan || this.#branch?.state !== "draft" || this.#draw.active) return;
    event.preventDefault();
    void this.#step(event.key === "Z" || event.shiftKey ? "redo" : "undo");
  }
}

/** What a form begins with, of what is known of the feature. */
function rulesOf(properties: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).filter(([name, value]) => value !== null && /^(far|coverage|max_height_m|setback.*|min_parcel_m2|.*_share|storeys)$/.test(name)));
}

/** Opens the workbench in a panel, over a map. */
export function openWorkbench(on: PlanMap, root: HTMLElement, model: PlanModel): Workbench {
  return new Workbench(on, root, model);
}
