// The twin's scenes on the map: 3D Tiles drawn with the map's own camera and depth, so that hills hide them and names lie over them.
import { at } from "../home";
import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from "maplibre-gl";
import type { Cell } from "./cell";
import { rgb, type Look, type Rgb } from "./colours";
import { metre, times, type Mat4 } from "./earth";
import { Picker } from "./picker";
import { Program } from "./program";
import { Scene, type Found, type Listed } from "./scene";
import type { Camera } from "./view";

/** Nearer than this zoom, and with terrain, buildings are meshes; else the style's own extrusions. */
const NEAR_ZOOM = 15;
const LIST = "/scenes";
/** East, north, up: from the east-north-east, near the hillshade's, yet so that no two walls of a house are alike. */
const SUN = [0.68, 0.19, 0.71];
/** Ambient, from the sun, from the sky. */
const LIGHT = [0.66, 0.28, 0.1];
const HOVER_SHARE = 0.45;

export interface Wish {
  visible: boolean;
  opacity: number;
  theme: string;
}

export class Scenery implements CustomLayerInterface {
  /** Whence the light comes: a unit vector to the east, the north and up; null: the map's own. */
  sun: [number, number, number] | null = null;
  readonly id = "twin:scenes";
  readonly type = "custom";
  readonly renderingMode = "3d";
  #gl: WebGL2RenderingContext | null = null;
  #program: Program | null = null;
  #picker: Picker | null = null;
  #matrix: Mat4 | null = null;
  #listed: Listed[] | null = null;
  #scenes = new Map<string, Scene>();
  #branch = 0;
  #tints = new Map<string, Rgb>();
  #wishes: (listed: Listed) => Wish = () => ({ visible: false, opacity: 1, theme: "" });
  #dropped: Cell[] = [];
  #stood = "";
  #selected: { layer: string; fid: number } | null = null;
  #hovered: { layer: string; fid: number } | null = null;
  /** How each layer is coloured. */
  looks: Record<string, Look> = {};
  selection: Rgb = rgb("#f03e3e");

  /** `changed`: which layers the scenes draw is another set than before. */
  constructor(
    private readonly map: MapLibre,
    private readonly changed: () => void,
  ) {
    void this.#list();
  }

