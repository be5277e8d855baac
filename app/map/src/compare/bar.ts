// The head of the sheet: which two are on the map, which more are in the table, where, how, and of what.
import { button, element } from "../parts";
import { searchUnits, type Branch, type Unit } from "./ask";
import { BASE, MOST_SIDES, type View } from "./state";

const TYPED_MS = 250;

export interface BarFrom {
  texts(): Record<string, string>;
  branches(): Branch[];
  ids(): string[];
  view(): View;
  groups(): { all: string[]; chosen: string[] };
  place(): string;
  setIds(ids: string[]): void;
  setView(view: View): void;
  setGroups(groups: string[]): void;
  setUnit(unit: Unit): void;
  /** The whole country, the district in view, or a drawn area. */
  setPlace(kind: "country" | "view" | "draw"): void;
  leave(): void;
}

export class Bar {
  readonly root = element("div", "twin-cmp-bar");
  readonly #found = element("ul", "twin-found");
  #asked: AbortController | null = null;

  constructor(private readonly from: BarFrom) {}

  /** Draws the bar anew; the focus stays on the control of the same name. */
  show(): void {
    const texts = this.from.texts();
    const tree = this.root.getRootNode() as Document | ShadowRoot;
    const name = (tree.activeElement as HTMLInputElement | null)?.name;
    const shut = button("×", () => this.from.leave(), "twin-close");
    shut.setAttribute("aria-label", texts["cmp_leave"] ?? "");
    shut.title = texts["cmp_leave"] ?? "";
    this.root.replaceChildren(this.#sides(texts), this.#views(texts), this.#where(texts), this.#groups(texts), shut);
    if (name) this.root.querySelector<HTMLElement>(`[name="${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
  }

  #sides(texts: Record<string, string>): HTMLElement {
    const box = element("div", "twin-sides");
    const ids = this.from.ids();
    [0, 1].forEach((index) => {
      const label = element("label", "twin-side");
      const choice = this.#choice(ids[index] ?? BASE, (chosen) => this.#choose(index, chosen));
      choice.name = `side-${index}`;
      label.append(element("span", "", texts[index ? "cmp_with" : "cmp_compare"]), choice);
      box.append(label);
      if (!index) {
        const turn = Object.assign(button("⇄", () => this.from.setIds([ids[1]!, ids[0]!, ...ids.slice(2)]), "twin-turn"), { name: "turn" });
        turn.setAttribute("aria-label", texts["cmp_turn"] ?? "");
        turn.title = texts["cmp_turn"] ?? "";
        box.append(turn);
      }
    });
    const more = [BASE, ...this.from.branches().map(({ id }) => String(id))].filter((id) => !ids.slice(0, 2).includes(id));
    if (more.length) {
      const menu = element("details", "twin-menu");
      const extra = ids.slice(2);
      menu.append(element("summary", "", `${texts["cmp_more"] ?? ""}${extra.length ? ` (${extra.length})` : ""}`));
      const list = element("div", "twin-choices");
      for (const id of more) list.append(check(`more-${id}`, this.#named(id), extra.includes(id), (on) => this.from.setIds([...ids.filter((one) => one !== id), ...(on ? [id] : [])].slice(0, MOST_SIDES))));
      menu.append(list);
      box.append(this.#kept(menu, "more"));
    }
    return box;
  }

  /** Both sides are never the same: what was there takes the other place. */
  #choose(index: number, chosen: string): void {
    const ids = [...this.from.ids()];
    const was = ids.indexOf(chosen);
    if (was >= 0) [ids[was], ids[index]] = [ids[index]!, chosen];
    else ids[index] = chosen;
    this.from.setIds(ids);
  }

  #choice(chosen: string, act: (id: string) => void): HTMLSelectElement {
    const choice = element("select");
    for (const id of [BASE, ...this.from.branches().map((one) => String(one.id))]) choice.append(Object.assign(element("option", "", this.#named(id)), { value: id }));
    choice.value = chosen;
    choice.addEventListener("change", () => act(choice.value));
    return choice;
  }

  #named(id: string): string {
    if (id === BASE) return this.from.texts()["cmp_base"] ?? BASE;
    return this.from.branches().find((one) => String(one.id) === id)?.name ?? id;
  }

  #views(texts: Record<string, string>): HTMLElement {
    const box = element("div", "twin-views");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", texts["cmp_view"] ?? "");
    for (const view of ["swipe", "side"] as View[]) {
      const made = Object.assign(button(texts[`cmp_${view}`] ?? view, () => this.from.setView(view)), { name: view });
      made.setAttribute("aria-pressed", String(this.from.view() === view));
      box.append(made);
    }
    return box;
  }

  #where(texts: Record<string, string>): HTMLElement {
    const box = element("div", "twin-where");
    const field = Object.assign(element("input"), { type: "search", name: "place", placeholder: texts["cmp_place"] ?? "", autocomplete: "off" });
    field.setAttribute("aria-label", texts["cmp_place"] ?? "");
    let timer = 0;
    field.addEventListener("input", () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => void this.#search(field.value), TYPED_MS);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        this.#found.querySelector("button")?.focus();
        event.preventDefault();
      } else if (event.key === "Escape" && this.#found.childElementCount) {
        this.#found.replaceChildren();
        event.stopPropagation();
      }
    });
    box.append(field, this.#found);
    for (const kind of ["view", "country", "draw"] as const) box.append(Object.assign(button(texts[`cmp_place_${kind}`] ?? kind, () => this.from.setPlace(kind)), { name: kind }));
    return box;
  }

  async #search(text: string): Promise<void> {
    this.#asked?.abort();
    const asked = (this.#asked = new AbortController());
    if (text.trim().length < 2) return this.#found.replaceChildren();
    const units = await searchUnits(text, asked.signal).catch(() => []);
    if (asked.signal.aborted) return;
    const none = element("li", "twin-quiet", this.from.texts()["cmp_place_none"]);
    this.#found.replaceChildren(
      ...(units.length
        ? units.map((unit) => {
            const item = element("li");
            const made = button(unit.name, () => {
              this.#found.replaceChildren();
              this.from.setUnit(unit);
            });
            made.append(element("small", "", unit.within.slice(0, 2).join(", ")));
            item.append(made);
            return item;
          })
        : [none]),
    );
  }

  #groups(texts: Record<string, string>): HTMLElement {
    const { all, chosen } = this.from.groups();
    const menu = element("details", "twin-menu");
    menu.append(element("summary", "", `${texts["cmp_groups"] ?? ""} (${chosen.length})`));
    const list = element("div", "twin-choices");
    for (const group of all)
      list.append(
        check(`group-${group}`, texts[`group_${group}`] ?? group, chosen.includes(group), (on) => {
          const next = all.filter((one) => (one === group ? on : chosen.includes(one)));
          if (next.length) this.from.setGroups(next);
          else this.show();
        }),
      );
    menu.append(list);
    return this.#kept(menu, "groups");
  }

  /** A menu that stands open stays open when the bar is drawn anew; Escape closes it. */
  #kept(menu: HTMLDetailsElement, name: string): HTMLDetailsElement {
    const key = `open${name}`;
    menu.open = this.root.dataset[key] === "yes";
    menu.addEventListener("toggle", () => (this.root.dataset[key] = menu.open ? "yes" : "no"));
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      event.stopPropagation();
      menu.open = false;
      menu.querySelector("summary")?.focus();
    });
    return menu;
  }
}

function check(name: string, text: string, on: boolean, act: (on: boolean) => void): HTMLLabelElement {
  const label = element("label", "twin-check");
  const box = Object.assign(element("input"), { type: "checkbox", name, checked: on });
  box.addEventListener("change", () => act(box.checked));
  label.append(box, element("span", "", text));
  return label;
}
