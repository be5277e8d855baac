// From the tilesets' frame (ECEF metres, ellipsoidal heights) to the map's (Web Mercator, heights above the geoid).

export type Vec3 = [number, number, number];
/** Column-major, as glTF, 3D Tiles and WebGL have it. */
export type Mat4 = ArrayLike<number>;

const A = 6378137;
const E2 = 6.69437999014e-3;
const B = A * Math.sqrt(1 - E2);
const EP2 = (A * A - B * B) / (B * B);
const EQUATOR_M = 2 * Math.PI * A;

/** Longitude, latitude in radians and ellipsoidal height in metres of an ECEF place; Bowring, exact to a millimetre near the ground. */
export function geodetic(x: number, y: number, z: number): Vec3 {
  const p = Math.hypot(x, y);
  const theta = Math.atan2(z * A, p * B);
  const sin = Math.sin(theta);
  const cos = Math.cos(theta);
  const lat = Math.atan2(z + EP2 * B * sin * sin * sin, p - E2 * A * cos * cos * cos);
  const s = Math.sin(lat);
  const n = A / Math.sqrt(1 - E2 * s * s);
  return [Math.atan2(y, x), lat, p * Math.cos(lat) + (z + E2 * n * s) * s - n];
}

/** ECEF metres of longitude, latitude in radians and ellipsoidal height in metres. */
export function ecef(lon: number, lat: number, height: number): Vec3 {
  const s = Math.sin(lat);
  const n = A / Math.sqrt(1 - E2 * s * s);
  const across = (n + height) * Math.cos(lat);
  return [across * Math.cos(lon), across * Math.sin(lon), (n * (1 - E2) + height) * s];
}

/** Mercator coordinates, 0 to 1 from the north-west corner of the world, of radians. */
export function mercator(lon: number, lat: number): [x: number, y: number] {
  return [0.5 + lon / (2 * Math.PI), 0.5 - Math.log(Math.tan(Math.PI / 4 + lat / 2)) / (2 * Math.PI)];
}

/** How much of the Mercator world a metre is at a latitude in radians. */
export function metre(lat: number): number {
  return 1 / (EQUATOR_M * Math.cos(lat));
}

/** a times b. */
export function times(a: Mat4, b: Mat4): number[] {
  const out = new Array<number>(16).fill(0);
  for (let column = 0; column < 4; column++)
    for (let row = 0; row < 4; row++)
      for (let k = 0; k < 4; k++) out[column * 4 + row]! += a[k * 4 + row]! * b[column * 4 + k]!;
  return out;
}

export function moved(matrix: Mat4, [x, y, z]: Vec3): Vec3 {
  const m = matrix as number[];
  return [
    m[0]! * x + m[4]! * y + m[8]! * z + m[12]!,
    m[1]! * x + m[5]! * y + m[9]! * z + m[13]!,
    m[2]! * x + m[6]! * y + m[10]! * z + m[14]!,
  ];
}

export const IDENTITY: Mat4 = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
/** glTF has y up, 3D Tiles z. */
export const Z_UP: Mat4 = [1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1];

/** East, north and up at a place, as rows of ECEF directions. */
export function directions(lon: number, lat: number): [east: Vec3, north: Vec3, up: Vec3] {
  const [so, co, sa, ca] = [Math.sin(lon), Math.cos(lon), Math.sin(lat), Math.cos(lat)];
  return [
    [-so, co, 0],
    [-sa * co, -sa * so, ca],
    [ca * co, ca * so, sa],
  ];
}

/** What a tileset says of the geoid under it: a grid of separations in metres, rows from the south. */
export interface Separations {
  west: number;
  south: number;
  step: number;
  metres: number[][];
}

/** The height of the geoid over the ellipsoid at radians, between the four nearest of the grid; 0 where nothing is said. */
export function separationAt(grid: Separations | undefined, lon: number, lat: number): number {
  if (!grid?.metres.length) return 0;
  const degrees = 180 / Math.PI;
  const within = (value: number, count: number): [number, number] => {
    const low = Math.min(Math.max(Math.floor(value), 0), Math.max(count - 2, 0));
    return [low, Math.min(Math.max(value - low, 0), 1)];
  };
  const [i, u] = within((lon * degrees - grid.west) / grid.step, grid.metres[0]!.length);
  const [j, v] = within((lat * degrees - grid.south) / grid.step, grid.metres.length);
  const at = (row: number, column: number): number => grid.metres[row]?.[column] ?? grid.metres[j]![i]!;
  return (at(j, i) * (1 - u) + at(j, i + 1) * u) * (1 - v) + (at(j + 1, i) * (1 - u) + at(j + 1, i + 1) * u) * v;
}
