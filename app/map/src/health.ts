// Whether the service answers: where it does not, the map says so, keeps what it has, and recovers by itself.
import type { Map as MapLibre } from "maplibre-gl";
import { element } from "./parts";

const FIRST_MS = 1500;
const LAST_MS = 10_000;
const WAIT_MS = 5000;

export class Health {
  readonly root = element("p", "twin-away");
  #away = false;
  #timer = 0;
  #pause = FIRST_MS;
  #texts: Record<string, string> = {};
  readonly #failed = new Set<string>();

  constructor(private readonly map: MapLibre) {
    this.root.setAttribute("role", "status");
    this.root.hidden = true;
    map.on("error", (event) => {
      const source = (event as { sourceId?: string }).sourceId;
      if (source) this.#failed.add(source);
      this.doubt();
    });
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    if (this.#away) this.root.textContent = texts["away"] ?? "";
  }

  /** Something did not come: asks the service, and goes on asking until it answers. */
  doubt(): void {
    if (!this.#timer) this.#timer = window.setTimeout(() => void this.#ask(), this.#away ? this.#pause : 0);
  }

  end(): void {
    window.clearTimeout(this.#timer);
    this.#timer = -1;
  }

  async #ask(): Promise<void> {
    const answers = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(WAIT_MS) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (this.#timer === -1) return;
    this.#timer = 0;
    if (answers) return this.#back();
    this.#away = true;
    this.root.hidden = false;
    this.root.textContent = this.#texts["away"] ?? "";
    this.#pause = Math.min(this.#pause * 1.5, LAST_MS);
    this.doubt();
  }

  #back(): void {
    if (this.#failed.size && (this.#away || this.#failed.size < 50)) {
      const again = [...this.#failed].filter((source) => this.map.getSource(source));
      this.#failed.clear();
      if (this.#away) for (const source of again) this.map.refreshTiles(source);
    }
    this.#away = false;
    this.#pause = FIRST_MS;
    this.root.hidden = true;
  }
}
