// The operations: chosen, filled in, tried out while they change, carried out, and called off.
import { button, element } from "../parts";
import { Form, layerNamed, type FormActs } from "./forms";
import { drop, keep, kept, offer } from "./kept";
import { ask, type Answer, type Branch, type Operation } from "./service";
import { broken, figuresOf, note, slow } from "./result";
import { refusal, type Words } from "./words";

const TRY_MS = 450;

export interface BuildActs extends Omit<FormActs, "changed"> {
  /** The branch that is edited; null: none may be. */
  branch(): Branch | null;
  language(): string;
  /** An operation was carried out. */
  done(answer: Answer, title: string): Promise<void>;
  /** Takes the last step back, after it was called off while it ran. */
  takeBack(): Promise<void>;
  working(on: boolean): void;
  /** A form was closed, with what was drawn for it. */
  closed(): void;
  /** Shows a shape that was drawn before. */
  sketch(shape: unknown): void;
  /** The version of the branch that the planner knows. */
  seen(): number | undefined;
  /** Opens the list of what is to be decided. */
  decide(): void;
}

export class Build {
  readonly root = element("div", "plan-build");
  #operations: Operation[] = [];
  #form: { operation: Operation; branch: number; seen: number | undefined; form: Form; result: HTMLElement; tried: HTMLElement; run: HTMLButtonElement; progress: HTMLElement } | null = null;
  #timer = 0;
  #trying: AbortController | null = null;
  #running = false;
  #partial: { name: string; shape: unknown } | null = null;

  constructor(
    private readonly say: Words,
    private readonly acts: BuildActs,
  ) {}

  async load(): Promise<void> {
    this.#operations = (await ask<{ operations: Operation[] }>("/operations")).operations;
    this.list();
  }

