// The map as its desk, the workbench and the comparison know it: what each is given of the map, and no more.
import type { Map as MapLibre, StyleSpecification } from "maplibre-gl";
import type { Choice } from "./choice";
import type { CompareFrom } from "./compare/compare";
import type { DeskMap } from "./desk";
import type { FlowFeed } from "./flows";
import type { LiveFeed } from "./live";
import type { MapModel } from "./model";
import { pictureOf } from "./picture";
import type { Planning, PlanMap } from "./planning";
import type { Solids } from "./solids";
import { factsOf } from "./style";

/** What the map is made of, as far as others may use it. */
export interface MapParts {
  readonly map: MapLibre;
  readonly root: HTMLElement;
  readonly strip: HTMLElement;
  readonly feed: LiveFeed;
  readonly flows: FlowFeed;
  readonly choice: Choice;
  /** Nothing glides. */
  readonly still: boolean;
  model(): MapModel;
  style(): StyleSpecification;
  solids(): Solids | null;
  draw(): void;
  /** Asks for what the shown overlays need. */
  streams(): void;
  /** Asks for the tiles and scenes of the branch that is to be shown. */
  branch(): void;
  /** The camera came to rest. */
  rested(): void;
  serve(planning: Planning | null): void;
}

export function deskMap({ map, root, strip, feed, flows, choice, still, model, style, solids, draw, streams }: MapParts): DeskMap {
  return {
    map, root, strip, feed, flows, still, model, solids, draw, streams,
    facts: () => factsOf(style()),
    place: () => choice.place,
    open: (found) => choice.click(found),
    picture: () => pictureOf(map, root),
  };
}

export function planMap({ map, root, choice, model, solids, draw, serve }: MapParts): PlanMap {
  return {
    map, root, model, draw, serve,
    pick: (event) => choice.pick(event),
    tint: (colours) => solids()?.tint(colours),
    mark: (feature) => choice.mark(feature),
  };
}

export function compareMap({ map, root, choice, still, model, style, draw, branch, rested }: MapParts): CompareFrom {
  return {
    map, root, still, model, style, draw, rested,
    facts: () => factsOf(style()),
    show: branch,
    open: (found) => choice.click(found),
  };
}