  /** The layers that the scenes draw now, whose extrusions are not wanted. */
  get drawn(): ReadonlySet<string> {
    return new Set(this.#stood ? this.#stood.split(" ") : []);
  }

  /** What the viewer wants of each scene. */
  wish(wishes: (listed: Listed) => Wish): void {
    this.#wishes = wishes;
    for (const listed of this.#listed ?? []) {
      if (listed.kind !== "3d-tiles") continue;
      const wish = wishes(listed);
      const scene = this.#scenes.get(listed.name);
      if (wish.visible && !scene) {
        const base = at(LIST);
        this.#scenes.set(listed.name, new Scene(listed, base, () => this.map.triggerRepaint(), (cell) => this.#dropped.push(cell), this.#branch));
        this.#scenes.get(listed.name)!.tint(this.#tints);
      } else if (!wish.visible && scene) {
        scene.end();
        this.#scenes.delete(listed.name);
      }
      const now = this.#scenes.get(listed.name);
      if (now) [now.theme, now.opacity] = [wish.theme, wish.opacity];
    }
    this.#light();
    this.#tell();
    this.map.triggerRepaint();
  }

  /** Shows a branch, 0: the base. The scenes are asked anew. */
  show(branch: number): void {
    if (branch === this.#branch) return;
    this.#branch = branch;
    for (const scene of this.#scenes.values()) scene.end();
    this.#scenes.clear();
    this.wish(this.#wishes);
  }

  /** Colours features by their ids. */
  tint(tints: Map<string, Rgb>): void {
    this.#tints = tints;
    for (const scene of this.#scenes.values()) scene.tint(tints);
    this.map.triggerRepaint();
  }

  mark(kind: "selected" | "hovered", feature: { layer: string; fid: number } | null): void {
    if (kind === "selected") this.#selected = feature;
    else {
      if (this.#hovered?.layer === feature?.layer && this.#hovered?.fid === feature?.fid) return;
      this.#hovered = feature;
    }
    this.#light();
    this.map.triggerRepaint();
  }

  /** A layer changed within an extent, or its scenes altogether. */
  renew(layer: string, extent: [number, number, number, number] | null): void {
    for (const scene of this.#scenes.values())
      if (scene.layer === layer || scene.listed.layers?.includes(layer)) scene.renew(extent);
    void this.#list();
  }

  /** The feature drawn at CSS pixels from the upper left, or null where there is none or a hill stands before it. */
  pick(point: { x: number; y: number }, ground: { lng: number; lat: number }): Found | null {
    const gl = this.#gl;
    if (!gl || !this.#matrix || !this.#isNear()) return null;
    const ratio = gl.drawingBufferWidth / this.map.getCanvas().clientWidth;
    const cells = [...this.#scenes.values()].flatMap((scene) =>
      scene.drawn.map((cell): [Cell, Float32Array] => [cell, this.#matrixOf(cell)]),
    );
    this.#picker ??= new Picker(gl);
    const hit = this.#picker.pick(Math.floor(point.x * ratio), gl.drawingBufferHeight - 1 - Math.floor(point.y * ratio), cells);
    if (!hit) return null;
    for (const scene of this.#scenes.values()) {
      const cell = scene.drawn.find((one) => one.number === hit.cell);
      if (!cell) continue;
      if (!seesThrough(scene) && hit.depth > this.#depthOf(ground) * 1.02 + 1) return null;
      return { scene, cell, row: hit.row, properties: cell.content.table?.row(hit.row) ?? {} };
    }
    return null;
  }

  onAdd(_: MapLibre, gl: WebGL2RenderingContext): void {
    this.#gl = gl;
    this.#program = Program.colour(gl);
  }

  onRemove(_: MapLibre, gl: WebGL2RenderingContext): void {
    for (const scene of this.#scenes.values()) for (const cell of scene.cells.values()) cell?.end(gl);
    this.#picker?.end();
    this.#program?.end();
    this.#gl = this.#program = this.#picker = null;
  }

  render(gl: WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    this.#matrix = input.defaultProjectionData.mainMatrix;
    for (const cell of this.#dropped.splice(0)) cell.end(gl);
    if (!this.#isNear()) {
      for (const scene of this.#scenes.values()) scene.stood = false;
      this.#tell();
      return;
    }
    const camera: Camera = {
      matrix: this.#matrix,
      latitude: (this.map.getCenter().lat * Math.PI) / 180,
      height: this.map.getCanvas().clientHeight,
      worldSize: 512 * 2 ** this.map.getZoom(),
      fov: input.fov,
    };
    const program = this.#program!;
    program.use();
    gl.uniform1i(program.at("colours"), 0);
    gl.uniform3fv(program.at("sun"), this.sun ?? SUN);
    gl.uniform3fv(program.at("light"), LIGHT);
    gl.frontFace(gl.CCW);
    gl.cullFace(gl.BACK);
    for (const scene of this.#scenes.values()) {
      scene.look(camera);
      this.#draw(gl, program, scene);
    }
    gl.bindVertexArray(null);
    gl.disable(gl.CULL_FACE);
    this.#tell();
  }

  end(): void {
    for (const scene of this.#scenes.values()) scene.end();
    if (this.map.getLayer(this.id)) this.map.removeLayer(this.id);
  }

  #draw(gl: WebGL2RenderingContext, program: Program, scene: Scene): void {
    const look = this.looks[scene.layer];
    const pass = (alpha: number): void => {
      gl.uniform1f(program.at("alpha"), alpha);
      for (const cell of scene.drawn) {
        cell.colour(gl, scene.looks(cell, look));
        cell.draw(gl, program, this.#matrixOf(cell));
      }
    };
    if (seesThrough(scene)) {
      // What lies under the ground shines through it.
      gl.depthFunc(gl.GREATER);
      gl.depthMask(false);
      pass(scene.opacity * 0.45);
      gl.depthFunc(gl.LEQUAL);
      gl.depthMask(true);
    }
    const lies = scene.listed.shows === "ribbons";
    if (lies) {
      gl.enable(gl.POLYGON_OFFSET_FILL);
      gl.polygonOffset(-4, -400);
    }
    pass(scene.opacity);
    if (lies) gl.disable(gl.POLYGON_OFFSET_FILL);
  }

  #isNear(): boolean {
    return this.map.getTerrain() !== null && this.map.getZoom() >= NEAR_ZOOM;
  }

  /** From a cell's metres to clip space. Heights scale with the map's centre, as its terrain does. */
  #matrixOf(cell: Cell): Float32Array {
    const { x, y, latitude } = cell.content.origin;
    const across = metre(latitude);
    const up = metre((this.map.getCenter().lat * Math.PI) / 180);
    return new Float32Array(times(this.#matrix!, [across, 0, 0, 0, 0, -across, 0, 0, 0, 0, up, 0, x, y, 0, 1]));
  }

  #depthOf({ lng, lat }: { lng: number; lat: number }): number {
    const m = this.#matrix!;
    const sin = Math.sin((lat * Math.PI) / 180);
    const [x, y] = [lng / 360 + 0.5, 0.5 - (0.25 * Math.log((1 + sin) / (1 - sin))) / Math.PI];
    const z = (this.map.queryTerrainElevation([lng, lat]) ?? 0) * metre((this.map.getCenter().lat * Math.PI) / 180);
    return m[3]! * x + m[7]! * y + m[11]! * z + m[15]!;
  }

  #light(): void {
    for (const scene of this.#scenes.values()) {
      const lit = new Map<string, Rgb>();
      const look = this.looks[scene.layer];
      const soft = rgb(look?.other ?? "#cccccc").map((part, at) => part + (this.selection[at]! - part) * HOVER_SHARE) as Rgb;
      if (this.#hovered?.layer === scene.layer) lit.set(String(this.#hovered.fid), soft);
      if (this.#selected?.layer === scene.layer) lit.set(String(this.#selected.fid), this.selection);
      scene.light(lit);
    }
  }

  #tell(): void {
    const stood = [...this.#scenes.values()].filter((scene) => scene.stood).map((scene) => scene.layer).sort().join(" ");
    const cells = [...this.#scenes.values()].map((scene) => `${scene.listed.name}:${scene.whole ? scene.drawn.length : "coming"}`);
    this.map.getContainer().dataset["scenes"] = this.#isNear() ? cells.join(" ") : "";
    if (stood === this.#stood) return;
    this.#stood = stood;
    // Not within the frame that is being drawn.
    queueMicrotask(() => this.changed());
  }

  async #list(): Promise<void> {
    try {
      const answer = await fetch(at(LIST), { cache: "no-cache" });
      if (!answer.ok) return;
      this.#listed = ((await answer.json()) as { scenes: Listed[] }).scenes;
      this.wish(this.#wishes);
    } catch (error) {
      console.warn("the list of scenes did not come", error);
    }
  }
}

/** What lies under the ground is seen through it. */
function seesThrough(scene: Scene): boolean {
  return scene.listed.shows === "tubes";
}
