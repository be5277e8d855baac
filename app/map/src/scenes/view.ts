// What the map's camera sees: which regions are in view, how far they are, and how large a metre is there.
import { mercator, metre, separationAt, times, type Mat4, type Separations } from "./earth";
import type { Region } from "./subtree";

export interface View {
  /** Depth of the nearest corner of a region in the camera's pixels, or null where none of it is in view. */
  distance(region: Region): number | null;
  /** How many pixels so many metres are at a depth. */
  pixels(metres: number, distance: number): number;
}

/** What the map says of its camera. `matrix`: Mercator world to clip space. `latitude`: of the centre, radians. */
export interface Camera {
  matrix: Mat4;
  latitude: number;
  /** CSS pixels. */
  height: number;
  worldSize: number;
  /** Vertical field of view, radians. */
  fov: number;
}

export function viewOf(camera: Camera, separations: Separations | undefined): View {
  const up = metre(camera.latitude);
  const matrix = times(camera.matrix, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, up, 0, 0, 0, 0, 1]);
  const focal = camera.height / 2 / Math.tan(camera.fov / 2);
  const perMetre = up * camera.worldSize;
  return {
    distance(region) {
      const [west, south, east, north, low, high] = region;
      const geoid = separationAt(separations, (west + east) / 2, (south + north) / 2);
      // For each plane of the view, whether some corner lies inside of it.
      let inside = 0;
      let nearest = Infinity;
      for (let corner = 0; corner < 8; corner++) {
        const [x, y] = mercator(corner & 1 ? east : west, corner & 2 ? north : south);
        const z = (corner & 4 ? high : low) - geoid;
        const clip = [0, 1, 2, 3].map((row) => matrix[row]! * x + matrix[4 + row]! * y + matrix[8 + row]! * z + matrix[12 + row]!);
        const [cx, cy, cz, w] = clip as [number, number, number, number];
        if (cx > -w) inside |= 1;
        if (cx < w) inside |= 2;
        if (cy > -w) inside |= 4;
        if (cy < w) inside |= 8;
        if (cz > -w) inside |= 16;
        if (cz < w) inside |= 32;
        nearest = Math.min(nearest, w);
      }
      return inside === 63 ? Math.max(nearest, 1) : null;
    },
    pixels(metres, distance) {
      return (metres * perMetre * focal) / distance;
    },
  };
}
