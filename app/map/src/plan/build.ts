// The operations: chosen, filled in, tried out while they change, carried out, and called off.
import { button, element } from "../parts";
import { Form, layerNamed, type FormActs } from "./forms";
import { ask, type Answer, type Branch, type Operation } from "./service";
import { refusal, told, type Words } from "./words";

const TRY_MS = 450;
const SLOW_MS = 1000;

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
}

export class Build {
  readonly root = element("div", "plan-build");
  #operations: Operation[] = [];
  #form: { operation: Operation; form: Form; result: HTMLElement; tried: HTMLElement; run: HTMLButtonElement; progress: HTMLElement } | null = null;
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
  open(name: string, given: Record<string, unknown> = {}): void {
    const operation = this.#operations.find((one) => one.name === name);
    if (!operation || this.#running) return;
    this.#close();
    const form = new Form(operation, given, this.say, { draw: (shape) => this.acts.draw(shape), pick: (layer) => this.acts.pick(layer), inView: (layer) => this.acts.inView(layer), changed: () => this.#changed() });
    const [result, tried, progress] = [element("div", "plan-result"), element("div", "plan-tried"), element("div", "plan-progress")];
    result.setAttribute("aria-live", "polite");
    tried.setAttribute("role", "status");
    progress.hidden = true;
    const run = button(this.title(operation), () => void this.#run(), "plan-act plan-main");
    const shut = button(this.say("back"), () => this.list(), "plan-act");
    const acts = element("div", "plan-acts");
    acts.append(run, shut);
    const box = element("form", "plan-form");
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run();
    });
    box.append(element("h3", "", this.title(operation)), form.root, tried, acts, progress, result);
    this.root.replaceChildren(box);
    this.#form = { operation, form, result, tried, run, progress };
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

  #close(): void {
    window.clearTimeout(this.#timer);
    this.#trying?.abort();
    this.#partial = null;
    if (this.#form) this.acts.closed();
    this.#form = null;
  }

  #changed(): void {
    if (!this.#form) return;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#try(), TRY_MS);
  }

  /** Asks what the operation would come to, and changes nothing. */
  async #try(): Promise<void> {
    const at = this.#form;
    const branch = this.acts.branch();
    if (!at || !branch || this.#running) return;
    const { form, tried, operation } = at;
    const values = { ...form.values(), ...(this.#partial ? { [this.#partial.name]: this.#partial.shape } : {}) };
    const missing = form.missing().filter((name) => !(name in values));
    if (missing.length) return;
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
    this.#trying?.abort();
    this.#running = at.run.disabled = true;
    this.acts.working(true);
    at.tried.replaceChildren();
    at.result.replaceChildren();
    const run = { off: false };
    const stop = this.#slow(at.progress, () => (run.off = true));
    try {
      const answer = await ask<Answer>(`/scenarios/${branch.id}/operations/${at.operation.name}`, { body: at.form.values() });
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

  /** Says after a second that work goes on, how long by now, and lets it be called off. */
  #slow(box: HTMLElement, off: () => void): () => void {
    const began = performance.now();
    const seconds = element("span", "plan-quiet");
    const call = button(this.say("cancel"), () => {
      off();
      call.disabled = true;
      call.textContent = this.say("cancelling");
    });
    call.className = "plan-act";
    box.replaceChildren(element("progress"), seconds, call);
    box.querySelector("progress")!.setAttribute("aria-label", this.say("working"));
    const timer = window.setInterval(() => {
      const passed = performance.now() - began;
      box.hidden = passed < SLOW_MS;
      seconds.textContent = this.say("working_for", { seconds: Math.floor(passed / 1000) });
    }, 250);
    return () => {
      window.clearInterval(timer);
      box.hidden = true;
    };
  }
}

/** Figures as a list: words and amounts. */
export function figuresOf(figures: Record<string, unknown>, say: Words): HTMLElement {
  const list = element("dl", "plan-list");
  for (const [name, value] of Object.entries(figures)) {
    if (value === null || name === "zone" || typeof value === "string") continue;
    if (name === "allows" && typeof value === "object") {
      list.append(...[...figuresOf(value as Record<string, unknown>, say).children]);
      continue;
    }
    list.append(element("dt", "", say(`figure_${name}`)), element("dd", "", told(value)));
  }
  return list;
}

function broken(answer: Answer, say: Words): HTMLElement {
  if (!answer.violation_count) return element("p", "plan-quiet", say("rules_kept"));
  return element("p", "plan-wrong", say("rules_broken", { count: answer.violation_count }));
}

function note(text: string): HTMLElement {
  const made = element("p", "plan-note", text);
  made.setAttribute("role", "alert");
  return made;
}
