// Sensors as points: they glide between positions, a ring opens when a value arrives, and they grey when they fall silent.
import { ScatterplotLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import type { Sensor } from "./live";
import { STALE_MS } from "./stale";

export type Ground = (lon: number, lat: number) => number;
export type Rgb = [number, number, number];

/** Where sensors come from: the stream, or a moment of the past. */
export interface SensorSource {
  readonly sensors: ReadonlyMap<string, Sensor>;
  /** Milliseconds (page clock) at which each last spoke. */
  readonly heard: ReadonlyMap<string, number>;
  /** Where each was before it last moved. */
  readonly before: ReadonlyMap<string, [lon: number, lat: number]>;
  /** The moment that is shown, milliseconds since 1970; none: now. */
  readonly now?: number;
}

const RING_MS = 900;
const GLIDE_MS = 950;
const GREY: Rgb = [138, 143, 152];
const ALERT: Rgb = [240, 62, 62];

/** Whether any sensor is between two places or within its ring: as long as that holds, each frame is a new one. */
export function isMoving(feed: SensorSource): boolean {
  const clock = performance.now();
  for (const heard of feed.heard.values()) if (clock - heard < GLIDE_MS) return true;
  return false;
}

function gliding(feed: SensorSource, sensor: Sensor, clock: number): [number, number] {
  const before = feed.before.get(sensor.id);
  const part = Math.min(1, (clock - (feed.heard.get(sensor.id) ?? 0)) / GLIDE_MS);
  if (!before || part >= 1) return [sensor.lon, sensor.lat];
  return [before[0] + (sensor.lon - before[0]) * part, before[1] + (sensor.lat - before[1]) * part];
}

export function sensorLayers(feed: SensorSource, ground: Ground, colour: Rgb, opacity: number, still: boolean): Layer[] {
  const sensors = [...feed.sensors.values()];
  const now = feed.now ?? Date.now();
  const clock = performance.now();
  const position = (sensor: Sensor): [number, number, number] => {
    const [lon, lat] = still ? [sensor.lon, sensor.lat] : gliding(feed, sensor, clock);
    return [lon, lat, ground(lon, lat) + 2];
  };
  const shade = (sensor: Sensor): Rgb => {
    if (now - Date.parse(sensor.time) > STALE_MS) return GREY;
    return sensor.quality && !["good", "ok", "valid"].includes(sensor.quality) ? ALERT : colour;
  };
  const fresh = still ? [] : sensors.filter((sensor) => clock - (feed.heard.get(sensor.id) ?? -Infinity) < RING_MS);
  const shared = { billboard: true, radiusUnits: "pixels" as const, getPosition: position, opacity };
  return [
    new ScatterplotLayer<Sensor>({
      ...shared,
      id: "sensor-rings",
      data: fresh,
      filled: false,
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: 1.5,
      getRadius: 11,
      getLineColor: (sensor) => [...shade(sensor), 120],
    }),
    new ScatterplotLayer<Sensor>({
      ...shared,
      id: "sensors",
      data: sensors,
      pickable: true,
      stroked: true,
      lineWidthUnits: "pixels",
      getLineWidth: 1.5,
      getRadius: 5,
      getFillColor: (sensor) => [...shade(sensor), 235],
      getLineColor: [255, 255, 255, 230],
    }),
  ];
}
