// Drawing a point, a line or an area by pointer or by keyboard, snapping to what the map shows.
import { PathLayer, ScatterplotLayer, SolidPolygonLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import type { Map as MapLibre, MapMouseEvent, PointLike } from "maplibre-gl";
import type { Place } from "./model";
import type { Ground } from "./sensors";
import { layerOf } from "./style";

export type Shape = "point" | "line" | "polygon";

export interface Drawn {
  type: "Feature";
  geometry: { type: string; coordinates: unknown };
  properties: Record<string, unknown>;
}

export const MOST_CORNERS = 10_000;
const REACH_PX = 10;
const STEP_PX = 12;
const FINE_PX = 2;
const DIGITS = 7;
const FEWEST: Record<Shape, number> = { point: 1, line: 2, polygon: 3 };
const INK: [number, number, number] = [112, 72, 232];
const MOVES: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export interface DrawFrom {
  /** Something is to be drawn again. */
  changed(): void;
  done(drawn: Drawn | null): void;
  /** Says by its name how drawing stands or why it does not go on; `{count}` is filled. */
  tell(name: string, count: number): void;
}

/** The corners as a GeoJSON geometry; the ring of an area is closed. */
export function geometryOf(shape: Shape, corners: Place[]): Drawn["geometry"] {
  const round = (place: Place): number[] => place.map((one) => Number(one.toFixed(DIGITS)));
  if (shape === "point") return { type: "Point", coordinates: round(corners[0]!) };
  const path = corners.map(round);
  return shape === "line" ? { type: "LineString", coordinates: path } : { type: "Polygon", coordinates: [[...path, path[0]]] };
}

/** The nearest corner within reach, else the nearest place on an edge, in pixels; null: nothing is near. */
export function snapTo(paths: [number, number][][], at: [number, number], reach: number): [number, number] | null {
  let corner: [number, number] | null = null;
  let edge: [number, number] | null = null;
  let [cornerAway, edgeAway] = [reach, reach];
  for (const path of paths)
    path.forEach((one, index) => {
      const away = Math.hypot(one[0] - at[0], one[1] - at[1]);
      if (away < cornerAway) [corner, cornerAway] = [one, away];
      const next = path[index + 1];
      if (!next) return;
      const [dx, dy] = [next[0] - one[0], next[1] - one[1]];
      const part = Math.max(0, Math.min(1, ((at[0] - one[0]) * dx + (at[1] - one[1]) * dy) / (dx * dx + dy * dy || 1)));
      const foot: [number, number] = [one[0] + part * dx, one[1] + part * dy];
      const off = Math.hypot(foot[0] - at[0], foot[1] - at[1]);
      if (off < edgeAway) [edge, edgeAway] = [foot, off];
    });
  return corner ?? edge;
}

export class Draw {
  shape: Shape | null = null;
  #corners: Place[] = [];
  #cursor: Place | null = null;
  #snapped = false;
  #listening: AbortController | null = null;

  constructor(
    private readonly map: MapLibre,
    private readonly from: DrawFrom,
  ) {}

  get active(): boolean {
    return this.shape !== null;
  }

  /** What is drawn by now, the cursor as its last corner. */
  get path(): Place[] {
    return this.#cursor ? [...this.#corners, this.#cursor] : this.#corners;
  }

  start(shape: Shape): void {
    if (this.shape) this.#leave();
    this.shape = shape;
    this.#corners = [];
    this.#cursor = null;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.map.doubleClickZoom.disable();
    this.map.on("click", this.#click);
    this.map.on("mousemove", this.#move);
    this.map.on("dblclick", this.#double);
    this.map.getCanvas().style.cursor = "crosshair";
    this.map.getCanvas().focus();
    // Before the map's own keys, and before the page's.
    document.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    document.addEventListener("paste", (event) => this.#paste(event), { signal });
    this.from.tell(`draw_${shape}`, 0);
    this.from.changed();
  }

  cancel(): void {
    if (!this.shape) return;
    this.#leave();
    this.from.tell("draw_cancelled", 0);
    this.from.done(null);
    this.from.changed();
  }

  layers(ground: Ground): Layer[] {
    const path = this.#cursor && this.shape !== "point" ? [...this.#corners, this.#cursor] : this.#corners;
    const raised = path.map(([lon, lat]): [number, number, number] => [lon, lat, ground(lon, lat) + 1]);
    const layers: Layer[] = [];
    if (this.shape === "polygon" && raised.length > 2)
      layers.push(new SolidPolygonLayer({ id: "draw-area", data: [{ ring: raised }], getPolygon: (one: { ring: number[][] }) => one.ring as never, getFillColor: [...INK, 50] }));
    if (raised.length > 1) {
      const line = this.shape === "polygon" && raised.length > 2 ? [...raised, raised[0]!] : raised;
      layers.push(new PathLayer({ id: "draw-line", data: [{ line }], getPath: (one: { line: number[][] }) => one.line as never, getColor: [...INK, 255], widthUnits: "pixels", getWidth: 2.5, billboard: true }));
    }
    const spots = this.#corners.map(([lon, lat]) => ({ at: [lon, lat, ground(lon, lat) + 1], cursor: false }));
    if (this.#cursor) spots.push({ at: [...this.#cursor, ground(...this.#cursor) + 1], cursor: true });
    layers.push(
      new ScatterplotLayer({
        id: "draw-corners",
        data: spots,
        billboard: true,
        radiusUnits: "pixels",
        lineWidthUnits: "pixels",
        stroked: true,
        getPosition: (one: { at: number[] }) => one.at as never,
        getRadius: (one: { cursor: boolean }) => (one.cursor ? (this.#snapped ? 8 : 5) : 4),
        getFillColor: (one: { cursor: boolean }) => (one.cursor && this.#snapped ? [255, 255, 255, 255] : [...INK, 255]),
        getLineColor: (one: { cursor: boolean }) => (one.cursor && this.#snapped ? [...INK, 255] : [255, 255, 255, 255]),
        getLineWidth: 2,
        updateTriggers: { getRadius: this.#snapped, getFillColor: this.#snapped, getLineColor: this.#snapped },
      }),
    );
    return layers;
  }

  #leave(): void {
    this.#listening?.abort();
    this.map.off("click", this.#click);
    this.map.off("mousemove", this.#move);
    this.map.off("dblclick", this.#double);
    this.map.getCanvas().style.cursor = "";
    // The second press of the last double click is still to come.
    setTimeout(() => this.map.doubleClickZoom.enable(), 400);
    this.shape = null;
    this.#corners = [];
    this.#cursor = null;
  }

  readonly #click = (event: MapMouseEvent): void => {
    this.#add(this.#snap([event.point.x, event.point.y]));
  };

  readonly #move = (event: MapMouseEvent): void => {
    this.#cursor = this.#snap([event.point.x, event.point.y]);
    this.from.changed();
  };

  readonly #double = (event: MapMouseEvent): void => {
    event.preventDefault();
    this.#finish();
  };

  #add(place: Place): void {
    const last = this.#corners.at(-1);
    if (last && last[0] === place[0] && last[1] === place[1]) return;
    if (this.#corners.length >= MOST_CORNERS) return this.from.tell("draw_too_many", MOST_CORNERS);
    this.#corners.push(place);
    if (this.shape === "point") return this.#finish();
    this.from.tell("draw_corners", this.#corners.length);
    this.from.changed();
  }

  #finish(): void {
    const { shape } = this;
    if (!shape) return;
    if (this.#corners.length < FEWEST[shape]) return this.from.tell("draw_too_few", FEWEST[shape]);
    const drawn: Drawn = { type: "Feature", geometry: geometryOf(shape, this.#corners), properties: { shape } };
    this.#leave();
    this.from.tell("draw_done", 0);
    this.from.done(drawn);
    this.from.changed();
  }

  /** Arrows move the cursor (with Shift finely), Space sets a corner, Enter ends, Backspace takes back, Escape leaves. */
  #key(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof Element && target.matches("input, select, textarea, button") && event.key !== "Escape") return;
    const move = MOVES[event.key];
    if (move) this.#step(move, event.shiftKey ? FINE_PX : STEP_PX);
    else if (event.key === " ") this.#add(this.#here());
    else if (event.key === "Enter") this.#enter();
    else if (event.key === "Backspace") this.#back();
    else if (event.key === "Escape") this.cancel();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #enter(): void {
    if (this.shape === "point") this.#add(this.#here());
    else this.#finish();
  }

  #back(): void {
    this.#corners.pop();
    this.from.tell("draw_corners", this.#corners.length);
    this.from.changed();
  }

  #here(): Place {
    const { lng, lat } = this.map.getCenter();
    return this.#cursor ?? [lng, lat];
  }

  #step([x, y]: [number, number], by: number): void {
    const at = this.map.project(this.#here());
    const to = this.map.unproject([at.x + x * by, at.y + y * by]);
    this.#cursor = [to.lng, to.lat];
    this.#snapped = false;
    this.from.changed();
  }

  /** Pasted GeoJSON becomes the drawing: a geometry of the shape at hand, or a feature with one. */
  #paste(event: ClipboardEvent): void {
    const target = event.composedPath()[0];
    if (target instanceof Element && target.matches("input, textarea")) return;
    event.preventDefault();
    const corners = pasted(event.clipboardData?.getData("text/plain") ?? "", this.shape!);
    if (!corners) return this.from.tell("draw_not_read", 0);
    if (corners.length > MOST_CORNERS) return this.from.tell("draw_too_many", MOST_CORNERS);
    this.#corners = corners;
    this.#finish();
  }

  #snap([x, y]: [number, number]): Place {
    const box: [PointLike, PointLike] = [
      [x - REACH_PX, y - REACH_PX],
      [x + REACH_PX, y + REACH_PX],
    ];
    const near = this.map.queryRenderedFeatures(box).filter((one) => layerOf(one.layer) !== undefined);
    const paths = near.flatMap((one) => pathsOf(one.geometry as { type: string; coordinates: never })).map((path) =>
      path.map(([lon, lat]): [number, number] => {
        const { x: px, y: py } = this.map.project([lon!, lat!]);
        return [px, py];
      }),
    );
    const to = snapTo(paths, [x, y], REACH_PX);
    this.#snapped = to !== null;
    const { lng, lat } = this.map.unproject(to ?? [x, y]);
    return [lng, lat];
  }
}

function pathsOf({ type, coordinates }: { type: string; coordinates: never }): number[][][] {
  if (type === "Point") return [[coordinates]];
  if (type === "LineString" || type === "MultiPoint") return [coordinates];
  if (type === "Polygon" || type === "MultiLineString") return coordinates;
  return type === "MultiPolygon" ? (coordinates as number[][][][]).flat() : [];
}

/** The corners of pasted GeoJSON; null where it is something else. */
export function pasted(text: string, shape: Shape): Place[] | null {
  try {
    const read = JSON.parse(text) as { geometry?: unknown };
    const geometry = (read.geometry ?? read) as { type?: string; coordinates?: unknown };
    const [path] = pathsOf(geometry as never);
    const wanted = { point: "Point", line: "LineString", polygon: "Polygon" }[shape];
    if (geometry.type !== wanted || !path?.length) return null;
    const good = path.every((one) => Array.isArray(one) && Number.isFinite(one[0]) && Number.isFinite(one[1]) && Math.abs(one[0]!) <= 180 && Math.abs(one[1]!) <= 90);
    if (!good) return null;
    const corners = path.map((one): Place => [one[0]!, one[1]!]);
    return shape === "polygon" ? corners.slice(0, -1) : corners;
  } catch {
    return null;
  }
}
