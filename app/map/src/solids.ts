// Buildings and other scenes as the rest of the map knows them: switched, coloured, picked and marked like any layer.
import type { Map as MapLibre } from "maplibre-gl";
import type { FeatureRef, LayerState, MapModel, Picked, Place } from "./model";
import { rgb } from "./scenes/colours";
import { Scenery } from "./scenes/scenery";
import type { Listed } from "./scenes/scene";

const ID = "twin:scenes";

export class Solids {
  readonly #scenery: Scenery;

  /** `changed`: the set of layers that are drawn as meshes is another than before. */
  constructor(
    private readonly map: MapLibre,
    changed: () => void,
  ) {
    this.#scenery = new Scenery(map, changed);
    map.on("style.load", () => this.place());
    map.on("webglcontextrestored", () => this.place());
  }

  /** The layers that are drawn as meshes now. */
  get drawn(): ReadonlySet<string> {
    return this.#scenery.drawn;
  }

  /** Puts the scenes into the style where the extrusions are: over the ground, under the names. */
  place(): void {
    if (!this.map.style || this.map.getLayer(ID)) return;
    const { layers } = this.map.getStyle();
    const last = layers.findLastIndex((layer) => layer.type === "fill-extrusion");
    const next = last < 0 ? layers.find((layer) => layer.type === "symbol") : layers[last + 1];
    this.map.addLayer(this.#scenery, next?.id);
  }

  follow({ looks, layers, scenario }: Pick<MapModel, "looks" | "layers" | "scenario">): void {
    this.place();
    this.#scenery.show(scenario ?? 0);
    this.#scenery.looks = looks.layers;
    this.#scenery.selection = rgb(looks.selection);
    this.#scenery.wish((listed) => {
      const state = stateOf(listed, layers);
      return { visible: state?.visible ?? false, opacity: state?.opacity ?? 1, theme: state?.by ?? "" };
    });
  }

  mark(kind: "selected" | "hovered", feature: FeatureRef | null): void {
    this.#scenery.mark(kind, feature);
  }

  /** Colours features by their ids, each by a hex colour. */
  tint(colours: Map<string, string>): void {
    this.#scenery.tint(new Map([...colours].map(([id, colour]) => [id, rgb(colour)])));
  }

  /** Lights the meshes from where the sun stands, degrees; null: as the map is lit. */
  shine(sun: { altitude: number; azimuth: number } | null): void {
    const [up, round] = sun ? [(sun.altitude * Math.PI) / 180, (sun.azimuth * Math.PI) / 180] : [0, 0];
    this.#scenery.sun = sun ? [Math.sin(round) * Math.cos(up), Math.cos(round) * Math.cos(up), Math.sin(up)] : null;
    this.map.triggerRepaint();
  }

  renew(layer: string, extent: [number, number, number, number] | null): void {
    this.#scenery.renew(layer, extent);
  }

  pick(point: { x: number; y: number }, place: Place): Picked | null {
    const found = this.#scenery.pick(point, { lng: place[0], lat: place[1] });
    if (!found) return null;
    const { fid, id, ...properties } = found.properties;
    return { layer: found.scene.layer, fid: Number(fid ?? found.row), id: String(id ?? ""), properties, place };
  }

  end(): void {
    this.#scenery.end();
  }
}

/** The buildings are switched with their layer; each other scene by itself. */
function stateOf(listed: Listed, states: Record<string, LayerState>): LayerState | undefined {
  const layer = listed.layers?.[0] ?? listed.layer;
  return listed.name === "buildings" && layer ? states[layer] : states[`scene:${listed.name}`];
}
