// The first visit: five short words about what can be done, skippable, by keyboard too.
import { button, element, type Panels } from "./parts";

const SEEN = "twin-tour-seen";
const STEPS = 5;

export class Tour {
  readonly #body = element("div", "twin-tour");
  #step = 0;
  #texts: Record<string, string> = {};

  constructor(private readonly panels: Panels) {}

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    if (this.panels.name === "tour") this.#draw();
  }

  /** Opens by itself at the first visit alone. */
  first(): void {
    if (!remembered()) this.open();
  }

  open(): void {
    this.#step = 0;
    this.#draw();
    this.panels.show("tour", this.#texts["tour_title"] ?? "", this.#body, remember);
  }

  #draw(): void {
    const acts = element("div", "twin-acts");
    const go = (by: number) => (): void => {
      this.#step += by;
      this.#draw();
      this.#body.querySelector<HTMLElement>("[data-next]")?.focus();
    };
    if (this.#step > 0) acts.append(button(this.#texts["tour_back"] ?? "", go(-1)));
    const last = this.#step === STEPS - 1;
    const next = button(this.#texts[last ? "tour_end" : "tour_next"] ?? "", last ? () => this.panels.close() : go(1), "twin-act twin-main");
    next.dataset["next"] = "yes";
    acts.append(next);
    if (!last) acts.append(button(this.#texts["tour_skip"] ?? "", () => this.panels.close(), "twin-link"));
    const words = element("p", "", this.#texts[`tour_${this.#step + 1}`]);
    words.setAttribute("aria-live", "polite");
    this.#body.replaceChildren(words, element("p", "twin-quiet", `${this.#step + 1} / ${STEPS}`), acts);
  }
}

function remembered(): boolean {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch {
    // A browser that keeps nothing would be guided at every visit.
    return true;
  }
}

function remember(): void {
  try {
    localStorage.setItem(SEEN, "yes");
  } catch {
    return;
  }
}