  /** The operations by what they are about. */
  list(): void {
    if (this.#running) return;
    this.#close();
    const groups = new Map<string, Operation[]>();
    for (const one of this.#operations) {
      const group = one.name.split(".")[0]!;
      const kept = ["path", "pipe"].includes(group) ? "road" : group;
      groups.set(kept, [...(groups.get(kept) ?? []), one]);
    }
    const order = ["zone", "building", "facility", "road", "parcel", "shock"];
    const sorted = [...groups].sort(([one], [other]) => order.indexOf(one) - order.indexOf(other));
    this.root.replaceChildren(
      ...this.#unfinished(),
      ...sorted.map(([group, operations]) => {
        const box = element("section", "plan-group");
        box.append(element("h3", "", this.say(`group_${group}`)));
        const acts = element("div", "plan-acts");
        for (const one of operations) {
          const made = button(this.title(one), () => this.open(one.name), "plan-act");
          made.dataset["operation"] = one.name;
          acts.append(made);
        }
        box.append(acts);
        return box;
      }),
    );
  }

  /** In other words: an open form stays, with what it holds. */
  again(): void {
    const at = this.#form;
    if (!at || this.#running) return this.list();
    const { operation, form, seen } = at;
    this.open(operation.name, form.values(), seen);
  }

  /** What was drawn here before and not carried out. */
  #unfinished(): HTMLElement[] {
    const branch = this.acts.branch()?.id ?? 0;
    const found = branch ? kept(branch) : null;
    const operation = this.#operations.find(({ name }) => name === found?.operation);
    if (!found || !operation) return [];
    const end = (): void => {
      drop(branch);
      this.list();
    };
    return [offer(this.title(operation), this.say, { goOn: () => this.open(operation.name, found.values), drop: end })];
  }

  /** The planner took a step themselves: an open form knows the branch after it. */
  saw(version: number): void {
    if (this.#form) this.#form.seen = version;
  }

  /** The title of an operation by its name. */
  named(name: string): string {
    const found = this.#operations.find((one) => one.name === name);
    return found ? this.title(found) : name;
  }

  title(operation: Operation): string {
    return operation.titles[this.acts.language()] ?? operation.titles["en"] ?? operation.name;
  }

  /** The operations that take a feature of a layer, with the parameter that names it. */
  about(layer: string): { operation: Operation; parameter: string; several: boolean }[] {
    return this.#operations.flatMap((operation) =>
      Object.entries(operation.parameters.properties ?? {})
        .filter(([name]) => layerNamed(name) && (layerNamed(name) === layer || (layerNamed(name) === "services." && layer.startsWith("services."))))
        .filter(([name]) => operation.name !== "parcel.merge" || name === "parcels")
        .map(([parameter, schema]) => ({ operation, parameter, several: schema.type === "array" })),
    );
  }

  /** Opens an operation's form, with what is known already. */
  open(name: string, given: Record<string, unknown> = {}, seen = this.acts.seen()): void {
    const operation = this.#operations.find((one) => one.name === name);
    if (!operation || this.#running) return;
    this.#close();
    const form = new Form(operation, given, this.say, { draw: (shape) => this.acts.draw(shape), pick: (layer) => this.acts.pick(layer), inView: (layer) => this.acts.inView(layer), changed: () => this.#changed() });
    const [result, tried, progress] = [element("div", "plan-result"), element("div", "plan-tried"), element("div", "plan-progress")];
    result.setAttribute("aria-live", "polite");
    tried.setAttribute("role", "status");
    progress.hidden = true;
    const run = button(this.title(operation), () => void this.#run(), "plan-act plan-main");
    const shut = button(this.say("back"), () => this.#giveUp(), "plan-act");
    const acts = element("div", "plan-acts");
    acts.append(run, shut);
    const box = element("form", "plan-form");
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run();
    });
    // What it would come to stays in sight while the fields are filled in.
    const foot = element("div", "plan-foot");
    foot.append(result, tried, progress, acts);
    box.append(element("h3", "", this.title(operation)), form.root, foot);
    this.root.replaceChildren(box);
    this.#form = { operation, branch: this.acts.branch()?.id ?? 0, seen, form, result, tried, run, progress };
    if (form.drawn && given[form.drawn.name]) this.acts.sketch(given[form.drawn.name]);
    this.#changed();
    if (form.drawn && !given[form.drawn.name]) form.begin();
    else box.querySelector<HTMLElement>("input, select")?.focus();
  }

  /** The shape that is being drawn, before it is finished: the rules are tried on it. */
  drawing(shape: unknown): void {
    const drawn = this.#form?.form.drawn;
    this.#partial = drawn && shape ? { name: drawn.name, shape } : null;
    if (this.#partial) this.#changed();
  }

  #giveUp(): void {
    if (this.#form) drop(this.#form.branch);
    this.list();
  }

  /** What is drawn, finished or not, with all that is filled in. */
  #values({ form }: { form: Form }): Record<string, unknown> {
    return { ...form.values(), ...(this.#partial ? { [this.#partial.name]: this.#partial.shape } : {}) };
  }

  #close(): void {
    window.clearTimeout(this.#timer);
    this.#trying?.abort();
    this.#partial = null;
    if (this.#form) this.acts.closed();
    this.#form = null;
  }

  #changed(): void {
    const at = this.#form;
    if (!at) return;
    const values = this.#values(at);
    if (at.form.drawn && at.form.drawn.name in values) keep(at.branch, { operation: at.operation.name, values });
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#try(), TRY_MS);
  }

  /** Asks what the operation would come to, and changes nothing. */
  async #try(): Promise<void> {
    const at = this.#form;
    const branch = this.acts.branch();
    if (!at || !branch || this.#running) return;
    const { form, tried, operation } = at;
    const values = this.#values(at);
    const missing = form.missing().filter((name) => !(name in values));
    if (missing.length) return;
    const wrong = form.wrong();
    if (wrong.length) return tried.replaceChildren(...wrong.map((one) => element("p", "plan-wrong", one)));
    // A fill is worth a second and more: it is tried by carrying it out.
    if (operation.name === "zone.fill") return;
    this.#trying?.abort();
    const trying = (this.#trying = new AbortController());
    try {
      const answer = await ask<Answer>(`/scenarios/${branch.id}/operations/${operation.name}?dry_run=true`, { body: values, signal: trying.signal });
      if (at === this.#form) tried.replaceChildren(element("h4", "", this.say("would_come_to")), figuresOf(answer.figures, this.say), broken(answer, this.say));
    } catch (error) {
      if (!trying.signal.aborted && at === this.#form) tried.replaceChildren(refusal(error, this.say));
    }
  }

  async #run(): Promise<void> {
    const at = this.#form;
    const branch = this.acts.branch();
    if (!at || !branch || this.#running) return;
    const missing = at.form.missing();
    if (missing.length) {
      at.result.replaceChildren(note(this.say("still_missing", { what: missing.map((one) => this.say(`field_${one}`)).join(", ") })));
      return;
    }
    const wrong = at.form.wrong();
    if (wrong.length) return at.result.replaceChildren(...wrong.map((one) => note(one)));
    this.#trying?.abort();
    this.#running = at.run.disabled = true;
    this.acts.working(true);
    at.tried.replaceChildren();
    at.result.replaceChildren();
    const run = { off: false };
    const stop = slow(at.progress, this.say, () => (run.off = true));
    try {
      const seen = at.seen === undefined ? "" : `?seen=${at.seen}`;
      const answer = await ask<Answer>(`/scenarios/${branch.id}/operations/${at.operation.name}${seen}`, { body: at.form.values() });
      drop(branch.id);
      if (run.off) {
        await this.acts.takeBack();
        at.result.replaceChildren(note(this.say("called_off")));
      } else {
        this.#running = false;
        await this.acts.done(answer, this.title(at.operation));
        this.#after(answer, at.operation);
      }
    } catch (error) {
      at.result.replaceChildren(refusal(error, this.say));
    } finally {
      stop();
      this.#running = at.run.disabled = false;
      this.acts.working(false);
    }
  }

  /** What was done, and what is likely next. */
  #after(answer: Answer, operation: Operation): void {
    this.list();
    const made = element("div", "plan-made");
    made.setAttribute("role", "status");
    made.append(element("h3", "", `✓ ${this.title(operation)}`), figuresOf(answer.figures, this.say), broken(answer, this.say));
    if (answer.conflicts) {
      const box = element("div", "plan-refusal");
      box.append(element("p", "plan-wrong", this.say("met", { count: answer.conflicts })), button(this.say("met_decide"), () => this.acts.decide(), "plan-act plan-main"));
      made.append(box);
    }
    const zone = answer.figures["zone"];
    if (typeof zone === "string" && operation.name !== "zone.remove") {
      const fill = this.#operations.find(({ name }) => name === "zone.fill");
      const next = { zone, ...(operation.name === "zone.fill" ? { seed: Math.floor(Math.random() * 9999) + 1 } : {}) };
      if (fill) {
        const act = button(operation.name === "zone.fill" ? this.say("fill_again") : this.title(fill), () => this.open("zone.fill", next), "plan-act plan-main");
        act.dataset["next"] = "zone.fill";
        made.append(act);
      }
    }
    this.root.prepend(made);
    made.tabIndex = -1;
    made.focus({ preventScroll: true });
    made.scrollIntoView({ block: "nearest" });
  }
}
