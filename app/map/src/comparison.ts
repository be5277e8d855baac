// The comparison over the map, where one is open: fetched when it is first wanted, closed when the model names none.
import type { Compare, CompareFrom } from "./compare/compare";

export class Comparison {
  /** The open one. */
  shown: Compare | null = null;
  #over = false;

  constructor(private readonly from: CompareFrom) {}

  /** The branch that the map shows, 0: the base. While two are compared, the first of them. */
  get branch(): number {
    return this.shown?.first ?? this.from.model().scenario;
  }

  /** Opens the comparison that the model names, or closes it. */
  follow(): void {
    if (this.#wanted === Boolean(this.shown)) return;
    if (this.shown) {
      const { shown } = this;
      this.shown = null;
      shown.end();
    } else void this.#open();
  }

  end(): void {
    this.#over = true;
    this.shown?.end();
    this.shown = null;
  }

  get #wanted(): boolean {
    return !this.#over && typeof this.from.model().compare.ids === "string";
  }

  /** Until the code has come, the model may have changed its mind. */
  async #open(): Promise<void> {
    const { Compare } = await import("./compare/compare");
    if (!this.shown && this.#wanted) this.shown = new Compare(this.from);
  }
}
