// A tileset of implicit tiles, walked as far as a view needs: subtrees are fetched when the view first reaches them.
import type { Mat4, Separations } from "./earth";
import { IDENTITY } from "./earth";
import { morton, readSubtree, type Region, type Schema, type Subtree } from "./subtree";
import type { View } from "./view";

export interface Wanted {
  /** level/x/y. */
  key: string;
  url: string;
  bounds: Region;
  /** How large on the screen, in pixels, is the largest thing that the tile above would leave out. */
  pixels: number;
}

interface TilesetJson {
  asset: { version: string; extras?: { separation?: Separations } };
  schema?: Schema;
  root: {
    boundingVolume: { region?: Region };
    transform?: number[];
    geometricError: number;
    content?: { uri: string };
    implicitTiling?: {
      subdivisionScheme: string;
      availableLevels: number;
      subtreeLevels: number;
      subtrees: { uri: string };
    };
  };
}

/** A tile whose largest missing part is smaller than this on the screen is not refined: pixels. */
const COARSEST_PIXELS = 12;

export class Tileset {
  readonly #subtrees = new Map<string, Subtree | null | "asked">();

  private constructor(
    private readonly url: string,
    private readonly json: TilesetJson,
    private readonly arrived: () => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Fetches the tileset at a URL. `arrived` is called whenever a further part of it is there. */
  static async open(url: string, arrived: () => void, signal: AbortSignal): Promise<Tileset> {
    const answer = await fetch(url, { signal, cache: "no-cache" });
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    const json = (await answer.json()) as TilesetJson;
    if (json.root.implicitTiling?.subdivisionScheme !== "QUADTREE") throw new Error(`${url} is not an implicit quadtree`);
    return new Tileset(url, json, arrived, signal);
  }

  get transform(): Mat4 {
    return this.json.root.transform ?? IDENTITY;
  }

  get separations(): Separations | undefined {
    return this.json.asset.extras?.separation;
  }

  /** The contents that a view wants, largest first, and whether all subtrees on the way were there. */
  select(view: View): { wanted: Wanted[]; whole: boolean } {
    const wanted: Wanted[] = [];
    const root = this.json.root;
    const state = { wanted, whole: true };
    this.#visit(view, state, [0, 0, 0], [0, 0, 0], root.boundingVolume.region!, root.geometricError, Infinity);
    wanted.sort((one, other) => other.pixels - one.pixels);
    return state;
  }

  /** One tile and those below it. `at`: level, x, y. `top`: the root of its subtree. `above`: pixels of what its parent left out. */
  #visit(
    view: View,
    state: { wanted: Wanted[]; whole: boolean },
    at: [number, number, number],
    top: [number, number, number],
    parentBounds: Region,
    parentError: number,
    above: number,
  ): void {
    const tiling = this.json.root.implicitTiling!;
    const [level, x, y] = at;
    if (level >= tiling.availableLevels) return;
    let depth = level - top[0];
    if (depth === tiling.subtreeLevels) {
      if (!this.#subtree(top, state)?.hasChild(morton(x - (top[1] << depth), y - (top[2] << depth)))) return;
      top = at;
      depth = 0;
    }
    const subtree = this.#subtree(top, state);
    if (!subtree) return;
    const index = (4 ** depth - 1) / 3 + morton(x - (top[1] << depth), y - (top[2] << depth));
    if (!subtree.hasTile(index)) return;
    const bounds = subtree.boundsOf(index) ?? parentBounds;
    const distance = view.distance(bounds);
    if (distance === null) return;
    const error = subtree.errorOf(index) ?? parentError / 2;
    const pixels = view.pixels(error, distance);
    if (subtree.hasContent(index))
      state.wanted.push({ key: at.join("/"), url: this.#address(this.json.root.content!.uri, at), bounds, pixels: above });
    if (pixels < COARSEST_PIXELS) return;
    for (let child = 0; child < 4; child++)
      this.#visit(view, state, [level + 1, 2 * x + (child & 1), 2 * y + (child >> 1)], top, bounds, error, pixels);
  }

  #subtree(root: [number, number, number], state: { whole: boolean }): Subtree | null {
    const key = root.join("/");
    const known = this.#subtrees.get(key);
    if (known === undefined) void this.#fetch(key, root);
    if (known === undefined || known === "asked") {
      state.whole = false;
      return null;
    }
    return known;
  }

  async #fetch(key: string, root: [number, number, number]): Promise<void> {
    this.#subtrees.set(key, "asked");
    try {
      const answer = await fetch(this.#address(this.json.root.implicitTiling!.subtrees.uri, root), {
        signal: this.signal,
        cache: "no-cache",
      });
      if (!answer.ok && answer.status !== 404) throw new Error(`subtree ${key}: ${answer.status}`);
      this.#subtrees.set(key, answer.ok ? readSubtree(await answer.arrayBuffer(), this.json.schema) : null);
    } catch (error) {
      if (this.signal.aborted) return;
      console.warn("a part of the tileset did not come", error);
      setTimeout(() => {
        this.#subtrees.delete(key);
        this.arrived();
      }, 5000);
    }
    this.arrived();
  }

  #address(template: string, [level, x, y]: [number, number, number]): string {
    const path = template.replace("{level}", String(level)).replace("{x}", String(x)).replace("{y}", String(y));
    return new URL(path, new URL(this.url, location.href)).href;
  }
}
