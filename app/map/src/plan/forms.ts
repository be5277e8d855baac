// A form made of an operation's own schema: a field for each parameter, shapes drawn and features picked on the map.
import { button, element } from "../parts";
import type { Shape as Drawable } from "../draw";
import type { Operation, Schema, Shape } from "./service";
import type { Words } from "./words";

/** Parameters that name features, and the layers they are of. */
const FEATURES: Record<string, string> = {
  building: "infrastructure.buildings",
  buildings: "infrastructure.buildings",
  zone: "land.zones",
  parcel: "land.parcels",
  parcels: "land.parcels",
  road: "infrastructure.roads",
  feature: "infrastructure.power",
  facility: "services.",
};
const DRAWN: Record<string, Drawable> = { PointIn: "point", LineIn: "line", PolygonIn: "polygon" };
/** What a required number begins with, where its schema names no usual value: low houses. */
const BEGIN: Record<string, number> = { far: 0.8, max_height_m: 9, coverage: 0.5, storeys: 2, jobs: 100, level_m: 1 };
/** Shown at once though they may be left out; the others stand under "More". */
const FIRST = new Set(["use", "storeys", "seed", "name", "road_class", "width_m", "diameter_mm", "existing", "capacity", "feature", "place"]);
const SHARE = /_share$/;

export interface FormActs {
  /** Lets the viewer draw; gives the shape, or null where nothing was drawn. */
  draw(shape: Drawable): Promise<Shape | null>;
  /** Lets the viewer click a feature of a layer; gives its id. */
  pick(layer: string): Promise<string | null>;
  /** The features of a layer in the view: id and name. */
  inView(layer: string): Promise<[id: string, name: string][]>;
  changed(): void;
}

interface Field {
  row: HTMLElement;
  read(): unknown;
  /** Whether something is to be drawn or chosen before the form can be sent. */
  missing(): boolean;
  /** What is wrong with what is filled in; empty: nothing. */
  wrong?(): string;
}

/** The layer that a parameter's features are of; empty: it names none. */
export function layerNamed(parameter: string): string {
  return FEATURES[parameter] ?? "";
}

export class Form {
  readonly root = element("div", "plan-fields");
  readonly #fields = new Map<string, Field>();
  readonly #shares = new Map<string, HTMLInputElement>();
  readonly #total = element("p", "plan-quiet");

