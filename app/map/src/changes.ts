// Hears what changed in the twin, and asks anew for the tiles of the layers it touched.
import { at } from "./home";
import type { Map as MapLibre } from "maplibre-gl";
import type { Heard } from "./model";

const GATHER_MS = 600;
/** A stream that the browser gave up is opened again after so long. */
const REOPEN_MS = 5000;

interface Told {
  seq: number;
  layer: string;
  scenario: number | null;
  extent: [number, number, number, number] | null;
}

export class Changes {
  #stream: EventSource | null = null;
  readonly #touched = new Map<string, Heard>();
  #timer = 0;
  #reopening = 0;
  /** The number of the last change that was told: after a cut the stream goes on behind it. */
  #last = 0;

  constructor(
    private readonly map: MapLibre,
    private readonly heard: (change: Heard) => void,
    /** The branch that is shown, 0: the base. Its changes count as well as the base's. */
    private readonly branch: () => number,
    /** The stream is cut: the service may be away. */
    private readonly cut: () => void,
  ) {}

  start(): void {
    if (this.#stream) return;
    const stream = new EventSource(at(this.#last ? `/changes?since=${this.#last}` : "/changes"));
    this.#stream = stream;
    // After a cut connection the browser asks again by itself, naming the last change; after an answer that is none it gives up.
    stream.onerror = () => {
      this.cut();
      if (stream.readyState !== EventSource.CLOSED || this.#stream !== stream) return;
      this.#stream = null;
      this.#reopening = window.setTimeout(() => this.start(), REOPEN_MS);
    };
    stream.onmessage = (event) => {
      const told = JSON.parse(event.data as string) as Told;
      this.#last = Math.max(this.#last, told.seq);
      if (told.scenario === null || told.scenario === this.branch()) this.#touch(told.layer, told.seq, told.extent, told.scenario !== null);
    };
    // Too slow to be told of each change: all that is shown may be old.
    stream.addEventListener("missed", () => {
      for (const name of Object.keys(this.map.getStyle().sources)) if (!name.includes(":")) this.#touch(name, 0, null);
    });
  }

  stop(): void {
    this.#stream?.close();
    this.#stream = null;
    window.clearTimeout(this.#timer);
    window.clearTimeout(this.#reopening);
  }

  /** Changes come in bursts: they are gathered, so that a load asks once. */
  #touch(layer: string, seq: number, extent: Heard["extent"], branch = false): void {
    const before = this.#touched.get(layer);
    this.#touched.set(layer, { layer, seq, extent: before ? union(before.extent, extent) : extent, branch: branch && (before?.branch ?? true) });
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      for (const [name, heard] of this.#touched) {
        for (const source of [name, `${name}:names`]) if (this.map.getSource(source)) this.map.refreshTiles(source);
        this.heard(heard);
      }
      this.#touched.clear();
    }, GATHER_MS);
  }
}

/** Both extents; where one is unknown, anywhere. */
function union(one: Heard["extent"], other: Heard["extent"]): Heard["extent"] {
  if (!one || !other) return null;
  return [Math.min(one[0], other[0]), Math.min(one[1], other[1]), Math.max(one[2], other[2]), Math.max(one[3], other[3])];
}
