// What passes between Python and the page: small values only. Features and tiles travel by HTTP.

import type { StyleSpecification } from "maplibre-gl";
import type { Drawn } from "./draw";
import type { Comparing } from "./compare/state";
import type { Look } from "./scenes/colours";

export type Place = [lon: number, lat: number];

export interface Camera {
  longitude: number;
  latitude: number;
  zoom: number;
  pitch: number;
  bearing: number;
  /** Milliseconds of flight; 0 jumps. */
  duration?: number;
}

export interface LayerState {
  /** Not said: hidden. What is not said is not sent: the layers are many. */
  visible?: boolean;
  /** 0 to 1, times the style's own opacity; not said: 1. */
  opacity?: number;
  /** The property that colours its features; none: the layer's own colours. */
  by?: string;
}

export interface FeatureRef {
  layer: string;
  fid: number;
}

export interface Picked extends FeatureRef {
  id: string;
  properties: Record<string, unknown>;
  place: Place;
}

export interface Viewport extends Camera {
  /** west, south, east, north in degrees. */
  bounds: [number, number, number, number];
}

export interface Heard {
  layer: string;
  seq: number;
  /** west, south, east, north in degrees; null: anywhere. */
  extent?: [number, number, number, number] | null;
  /** Only the branch that is shown changed, not the base. */
  branch?: boolean;
}

/** The component as Panel hands it over: parameters as properties, set to send them to Python. */
export interface MapModel {
  style_url: string;
  /** The style itself, where it came with the page. */
  style?: StyleSpecification;
  theme: "light" | "dark";
  language: string;
  camera: Camera;
  layers: Record<string, LayerState>;
  /** The colours of solids under each theme, and of what is selected. */
  looks: { selection: string; layers: Record<string, Look> };
  filters: Record<string, unknown[]>;
  /** The branch whose tiles and scenes are shown; 0: the base. */
  scenario: number;
  /** What is compared; without ids, nothing is. */
  compare: Comparing | Record<string, never>;
  time: string;
  deck: Record<string, unknown> | null;
  /** The end of the five years whose modelled flows are shown; 0: as published. */
  flows_year: number;
  live_url: string;
  flows_url: string;
  texts: Record<string, string>;
  share: Record<string, string>;
  keep_address: boolean;
  /** What stands in the strip: time, alerts, flows, draw, sun, table, share, tour. */
  tools: string[];
  /** The shape that is being drawn; empty: none. */
  drawing: string;
  drawn: Drawn | Record<string, never>;
  selected: FeatureRef | Record<string, never>;
  /** Each click on nothing is another one. */
  clicked: Picked | { nothing: number } | Record<string, never>;
  hovered: Picked | Record<string, never>;
  viewport: Viewport | Record<string, never>;
  /** The mode a key asked for, by its place in the switch; `at` makes each press new. */
  mode_wanted: { place?: number; name?: string; at: number } | Record<string, never>;
  /** The last change that the map heard of. */
  heard: Heard | Record<string, never>;
  on(name: string, callback: () => void): void;
}

export function isRef(value: FeatureRef | Record<string, never>): value is FeatureRef {
  return typeof (value as FeatureRef).layer === "string";
}

/** Whether both are the same feature, or both none. */
export function isSame(one: FeatureRef | Record<string, never>, other: FeatureRef | null): boolean {
  return other ? isRef(one) && one.layer === other.layer && one.fid === other.fid : !isRef(one);
}
