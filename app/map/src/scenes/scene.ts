// One scene: its tileset, the cells that are here, those that are coming, and the one that the viewer means.
import { Cell, type Looks } from "./cell";
import type { Look, Rgb } from "./colours";
import { readGlb } from "./glb";
import type { Value } from "./table";
import { Tileset, type Wanted } from "./tileset";
import { viewOf, type Camera } from "./view";

/** As `/scenes` lists it. */
export interface Listed {
  name: string;
  /** 3d-tiles, or what is not drawn here. */
  kind: string;
  /** buildings, instances, tubes, ribbons or walls. */
  shows?: string;
  href: string;
  title?: string;
  layer?: string;
  layers?: string[];
  [more: string]: unknown;
}

export interface Found {
  scene: Scene;
  cell: Cell;
  row: number;
  properties: Record<string, Value>;
}

const MOST_AT_ONCE = 6;
const MOST_CELLS = 500;
/** Cells that were wanted lately are kept up to so many bytes. */
const KEPT_BYTES = 192e6;
const RETRY_MS = 5000;

export class Scene {
  readonly cells = new Map<string, Cell | null>();
  /** What the last view wanted and has. */
  drawn: Cell[] = [];
  /** Whether all that the last view wanted is here. */
  whole = false;
  /** Whether anything has been drawn whole since it was opened. */
  stood = false;
  theme = "";
  opacity = 1;
  #tileset: Tileset | null = null;
  #next: Tileset | null = null;
  #opening = false;
  #frame = 0;
  readonly #coming = new Set<string>();
  readonly #stale = new Set<string>();
  readonly #ended = new AbortController();
  #lit = new Map<string, Rgb>();
  #tints = new Map<string, Rgb>();
  #litRows = new WeakMap<Cell, Map<number, Rgb>>();

  constructor(
    readonly listed: Listed,
    private readonly base: string,
    private readonly changed: () => void,
    private readonly dropped: (cell: Cell) => void,
    private readonly branch: number,
  ) {}

  /** The layer whose features it draws; the scene's own name where it draws none. */
  get layer(): string {
    return this.listed.layers?.[0] ?? this.listed.layer ?? `scene:${this.listed.name}`;
  }

  /** What the camera wants becomes `drawn`; what is missing is fetched. */
  look(camera: Camera): void {
    this.#frame++;
    if (!this.#tileset) {
      void this.#open();
      return;
    }
    if (this.#next) {
      const { whole } = this.#next.select(viewOf(camera, this.#next.separations));
      if (whole) [this.#tileset, this.#next] = [this.#next, null];
    }
    const { wanted, whole } = this.#tileset.select(viewOf(camera, this.#tileset.separations));
    const kept = wanted.slice(0, MOST_CELLS);
    this.drawn = [];
    for (const one of kept) {
      const cell = this.cells.get(one.key);
      if (cell) {
        cell.used = this.#frame;
        this.drawn.push(cell);
      }
      if (this.#coming.size >= MOST_AT_ONCE || this.#coming.has(one.key)) continue;
      if (cell === undefined || this.#stale.has(one.key)) void this.#fetch(one);
    }
    this.whole = whole && kept.every((one) => this.cells.has(one.key));
    this.stood ||= this.whole;
    this.#forget();
  }

  /** Something changed within an extent (degrees; null: anywhere): the touched cells are asked anew, the others stay. */
  renew(extent: [number, number, number, number] | null): void {
    const radians = extent?.map((degrees) => (degrees * Math.PI) / 180);
    for (const [key, cell] of this.cells) {
      const [west, south, east, north] = cell?.bounds ?? [-4, -2, 4, 2];
      if (!radians || (west <= radians[2]! && east >= radians[0]! && south <= radians[3]! && north >= radians[1]!)) {
        if (cell) this.#stale.add(key);
        else this.cells.delete(key);
      }
    }
    if (this.#tileset) void this.#reopen();
  }

  /** Marks features by their fids. */
  light(lit: Map<string, Rgb>): void {
    this.#lit = lit;
    this.#litRows = new WeakMap();
  }

  /** Colours features by their ids, such as what a branch adds. */
  tint(tints: Map<string, Rgb>): void {
    this.#tints = tints;
    this.#litRows = new WeakMap();
  }

  looks(cell: Cell, look: Look | undefined): Looks {
    let lit = this.#litRows.get(cell);
    if (!lit) {
      lit = new Map();
      const table = this.#lit.size || this.#tints.size ? cell.content.table : null;
      for (let row = 0; row < (table?.count ?? 0); row++) {
        const colour = this.#lit.get(String(table!.value("fid", row))) ?? this.#tints.get(String(table!.value("id", row) ?? ""));
        if (colour) lit.set(row, colour);
      }
      this.#litRows.set(cell, lit);
    }
    return { look, theme: this.theme, lit };
  }

  end(): void {
    this.#ended.abort();
    for (const cell of this.cells.values()) if (cell) this.dropped(cell);
    this.cells.clear();
    this.drawn = [];
  }

  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      this.#tileset = await this.#asked();
      this.changed();
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      console.warn(`the scene ${this.listed.name} did not come`, error);
      setTimeout(() => {
        this.#opening = false;
        this.changed();
      }, RETRY_MS);
    }
  }

  async #reopen(): Promise<void> {
    try {
      this.#next = await this.#asked();
    } catch (error) {
      if (!this.#ended.signal.aborted) console.warn(`the scene ${this.listed.name} was not renewed`, error);
    }
    this.changed();
  }

  #asked(): Promise<Tileset> {
    const url = new URL(this.listed.href, this.base);
    if (this.branch) url.searchParams.set("scenario", String(this.branch));
    return Tileset.open(url.href, this.changed, this.#ended.signal);
  }

  async #fetch({ key, url, bounds }: Wanted): Promise<void> {
    const tileset = this.#tileset!;
    this.#coming.add(key);
    this.#stale.delete(key);
    const had = this.cells.get(key);
    try {
      const answer = await fetch(url, { signal: this.#ended.signal, cache: "no-cache" });
      if (!answer.ok && answer.status !== 404) throw new Error(`cell ${key}: ${answer.status}`);
      const tag = answer.headers.get("etag") ?? "";
      const data = answer.ok ? await answer.arrayBuffer() : new ArrayBuffer(0);
      if (!had || !tag || had.tag !== tag) {
        const made = data.byteLength ? new Cell(await readGlb(data, tileset.transform, tileset.separations), bounds, tag) : null;
        if (had) this.dropped(had);
        this.cells.set(key, made);
      }
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      console.warn(`a cell of ${this.listed.name} did not come`, error);
      await new Promise((go) => setTimeout(go, RETRY_MS));
    } finally {
      this.#coming.delete(key);
    }
    this.changed();
  }

  /** Lets go of the cells that were wanted longest ago. */
  #forget(): void {
    const kept = [...this.cells].filter((entry): entry is [string, Cell] => entry[1] !== null);
    let bytes = kept.reduce((sum, [, cell]) => sum + cell.size, 0);
    if (bytes <= KEPT_BYTES) return;
    for (const [key, cell] of kept.sort(([, one], [, other]) => one.used - other.used)) {
      if (bytes <= KEPT_BYTES || cell.used === this.#frame) return;
      bytes -= cell.size;
      this.dropped(cell);
      this.cells.delete(key);
    }
  }
}
