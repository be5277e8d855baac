// The workbench of a branch: the panel beside the map, the bar and the strip over it, and what is drawn and picked on the map.
import type { Layer } from "@deck.gl/core";
import type { Picked } from "../model";
import { element, renewed } from "../parts";
import type { Planning, PlanMap, PlanModel } from "../planning";
import type { Ground } from "../sensors";
import { factsOf } from "../style";
import { Account } from "./account";
import { Bar, moveOf } from "./bar";
import { Build } from "./build";
import { Hand } from "./hand";
import { Head } from "./head";
import { offers } from "./chosen";
import { ruleWords } from "./lists";
import { Marks } from "./marks";
import { listActs, pane } from "./panes";
import { ask, onRefusal, Refusal, type Answer, type Branch, type Shape } from "./service";
import { Session } from "./session";
import sheet from "./plan.css";
import { IndicatorStrip } from "./strip";
import { Tabs, type Tab } from "./tabs";
import { refusal, wordsOf, type Words } from "./words";

const GATHER_MS = 500;

export class Workbench implements Planning {
  readonly #account = new Account();
  readonly #say: Words;
  readonly #marks: Marks;
  readonly #bar: Bar;
  readonly #strip: IndicatorStrip;
  readonly #build: Build;
  readonly #head: Head;
  readonly #hand: Hand;
  readonly #tabs: Tabs;
  readonly #session: Session;
  readonly #body = element("div", "plan-body");
  readonly #chosen = element("div", "plan-chosen");
  readonly #ended = new AbortController();
  #tab: Tab = "build";
  #working = false;
  #gathering = 0;
  #selected: Picked | null = null;
  readonly #sheets = [sheet, sheet].map((textContent) => Object.assign(element("style"), { textContent }));

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
      choose: (id) => void this.#open(id).then(() => (model.branch = this.#account.branch?.id ?? 0)),
      made: async (made) => {
        this.#account.branches = [made, ...this.#account.branches];
        this.#bar.tell(this.#say("branch_made", { name: made.name }));
        await this.#open(made.id);
        model.branch = made.id;
      },
    });
    this.#tabs = new Tabs(this.#say, this.#body, (tab) => this.#show(tab));
    this.#hand = new Hand(on, root, this.#say, {
      branch: () => this.#account.branch,
      aside: (on) => (model.aside = on),
      drawing: (shape) => this.#build.drawing(shape),
    });
    this.#build = new Build(this.#say, {
      branch: () => this.#account.branch,
      language: () => model.language,
      draw: (shape) => this.#hand.draw(shape),
      pick: (layer) => this.#hand.pick(layer),
      inView: (layer) => this.#hand.inView(layer),
      done: (answer, title) => this.#done(answer, title),
      takeBack: () => this.#step("undo"),
      working: (on) => this.#work(on),
      closed: () => this.#hand.forget(),
      sketch: (shape) => this.#hand.show(shape as Shape),
      seen: () => this.#account.branch?.version,
      decide: () => this.#show("review"),
    });
    this.#session = new Session(this.#say, () => (model.actor.plan ? model.actor.name : null), () => void this.#back());
    onRefusal((error) => void this.#session.doubt(error), this.#ended.signal);
    root.classList.add("plan");
    this.root.append(this.#session.root, this.#head.root, this.#tabs.root, this.#chosen, this.#body);
    [this.root, on.root].forEach((place, index) => place.append(this.#sheets[index]!));
    on.root.append(this.#bar.root, this.#strip.root, this.#hand.hint);
    on.serve(this);
    for (const name of ["branch", "active", "theme", "language", "texts", "actor"]) model.on(name, () => void this.#follow(name));
    document.addEventListener("keydown", (event) => this.#key(event), { signal: this.#ended.signal });
    void this.#begin();
  }

  // What the map asks.

  busy(): boolean {
    return this.#hand.busy();
  }

  layers(ground: Ground): Layer[] {
    return this.#hand.layers(ground);
  }

  clicked(found: Picked | null): void {
    this.#selected = found;
    this.#choose();
  }

  heard(): void {
    if (!this.#account.branch) return;
    window.clearTimeout(this.#gathering);
    this.#gathering = window.setTimeout(() => void this.#renew(), GATHER_MS);
  }

  shown(): void {
    this.on.map.once("idle", () => this.#marks.place());
    if (this.#account.branch) this.#marks.place();
  }

  end(): void {
    this.#ended.abort();
    this.#hand.leave();
    this.#marks.end();
    for (const part of [this.#bar.root, this.#strip.root, this.#hand.hint, ...this.#sheets]) part.remove();
    this.on.serve(null);
  }

  // The branch.

  async #begin(): Promise<void> {
    this.#paint();
    await this.#account.list();
    await this.#build.load().catch((error: unknown) => this.#body.replaceChildren(refusal(error, this.#say)));
    await this.#open(this.model.branch);
    this.on.root.dataset["plan"] = "ready";
  }

  async #open(id: number): Promise<void> {
    const account = this.#account;
    this.#tab = "build";
    try {
      await account.open(id);
      this.#build.list();
    } catch (error) {
      this.model.branch = 0;
      this.#paint();
      if (error instanceof Refusal && error.status !== 0) this.#head.missing(id);
      this.#bar.tell(this.#say("branch_missing", { id }), true);
    }
    this.#paint();
    await this.#renew();
  }

  async #follow(name: string): Promise<void> {
    if (name === "branch") {
      if (this.model.branch !== (this.#account.branch?.id ?? 0)) await this.#open(this.model.branch);
      return;
    }
    if (name === "active" && !this.model.active) this.#hand.leave();
    if (name === "language" || name === "texts") this.#build.again();
    this.#paint();
    this.#pin();
    await this.#strip.renew(this.#account.branch);
  }

  /** Signed in again: the branch is asked anew, and what was drawn is tried once more. */
  async #back(): Promise<void> {
    await this.#account.list();
    await this.#renew();
    this.#build.again();
  }

  /** Everything that hangs on the branch, fetched anew and shown. */
  async #renew(): Promise<void> {
    const account = this.#account;
    await account.renew().catch((error: unknown) => this.#bar.tell(error instanceof Refusal && error.message ? error.message : this.#say("away"), true));
    this.#paint();
    this.#pin();
    void this.#strip.renew(account.branch); // figures may take long the first time: they come when they come
    await Promise.all([this.#marks.renew(account.branch).catch(() => undefined), this.#judge()]);
  }

  async #judge(): Promise<void> {
    if (!(await this.#account.judge())) return;
    this.#pin();
    this.#paint(this.#tab !== "build");
  }

  #pin(): void {
    const on = this.model.active ? this.#account.violations : [];
    this.#marks.pin(on, this.model.active ? this.#account.comments : [], (one) => ruleWords(one, this.#say), (tab) => this.#show(tab as Tab));
  }

  async #done(answer: Answer, title: string): Promise<void> {
    this.#account.violations = answer.violations;
    const changed = Object.values(answer.counts).flatMap((one) => Object.values(one)).reduce((all, one) => all + one, 0);
    this.#bar.tell(this.#say("did", { what: title, count: changed }));
    await this.#renew();
  }

  async #step(move: "undo" | "redo"): Promise<void> {
    const branch = this.#account.branch;
    if (!branch) return;
    this.#work(true);
    try {
      // Nobody takes a step of somebody else back unseen.
      const { scenario } = await ask<{ scenario: Branch }>(`/scenarios/${branch.id}/${move}`, { body: { seen: branch.version } });
      this.#build.saw(scenario.version);
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
    this.#bar.show(this.#account.branch, this.#state());
  }

  #state(): { active: boolean; plans: boolean; working: boolean } {
    return { active: this.model.active, plans: this.model.actor.plan, working: this.#working };
  }

  // The panel.

  /** The whole panel as things stand; `renewBody`: also the body of the open tab, in which nobody is writing. */
  #paint(renewBody = true): void {
    const { model } = this;
    this.root.dataset["theme"] = model.theme;
    this.root.hidden = !model.active;
    this.#strip.root.hidden = !model.active;
    this.on.root.dataset["planning"] = model.active ? "yes" : "no";
    this.#bar.show(this.#account.branch, this.#state());
    this.#head.show(this.#account.branches, this.#account.branch, model.actor.plan);
    this.#tabs.root.hidden = this.#body.hidden = this.#account.branch === null;
    this.#strip.root.dataset["theme"] = model.theme;
    const counts = { changes: this.#account.differences.length, rules: this.#account.violations.length, talk: this.#account.comments.filter((one) => !one.resolved_at && one.thread === null).length, review: this.#account.branch?.open_conflicts ?? 0 };
    this.#tabs.show(this.#tab, counts);
    this.#body.setAttribute("aria-label", this.#say(`tab_${this.#tab}`));
    this.#choose();
    if (renewBody) void this.#fill();
  }

  #show(tab: Tab): void {
    this.#tab = tab;
    this.#paint();
    this.model.aside = false;
  }

  async #fill(): Promise<void> {
    const [branch, tab, say] = [this.#account.branch, this.#tab, this.#say];
    if (!branch) return;
    try {
      const made = await pane(tab, branch, this.#account, this.model.actor, say, {
        build: this.#build,
        acts: listActs(this.on, this.#hand, this.model, { changed: () => this.#renew(), layer: (name) => this.#layerTitle(name) }),
        stepped: async (words) => {
          this.#bar.tell(words);
          await this.#renew();
        },
      });
      if (this.#tab === tab && this.#account.branch?.id === branch.id && this.#body.firstChild !== made) renewed(this.#body, made);
    } catch (error) {
      if (this.#tab === tab) this.#body.replaceChildren(refusal(error, say));
    }
  }

  #layerTitle(name: string): string {
    return factsOf(this.on.map.getStyle())[name]?.title ?? this.#say(`layer_${name.split(".").at(-1)}`);
  }

  /** What can be done with the feature that was clicked. */
  #choose(): void {
    const [found, branch] = [this.#selected, this.#account.branch];
    const edits = branch?.state === "draft" && this.model.active && this.model.actor.plan;
    this.#chosen.replaceChildren(...(found && edits ? offers(found, this.#build, this.#layerTitle(found.layer), () => this.#show("build")) : []));
  }

  /** `z` takes back, `Z` puts on again; only in the mode of planning. */
  #key(event: KeyboardEvent): void {
    const move = moveOf(event);
    if (!move || !this.model.active || this.#working || this.#hand.drawing) return;
    if (!this.model.actor.plan || this.#account.branch?.state !== "draft") return;
    event.preventDefault();
    void this.#step(move);
  }
}

/** Opens the workbench in a panel, over a map. */
export function openWorkbench(on: PlanMap, root: HTMLElement, model: PlanModel): Workbench {
  return new Workbench(on, root, model);
}
