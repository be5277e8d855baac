// What the map wears: the style with the viewer's switches, the tiles and scenes of the shown branch, the terrain.
import type { Map as MapLibre, StyleSpecification, VectorTileSource } from "maplibre-gl";
import type { MapModel } from "./model";
import type { Solids } from "./solids";
import { applyState, ofBranch, withBranch, withState } from "./style";

export interface DressFrom {
  model(): MapModel;
  style(): StyleSpecification;
  solids(): Solids | null;
  /** The branch that is shown; 0: the base. */
  branch(): number;
}

export class Dress {
  /** Whether the viewer wants the relief. */
  terrain: boolean;

  constructor(
    private readonly map: MapLibre,
    private readonly from: DressFrom,
  ) {
    this.terrain = from.model().camera.pitch > 5;
  }

  /** Puts switches, opacities, filters and themes on the style's layers; what stands as a mesh is not extruded. */
  states(): void {
    if (this.map.getStyle()) applyState(this.map, this.from.style(), this.from.model(), this.from.solids()?.drawn);
  }

  /** The meshes of the shown branch. */
  stand(): void {
    const { looks, layers } = this.from.model();
    this.from.solids()?.follow({ looks, layers, scenario: this.from.branch() });
  }

  /** Puts the whole style on the map, with what the viewer switched. */
  whole(): void {
    const wanted = withBranch(withState(this.from.style(), this.from.model(), this.from.solids()?.drawn), this.from.branch());
    if (!this.terrain) delete wanted.terrain;
    this.map.setStyle(wanted, { diff: true });
    this.stand();
  }

  /** Another branch, or the base: its tiles and scenes are asked for. */
  branch(): void {
    for (const [name, source] of Object.entries(this.from.style().sources)) {
      const shown = this.map.getSource(name);
      if (shown?.type === "vector" && source.type === "vector" && source.tiles)
        (shown as VectorTileSource).setTiles(source.tiles.map((tile) => ofBranch(tile, this.from.branch())));
    }
    this.stand();
  }

  /** Puts the relief on or away, where the style has one. */
  ground(): void {
    const terrain = this.from.style().terrain ?? null;
    if (Boolean(this.map.getTerrain()) !== (this.terrain && terrain !== null)) this.map.setTerrain(this.terrain ? terrain : null);
  }
}
