// All that deck.gl draws over the map: arcs, live points, and an analyst's own pydeck layers.
import { JSONConverter } from "@deck.gl/json";
import { MapLibreOverlay } from "@deck.gl/maplibre";
import type { Layer, PickingInfo } from "@deck.gl/core";
import * as aggregationLayers from "@deck.gl/aggregation-layers";
import * as geoLayers from "@deck.gl/geo-layers";
import * as flatLayers from "@deck.gl/layers";
import * as meshLayers from "@deck.gl/mesh-layers";
import type { Map as MapLibre } from "maplibre-gl";
import { flowLayers } from "./arcs";
import type { Flow } from "./flows";
import type { Alert, Sensor } from "./live";
import type { LayerState, Picked, Place } from "./model";
import { isMoving, sensorLayers, type Ground, type Rgb, type SensorSource } from "./sensors";
import type { LayerFacts } from "./style";

const FLOWS = "migration.flows";
const SENSORS = "iot.sensors";
/** Not a layer of the catalogue: what lies under the pointer is an alert. */
export const ALERTS = "iot.alerts";
const REACH = 5;
/** No worker of loaders.gl: their addresses lie outside. */
const LOAD_OPTIONS = { core: { worker: false } };

export interface Scene {
  states: Record<string, LayerState>;
  facts: Record<string, LayerFacts>;
  flows: Flow[];
  place: string | null;
  deck: Record<string, unknown> | null;
  sensors: SensorSource;
  /** What stands over all else: alerts, and what is being drawn. */
  over(ground: Ground): Layer[];
}

export class Overlay {
  readonly #overlay: MapLibreOverlay;
  readonly #converter = new JSONConverter({
    configuration: { classes: { ...flatLayers, ...aggregationLayers, ...geoLayers, ...meshLayers } },
  });
  /** Deck may be asked what lies under a pixel only once its device is there; until then it has drawn nothing. */
  #loaded = false;
  #spec: { from: Record<string, unknown> | null; layers: Layer[] } = { from: null, layers: [] };

  constructor(
    private readonly map: MapLibre,
    private readonly still: boolean,
  ) {
    this.#overlay = new MapLibreOverlay({ interleaved: false, layers: [], onLoad: () => (this.#loaded = true) });
    map.addControl(this.#overlay as never);
  }

  draw(scene: Scene): void {
    const ground = (lon: number, lat: number): number =>
      this.map.getTerrain() ? (this.map.queryTerrainElevation([lon, lat]) ?? 0) : 0;
    const layers: Layer[] = [];
    const flows = scene.states[FLOWS];
    if (flows?.visible && scene.flows.length) layers.push(...flowLayers(scene.flows, scene.place, ground, flows.opacity ?? 1));
    const sensors = scene.states[SENSORS];
    if (sensors?.visible) {
      const colour = rgb(scene.facts[SENSORS]?.colour ?? "#0ca678");
      layers.push(...sensorLayers(scene.sensors, ground, colour, sensors.opacity ?? 1, this.still));
    }
    layers.push(...this.#analyst(scene.deck), ...scene.over(ground));
    this.#overlay.setProps({ layers });
  }

  /** Whether the next frame will differ from this one. */
  isMoving(sensors: SensorSource): boolean {
    return !this.still && isMoving(sensors);
  }

  /** The feature that deck draws under a pixel, or null. */
  pick(x: number, y: number, place: Place): Picked | null {
    if (!this.#loaded) return null;
    const info = this.#overlay.pickObject({ x, y, radius: REACH }) as PickingInfo | null;
    if (!info?.object || !info.layer) return null;
    if (info.layer.id === "alerts") {
      const alert = info.object as Alert;
      return { layer: ALERTS, fid: alert.id, id: String(alert.id), properties: { name: alert.title, message: alert.message, since: alert.since }, place };
    }
    if (info.layer.id === "sensors") {
      const sensor = info.object as Sensor;
      return { layer: SENSORS, fid: sensor.fid, id: sensor.id, properties: said(sensor), place };
    }
    if (info.layer.id === "flows") {
      const flow = info.object as Flow;
      return { layer: FLOWS, fid: flow.fid, id: flow.id, properties: flow.properties, place };
    }
    const object = info.object as Record<string, unknown>;
    return { layer: info.layer.id, fid: info.index, id: String(object["id"] ?? info.index), properties: plain(object), place };
  }

  #analyst(spec: Record<string, unknown> | null): Layer[] {
    if (spec !== this.#spec.from) {
      const converted = spec ? (this.#converter.convert({ layers: spec["layers"] ?? [] }) as { layers?: Layer[] }) : {};
      const layers = (converted.layers ?? []).filter(Boolean);
      this.#spec = { from: spec, layers: layers.map((layer) => layer.clone({ loadOptions: LOAD_OPTIONS } as never)) };
    }
    return this.#spec.layers;
  }
}

/** What a station says now: one row for each phenomenon, then when and how well. */
function said(sensor: Sensor): Record<string, unknown> {
  const { readings, time, quality, origin, id } = sensor;
  return { id, ...readings, time, quality, origin };
}

function rgb(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function plain(object: Record<string, unknown>): Record<string, unknown> {
  const source = (object["properties"] as Record<string, unknown> | undefined) ?? object;
  return Object.fromEntries(Object.entries(source).filter(([, value]) => value === null || typeof value !== "object"));
}
