// Between the map and the workbench: what the one gives and the other takes.
import type { Layer } from "@deck.gl/core";
import type { Map as MapLibre } from "maplibre-gl";
import type { FeatureRef, MapModel, Picked } from "./model";
import type { Ground } from "./sensors";

/** The workbench as the map knows it. */
export interface Planning {
  /** Whether the pointer belongs to it. */
  busy(): boolean;
  layers(ground: Ground): Layer[];
  clicked(found: Picked | null): void;
  /** Features of a layer changed in the branch or in the base. */
  heard(layer: string): void;
  /** The whole style was put on anew. */
  shown(): void;
}

/** The map as the workbench knows it. */
export interface PlanMap {
  readonly map: MapLibre;
  readonly root: HTMLElement;
  model(): MapModel;
  draw(): void;
  pick(event: { point: { x: number; y: number }; lngLat: { lng: number; lat: number } }): Picked | null;
  /** Colours solids by the ids of their features. */
  tint(colours: Map<string, string>): void;
  mark(feature: FeatureRef | null): void;
  serve(planning: Planning | null): void;
}

/** What the panel beside the map shares with Python. */
export interface PlanModel {
  /** The branch that is shown; 0: the base. */
  branch: number;
  /** Whether the page is in the mode of planning. */
  active: boolean;
  theme: "light" | "dark";
  language: "rw" | "en" | "fr";
  texts: Record<string, string>;
  /** Who plans: name, and the rights plan, approve, operate. */
  actor: { name: string; plan: boolean; approve: boolean; operate: boolean };
  /** Whether the panel is wanted out of the map's way, on a phone. */
  aside: boolean;
  on(name: string, callback: () => void): void;
}
