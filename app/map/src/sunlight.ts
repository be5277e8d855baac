// Where the sun stands, and what shadow a footprint throws. Low-precision formulas of the Astronomical Almanac (Michalsky 1988,
// Solar Energy 40, 227-235), good to 0.01 degrees from 1950 to 2050.
import type { Place } from "./model";

const RAD = Math.PI / 180;
const METRES_PER_DEGREE = 111_320;
/** Lower than this the shadows are longer than they are certain. */
export const LOWEST_DEG = 3;

export interface SunPlace {
  /** Degrees over the horizon, without refraction. */
  altitude: number;
  /** Degrees clockwise from north. */
  azimuth: number;
}

export function sunAt(moment: number, lon: number, lat: number): SunPlace {
  const days = moment / 86_400_000 - 10_957.5;
  const meanLongitude = wrap(280.46 + 0.9856474 * days);
  const anomaly = wrap(357.528 + 0.9856003 * days) * RAD;
  const longitude = (meanLongitude + 1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly)) * RAD;
  const tilt = (23.439 - 0.0000004 * days) * RAD;
  const ascension = Math.atan2(Math.cos(tilt) * Math.sin(longitude), Math.cos(longitude));
  const declination = Math.asin(Math.sin(tilt) * Math.sin(longitude));
  const hours = (((moment / 3_600_000) % 24) + 24) % 24;
  const sidereal = wrap((6.697375 + 0.0657098242 * days + hours) * 15 + lon);
  const angle = sidereal * RAD - ascension;
  const phi = lat * RAD;
  const up = Math.sin(phi) * Math.sin(declination) + Math.cos(phi) * Math.cos(declination) * Math.cos(angle);
  const east = -Math.cos(declination) * Math.sin(angle);
  const north = Math.cos(phi) * Math.sin(declination) - Math.sin(phi) * Math.cos(declination) * Math.cos(angle);
  return { altitude: Math.asin(Math.max(-1, Math.min(1, up))) / RAD, azimuth: wrap(Math.atan2(east, north) / RAD) };
}

/** The shadow of an upright prism on level ground: the hull of its footprint and of that moved away from the sun. */
export function shadowOf(ring: Place[], height_m: number, sun: SunPlace): Place[] {
  const length = height_m / Math.tan(Math.max(LOWEST_DEG, sun.altitude) * RAD);
  const lat = ring[0]?.[1] ?? 0;
  const dx = (-Math.sin(sun.azimuth * RAD) * length) / (METRES_PER_DEGREE * Math.cos(lat * RAD));
  const dy = (-Math.cos(sun.azimuth * RAD) * length) / METRES_PER_DEGREE;
  return hull([...ring, ...ring.map(([x, y]): Place => [x + dx, y + dy])]);
}

/** The convex hull, counter-clockwise and closed (Andrew's monotone chain). */
export function hull(points: Place[]): Place[] {
  const sorted = [...points].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const half = (from: Place[]): Place[] => {
    const kept: Place[] = [];
    for (const point of from) {
      while (kept.length > 1 && turn(kept.at(-2)!, kept.at(-1)!, point) <= 0) kept.pop();
      kept.push(point);
    }
    return kept.slice(0, -1);
  };
  const ring = [...half(sorted), ...half(sorted.reverse())];
  return ring.length ? [...ring, ring[0]!] : [];
}

function turn(a: Place, b: Place, c: Place): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

function wrap(degrees: number): number {
  return ((degrees % 360) + 360) % 360;
}
