// The small parts that panels are made of: elements, buttons, and one panel at a time over the map's lower edge.

export function element<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function button(text: string, act: () => void, className = "twin-act"): HTMLButtonElement {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** A field with its label around it. */
export function labelled(text: string, field: HTMLElement): HTMLLabelElement {
  const label = element("label", "twin-labelled");
  label.append(element("span", "", text), field);
  return label;
}

/** A figure for people: thin spaces between thousands, at most two decimals. */
export function figure(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits }).replaceAll(",", "\u202f");
}

const REACHABLE = "button, summary, input, textarea, select, a[href]";

/** Puts a list made anew in the place of the one before: who stood on a button or a field stands on the same again, what
 * was written and unfolded stays so, and nothing scrolls. */
export function renewed(box: HTMLElement, made: HTMLElement): void {
  const within = box.getRootNode() as Document | ShadowRoot;
  const focused = box.contains(within.activeElement) ? within.activeElement : null;
  const called = (one: Element): string => `${one.tagName} ${one.ariaLabel ?? one.textContent}`;
  const alike = (root: Element, name: string): HTMLElement[] => [...root.querySelectorAll<HTMLElement>(REACHABLE)].filter((one) => called(one) === name);
  const index = focused ? alike(box, called(focused)).indexOf(focused as HTMLElement) : -1;
  const unfolded = new Set([...box.querySelectorAll("details[open] > summary")].map((one) => one.parentElement!.textContent));
  const written = [...box.querySelectorAll("textarea")];
  const top = box.scrollTop;
  box.replaceChildren(made);
  for (const one of box.querySelectorAll("textarea")) one.value ||= written.find((before) => before.ariaLabel === one.ariaLabel)?.value ?? "";
  for (const one of box.querySelectorAll("details")) one.open ||= unfolded.has(one.textContent);
  const again = focused ? alike(box, called(focused))[index] : undefined;
  again?.focus({ preventScroll: true });
  if (focused instanceof HTMLTextAreaElement && again instanceof HTMLTextAreaElement) again.setSelectionRange(focused.selectionStart, focused.selectionEnd);
  box.scrollTop = top;
}

/** How long ago a moment was, in minutes, hours or days. */
export function age(milliseconds: number, texts: Record<string, string>): string {
  const minutes = Math.max(0, Math.round(milliseconds / 60_000));
  const [key, count] = minutes < 100 ? ["ago_minutes", minutes] : minutes < 2880 ? ["ago_hours", Math.round(minutes / 60)] : ["ago_days", Math.round(minutes / 1440)];
  return (texts[key] ?? "{count}").replace("{count}", String(count));
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeZone: "Africa/Kigali", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });

/** A moment as clocks in Kigali show it: 2026-03-01 14:05. */
export function clock(moment: number): string {
  const part = Object.fromEntries(CLOCK.formatToParts(moment).map(({ type, value }) => [type, value]));
  return `${part["year"]}-${part["month"]}-${part["day"]} ${part["hour"]}:${part["minute"]}`;
}

/** Holds one panel over the map: opening another closes it, Escape closes it, and the focus goes back to where it was. */
export class Panels {
  readonly root = element("div", "twin-panels");
  #open: { name: string; closed: () => void } | null = null;
  #from: HTMLElement | null = null;

  constructor(private readonly say: (name: string) => string) {
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
  }

  get name(): string {
    return this.#open?.name ?? "";
  }

  /** Opens a panel, or closes it where it is the one that stands open. */
  toggle(name: string, title: string, body: HTMLElement, closed: () => void = () => undefined): void {
    if (this.#open?.name === name) this.close();
    else this.show(name, title, body, closed);
  }

  show(name: string, title: string, body: HTMLElement, closed: () => void = () => undefined): void {
    this.#open?.closed();
    const tree = this.root.getRootNode() as Document | ShadowRoot;
    if (!this.#open) this.#from = tree.activeElement as HTMLElement | null;
    this.#open = { name, closed };
    const panel = element("section", "twin-panel");
    panel.dataset["panel"] = name;
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", title);
    panel.tabIndex = -1;
    const head = element("header");
    const shut = button("×", () => this.close(), "twin-close");
    shut.setAttribute("aria-label", this.say("close"));
    shut.title = this.say("close");
    head.append(element("h2", "", title), shut);
    panel.append(head, body);
    this.root.replaceChildren(panel);
    panel.focus({ preventScroll: true });
  }

  close(): void {
    this.#open?.closed();
    this.#open = null;
    this.root.replaceChildren();
    this.#from?.focus({ preventScroll: true });
    this.#from = null;
  }
}
