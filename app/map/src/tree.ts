// The list of layers: by sector, with a switch, a swatch, the mark of what is not observed, and on a tap how it was made.
import type { LayerState } from "./model";

interface Row {
  name: string;
  title: string;
  shape: "point" | "line" | "polygon" | "mixed" | "raster" | "solid";
  colour: string;
  mark: string;
  mark_title: string;
  /** Label and value of each fact told on a tap. */
  facts: [label: string, value: string][];
  legend: { label: string; colours: string[] } | null;
  /** What its features may be coloured by, with the key to the colours. */
  themes?: { name: string; title: string; key: [colour: string, word: string][] }[];
}

interface Group {
  name: string;
  title: string;
  rows: Row[];
}

interface TreeModel {
  groups: Group[];
  layers: Record<string, LayerState>;
  theme: string;
  texts: Record<string, string>;
  on(name: string, callback: () => void): void;
}

/** The scenes that the service offers beside the buildings, which are switched with their layer. */
interface Listed {
  name: string;
  kind: string;
  title?: string;
  layer?: string;
  layers?: string[];
  count?: number;
}

export function render({ model }: { model: TreeModel }): HTMLElement {
  const root = element("div", "twin-layers");
  const open = new Set<string>();
  const switches = new Map<string, HTMLInputElement>();
  const build = () => {
    root.dataset["theme"] = model.theme;
    switches.clear();
    root.replaceChildren(...[...model.groups, ...solids()].map(section));
  };
  let scenes: Listed[] = [];
  const list = async (): Promise<void> => {
    const answer = await fetch("/scenes", { cache: "no-cache" }).catch(() => null);
    if (!answer?.ok) return;
    scenes = ((await answer.json()) as { scenes: Listed[] }).scenes;
    if (solids().length) build();
  };
  build();
  void list();
  model.on("groups", () => {
    build();
    void list();
  });
  model.on("texts", build);
  model.on("theme", build);
  model.on("layers", () => {
    for (const [name, box] of switches) box.checked = stateOf(name).visible;
  });
  return root;

  /** A group of the scenes that hold something, marked as the layer they are made of. */
  function solids(): Group[] {
    const rows = scenes
      .filter(({ kind, name, count }) => kind === "3d-tiles" && name !== "buildings" && count !== 0)
      .map((scene): Row => {
        const source = scene.layers?.[0] ?? scene.layer;
        const made = model.groups.flatMap((group) => group.rows).find((one) => one.name === source);
        const title = model.texts[`scene_${scene.name}`] ?? made?.title ?? scene.title ?? scene.name;
        const { colour = "#8b8475", mark = "", mark_title = "", facts = [] } = made ?? {};
        return { name: `scene:${scene.name}`, title, shape: "solid", colour, mark, mark_title, facts: [["", model.texts["near"] ?? ""], ...facts], legend: null };
      });
    return rows.length ? [{ name: "scenes", title: model.texts["solids"] ?? "3D", rows }] : [];
  }

  function stateOf(name: string): Required<Pick<LayerState, "visible" | "opacity">> & LayerState {
    return { visible: false, opacity: 1, ...model.layers[name] };
  }

  function change(name: string, part: Partial<LayerState>): void {
    model.layers = { ...model.layers, [name]: { ...model.layers[name], ...part } };
  }

  function section(group: Group): HTMLElement {
    const part = element("section", "group");
    const head = element("h3", "head");
    head.textContent = group.title;
    part.append(head, ...group.rows.map(row));
    return part;
  }

  function row(entry: Row): HTMLElement {
    const box = element("div", "row");
    box.dataset["row"] = entry.name;
    const line = element("div", "entry");
    const label = element("label", "switch");
    const input = element("input", "");
    input.type = "checkbox";
    input.name = entry.name;
    input.checked = stateOf(entry.name).visible;
    input.addEventListener("change", () => change(entry.name, { visible: input.checked }));
    switches.set(entry.name, input);
    const swatch = element("i", `swatch ${entry.shape}`);
    swatch.style.setProperty("--c", entry.colour);
    const title = element("span", "title");
    title.textContent = entry.title;
    title.title = entry.title;
    label.append(input, swatch, title);
    line.append(label);
    if (entry.mark) {
      const mark = element("span", "mark");
      mark.textContent = entry.mark;
      mark.title = entry.mark_title;
      mark.setAttribute("aria-label", entry.mark_title);
      mark.setAttribute("role", "img");
      line.append(mark);
    }
    box.append(line);
    unfold(box, line, entry);
    return box;
  }

  /** The button that tells more of a layer; what it tells is made when it is first asked for. */
  function unfold(box: HTMLElement, line: HTMLElement, entry: Row): void {
    const more = element("button", "more");
    more.type = "button";
    const words = `${model.texts["about_layer"] ?? ""}: ${entry.title}`;
    Object.assign(more, { title: words, ariaLabel: words });
    const show = (): void => {
      const shown = open.has(entry.name);
      more.setAttribute("aria-expanded", String(shown));
      box.classList.toggle("open", shown);
      box.querySelector(".about")?.remove();
      if (shown) box.append(about(entry));
    };
    more.addEventListener("click", () => {
      if (!open.delete(entry.name)) open.add(entry.name);
      show();
    });
    line.append(more);
    show();
  }

  function about(entry: Row): HTMLElement {
    const body = element("div", "about");
    if (entry.legend) {
      const ramp = element("div", "ramp");
      ramp.style.background = `linear-gradient(90deg, ${entry.legend.colours.join(",")})`;
      const words = element("p", "words");
      words.textContent = entry.legend.label;
      body.append(ramp, words);
    }
    if (entry.themes?.length) body.append(themes(entry, entry.themes));
    const list = element("dl", "facts");
    for (const [label, value] of entry.facts) {
      const key = element("dt", label ? "" : "whole");
      key.textContent = label;
      const text = element("dd", "");
      text.textContent = value;
      list.append(key, text);
    }
    const slider = element("label", "opacity");
    const words = element("span", "");
    words.textContent = model.texts["opacity"] ?? "";
    const range = element("input", "");
    Object.assign(range, { type: "range", min: "0.1", max: "1", step: "0.05", value: String(stateOf(entry.name).opacity) });
    range.addEventListener("change", () => change(entry.name, { opacity: Number(range.value) }));
    slider.append(words, range);
    body.append(list, slider);
    return body;
  }

  /** What colours the features, and the key to it. */
  function themes(entry: Row, offered: NonNullable<Row["themes"]>): HTMLElement {
    const box = element("div", "themes");
    const label = element("label", "");
    const words = element("span", "");
    words.textContent = model.texts["colour_by"] ?? "";
    const choice = element("select", "");
    for (const [name, title] of [["", model.texts["plain"] ?? ""], ...offered.map((one) => [one.name, one.title])] as const) {
      const option = element("option", "");
      Object.assign(option, { value: name, textContent: title });
      choice.append(option);
    }
    const key = element("ul", "key");
    const show = (): void => {
      key.replaceChildren(
        ...(offered.find((one) => one.name === choice.value)?.key ?? []).map(([colour, word]) => {
          const row = element("li", "");
          row.textContent = word;
          row.style.setProperty("--c", colour);
          return row;
        }),
      );
    };
    choice.value = stateOf(entry.name).by ?? "";
    choice.addEventListener("change", () => {
      change(entry.name, { by: choice.value });
      show();
    });
    show();
    label.append(words, choice);
    box.append(label, key);
    return box;
  }
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

export default { render };
