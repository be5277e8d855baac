// Whether the service answers: where it does not, where tiles fail, or where the sign-in is over, the map says so once, keeps what it has, and
// recovers by itself.
import type { Map as MapLibre } from "maplibre-gl";
import { abroad, at } from "./home";
import { button, element } from "./parts";

const FIRST_MS = 1500;
const LAST_MS = 10_000;
const WAIT_MS = 8000;
/** So often the service is asked even while nothing fails: a map at rest would not notice. */
const ROUND_MS = 20_000;
/** Tiles that failed are asked for again after so long, then after ever longer. */
const AGAIN_MS = 4000;
const AGAIN_LAST_MS = 15_000;
const LOOK_MS = 500;
/** No tile is waited for longer: if it fails later, that is told anew. */
const SETTLE_MS = 10_000;

/** From this status on it is the service that failed; below, the tile is not there or not for us. */
const FAILED = 500;

interface MapFault {
  sourceId?: string;
  error?: { status?: number };
}

export class Health {
  readonly root = element("p", "twin-away");
  #away = false;
  #over = false;
  #timer = 0;
  #pause = FIRST_MS;
  #again = AGAIN_MS;
  #retry = 0;
  #texts: Record<string, string> = {};
  /** Who the service took us for when the page was opened. */
  #who: string | null = null;
  #told = "";
  /** The sources whose tiles did not come. */
  readonly #failed = new Set<string>();
  readonly #round: number;

  constructor(
    private readonly map: MapLibre,
    private readonly title: (layer: string) => string,
  ) {
    this.root.setAttribute("role", "status");
    this.root.hidden = true;
    map.on("error", (event) => {
      const { sourceId, error } = event as MapFault;
      if (error?.status !== undefined && error.status < FAILED) return;
      if (sourceId) this.#failed.add(sourceId);
      this.doubt();
    });
    this.#round = window.setInterval(() => document.hidden || this.doubt(), ROUND_MS);
    this.doubt();
  }

  say(texts: Record<string, string>): void {
    this.#texts = texts;
    this.#tell();
  }

  /** Something did not come, or might not: asks the service, and goes on asking until it answers. */
  doubt(): void {
    if (!this.#timer) this.#timer = window.setTimeout(() => void this.#ask(), this.#away ? this.#pause : 0);
  }

  end(): void {
    window.clearInterval(this.#round);
    window.clearTimeout(this.#timer);
    window.clearTimeout(this.#retry);
    this.#timer = -1;
  }

  async #ask(): Promise<void> {
    const away = abroad();
    const name = await fetch(at(away ? "/readyz" : "/whoami"), { cache: "no-store", signal: AbortSignal.timeout(WAIT_MS) })
      .then(async (answer) => (!answer.ok ? null : away ? "" : ((await answer.json()) as { name: string }).name))
      .catch(() => null);
    if (this.#timer === -1) return;
    this.#timer = 0;
    if (name === null) {
      this.#away = true;
      this.#pause = Math.min(this.#pause * 1.5, LAST_MS);
      this.doubt();
    } else {
      this.#who ??= name;
      this.#over = name !== this.#who && name === "anonymous";
      // Whatever did not come while it was away is asked for at once.
      if (this.#away) this.#again = 0;
      this.#away = false;
      this.#pause = FIRST_MS;
      if (this.#failed.size && !this.#retry) this.#retry = window.setTimeout(() => this.#anew(), this.#again);
    }
    this.#tell();
  }

  /** Asks anew for the tiles that failed; those that fail again say so by another error. */
  #anew(): void {
    const again = [...this.#failed].filter((source) => this.map.getSource(source));
    this.#failed.clear();
    this.#again = Math.min(Math.max(this.#again * 2, AGAIN_MS), AGAIN_LAST_MS);
    for (const source of again) this.map.refreshTiles(source);
    this.#retry = window.setTimeout(() => this.#settle(again, performance.now() + SETTLE_MS), LOOK_MS);
  }

  /** Waits until the tiles have come or failed again; the map itself may never be idle, while sensors move. */
  #settle(again: string[], until: number): void {
    const coming = again.some((source) => this.map.getSource(source) && !this.map.isSourceLoaded(source));
    if (coming && performance.now() < until) {
      this.#retry = window.setTimeout(() => this.#settle(again, until), LOOK_MS);
      return;
    }
    this.#retry = 0;
    if (this.#failed.size) return this.doubt();
    this.#again = AGAIN_MS;
    this.#tell();
  }

  #tell(): void {
    const layers = [...new Set([...this.#failed].map((source) => this.title(source.split(":")[0]!)))].join(", ");
    const told = this.#away
      ? this.#texts["away"]
      : this.#over
        ? this.#texts["signed_out"]
        : layers
          ? (this.#texts["tiles_failed"] ?? "").replace("{layers}", layers)
          : "";
    // While a retry runs the word stays: it is taken back only once the tiles have come.
    if (!told && this.#retry) return;
    const kind = this.#away ? "away" : this.#over ? "signed-out" : "tiles";
    if (this.#told !== told) {
      this.#told = told ?? "";
      this.root.replaceChildren(told ?? "");
      this.root.dataset["kind"] = kind;
      if (told && kind === "signed-out") this.root.append(" ", button(this.#texts["reload"] ?? "", () => location.reload(), "twin-link"));
    }
    this.root.hidden = !told;
  }
}