  constructor(
    private readonly operation: Operation,
    private readonly given: Record<string, unknown>,
    private readonly say: Words,
    private readonly acts: FormActs,
  ) {
    const { properties = {}, required = [] } = operation.parameters;
    const more = element("details", "plan-more");
    more.append(element("summary", "", say("more")));
    for (const [name, schema] of Object.entries(properties)) {
      if (name === "id" && !required.includes(name)) continue;
      const field = this.#field(name, this.#plain(schema), required.includes(name));
      this.#fields.set(name, field);
      (required.includes(name) || FIRST.has(name) || SHARE.test(name) ? this.root : more).append(field.row);
    }
    if (this.#shares.size) this.#placeShares();
    if (more.childElementCount > 1) this.root.append(more);
  }

  /** What is filled in; parameters left empty are left out. */
  values(): Record<string, unknown> {
    const read = [...this.#fields].map(([name, field]): [string, unknown] => [name, field.read()]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }

  /** The parameters that still wait for a drawing or a choice. */
  missing(): string[] {
    return [...this.#fields].filter(([, field]) => field.missing()).map(([name]) => name);
  }

  /** What is wrong with what is filled in, a sentence each. */
  wrong(): string[] {
    return [...this.#fields.values()].map((field) => field.wrong?.() ?? "").filter(Boolean);
  }

  /** The parameter that is drawn, and how; null where nothing is. */
  get drawn(): { name: string; shape: Drawable } | null {
    for (const [name, schema] of Object.entries(this.operation.parameters.properties ?? {})) {
      const shape = shapeOf(this.#plain(schema));
      if (shape && (this.operation.parameters.required ?? []).includes(name)) return { name, shape };
    }
    return null;
  }

  /** Draws the shape that the operation needs, at once. */
  begin(): void {
    if (this.drawn) this.root.querySelector<HTMLButtonElement>(".plan-draw")?.click();
  }

  #plain(schema: Schema): Schema {
    const some = schema.anyOf?.find((one) => one.type !== "null");
    const found = some ? { ...schema, ...this.#plain(some), nullable: true } : schema;
    const name = found.$ref?.split("/").at(-1);
    if (!name) return found;
    return { ...(this.operation.parameters.$defs?.[name] ?? {}), ...found, title: name };
  }

  #field(name: string, schema: Schema, required: boolean): Field {
    const label = this.say(`field_${name}`);
    const shape = shapeOf(schema);
    if (shape) return this.#shape(name, label, shape, required);
    if (layerNamed(name)) return this.#feature(name, label, schema.type === "array", required);
    if (schema.enum) return this.#choice(name, label, schema.enum, schema.default, required);
    if (schema.type === "boolean") return this.#box(name, label, Boolean(this.given[name] ?? schema.default));
    if (schema.type === "number" || schema.type === "integer") return this.#number(name, label, schema, required);
    return this.#text(name, label, required);
  }

  #number(name: string, label: string, schema: Schema, required: boolean): Field {
    const start = this.given[name] ?? schema.default ?? (required ? BEGIN[name] : undefined);
    const input = Object.assign(element("input"), { type: "number", required, value: start == null ? "" : String(start), step: schema.type === "integer" ? "1" : "any" });
    const least = schema.minimum ?? schema.exclusiveMinimum;
    if (least !== undefined) input.min = String(least);
    if (schema.maximum !== undefined && schema.maximum < 1e12) input.max = String(schema.maximum);
    input.addEventListener("input", () => this.#changed());
    if (SHARE.test(name)) {
      input.step = "0.05";
      this.#shares.set(name, input);
    }
    return { row: row(label, input), read: () => (input.value === "" ? undefined : Number(input.value)), missing: () => required && input.value === "", wrong: () => this.#outside(input, label) };
  }

  /** A number outside its range is said before the service is asked. */
  #outside(input: HTMLInputElement, label: string): string {
    const { valid, valueMissing } = input.validity;
    input.setAttribute("aria-invalid", String(!valid && !valueMissing));
    if (valid || valueMissing) return "";
    return this.say(input.max ? "number_between" : "number_from", { what: label, least: input.min || "0", most: input.max });
  }

  #text(name: string, label: string, required: boolean): Field {
    const input = Object.assign(element("input"), { type: "text", required, maxLength: 200, value: String(this.given[name] ?? (required && name === "name" ? this.say("zone_new") : "")) });
    input.addEventListener("input", () => this.#changed());
    return { row: row(label, input), read: () => input.value.trim() || undefined, missing: () => required && !input.value.trim() };
  }

  #choice(name: string, label: string, words: string[], usual: unknown, required: boolean): Field {
    const select = element("select");
    if (!required && usual == null) select.append(new Option("–", ""));
    for (const word of words) select.append(new Option(this.say(`choice_${word}`), word));
    select.value = String(this.given[name] ?? usual ?? (required ? words[0] : ""));
    select.addEventListener("change", () => this.#changed());
    return { row: row(label, select), read: () => select.value || undefined, missing: () => false };
  }

  #box(_: string, label: string, on: boolean): Field {
    const input = Object.assign(element("input"), { type: "checkbox", checked: on });
    input.addEventListener("change", () => this.#changed());
    const made = row(label, input);
    made.classList.add("plan-box");
    return { row: made, read: () => input.checked, missing: () => false };
  }

  #shape(name: string, label: string, shape: Drawable, required: boolean): Field {
    let drawn = (this.given[name] as Shape | undefined) ?? null;
    const made = element("div", "plan-field");
    const state = element("span", "plan-quiet");
    const tell = (): void => {
      state.textContent = drawn ? this.say("drawn_done") : required ? this.say("drawn_needed") : "–";
      draw.textContent = this.say(drawn ? "draw_again" : `draw_a_${shape}`);
    };
    const draw = button("", () => void this.acts.draw(shape).then((found) => {
      if (found) drawn = found;
      tell();
      this.#changed();
    }), "plan-act plan-draw");
    const act = element("div", "plan-with");
    act.append(draw, state);
    made.append(element("span", "plan-label", label), act);
    tell();
    return { row: made, read: () => drawn ?? undefined, missing: () => required && !drawn };
  }

  #feature(name: string, label: string, several: boolean, required: boolean): Field {
    const layer = layerNamed(name);
    const before = this.given[name];
    const input = Object.assign(element("input"), { type: "text", required, value: Array.isArray(before) ? before.join(" ") : String(before ?? ""), autocomplete: "off" });
    const put = (id: string): void => {
      const had = several ? input.value.split(/\s+/).filter((one) => one && one !== id) : [];
      input.value = [...had, id].join(" ");
      this.#changed();
    };
    input.addEventListener("input", () => this.#changed());
    const made = row(label, input);
    const near = element("select", "plan-near");
    near.setAttribute("aria-label", `${label}: ${this.say("in_view")}`);
    near.append(new Option(this.say("in_view"), ""));
    near.addEventListener("change", () => near.value && put(near.value));
    const list = (): void => void this.acts.inView(layer === "services." ? this.#facilities() : layer).then((found) => {
      near.replaceChildren(new Option(this.say(found.length ? "in_view" : "none_in_view"), ""), ...found.map(([id, title]) => new Option(title, id)));
    });
    near.addEventListener("pointerdown", list, { once: true });
    near.addEventListener("focus", list, { once: true });
    const act = element("div", "plan-with");
    act.append(button(this.say("pick"), () => void this.acts.pick(layer).then((id) => id && put(id)), "plan-act"), near);
    made.append(act);
    return { row: made, read: () => this.#ids(input.value, several), missing: () => required && !input.value.trim() };
  }

  #facilities(): string {
    const kind = String(this.#fields.get("kind")?.read() ?? "");
    const layers: Record<string, string> = { water_point: "infrastructure.water_points", bus_stop: "services.transit_stops", early_childhood: "services.early_childhood" };
    return layers[kind] ?? `services.${kind}s`;
  }

  #ids(said: string, several: boolean): unknown {
    const ids = said.split(/\s+/).filter(Boolean);
    return several ? ids : said.trim() || undefined;
  }

  /** The shares of the uses stand together, with their sum. */
  #placeShares(): void {
    const box = element("fieldset", "plan-shares");
    box.append(element("legend", "", this.say("shares")));
    const first = this.#fields.get([...this.#shares.keys()][0]!)!.row;
    first.before(box);
    for (const name of this.#shares.keys()) box.append(this.#fields.get(name)!.row);
    box.append(this.#total);
    this.#sum();
  }

  #sum(): void {
    if (!this.#shares.size) return;
    const sum = [...this.#shares.values()].reduce((all, one) => all + Number(one.value || 0), 0);
    this.#total.textContent = this.say("shares_sum", { sum: Math.round(sum * 100) });
    this.#total.classList.toggle("plan-wrong", Math.abs(sum - 1) > 1e-6);
  }

  #changed(): void {
    this.#sum();
    this.acts.changed();
  }
}

function shapeOf(schema: Schema): Drawable | null {
  return DRAWN[schema.title ?? ""] ?? null;
}

function row(label: string, field: HTMLElement): HTMLElement {
  const made = element("div", "plan-field");
  const words = element("label", "plan-line");
  words.append(element("span", "plan-label", label), field);
  made.append(words);
  return made;
}
