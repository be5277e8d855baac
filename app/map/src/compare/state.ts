// What is compared, as the page's address says it. Python has checked the words; what is not there is chosen here.
import type { Branch } from "./ask";

export type View = "swipe" | "side";

export interface Comparing {
  /** Sides parted by commas, the first is what the others are compared with: base,3,4. Empty: to be chosen. */
  ids: string;
  /** RW, a unit's national code, or corners of an area: lon,lat;lon,lat;… Empty: the district in view. */
  place: string;
  view: View;
  /** The indicator whose causes are shown; empty: none. */
  indicator: string;
  /** Groups of indicators, parted by commas. */
  groups: string;
}

export const BASE = "base";
export const MOST_SIDES = 6;
export const FIRST_GROUPS = "people,built";
const DIGITS = 5;

export type Ring = [lon: number, lat: number][];
export type Place = string | { type: "Polygon"; coordinates: number[][][] };

/** A place of the address as the service takes it. */
export function placeOf(said: string): Place {
  if (!said.includes(";")) return said;
  const ring = said.split(";").map((corner) => corner.split(",").map(Number));
  return { type: "Polygon", coordinates: [[...ring, ring[0]!]] };
}

/** A drawn area as the address says it. */
export function saidOf(ring: Ring): string {
  return ring.map(([lon, lat]) => `${Number(lon.toFixed(DIGITS))},${Number(lat.toFixed(DIGITS))}`).join(";");
}

/** What can be compared of what was said: only branches that are there, two of them at least, and groups that have figures; `gone` are the others. */
export function settled(said: Comparing, branches: Branch[], groups: string[]): { state: Comparing; gone: string[] } {
  const known = new Set([BASE, ...branches.map(({ id }) => String(id))]);
  const wanted = said.ids.split(",").filter(Boolean);
  const ids = wanted.filter((id) => known.has(id));
  const open = branches.filter(({ state }) => state !== "archived").map(({ id }) => String(id));
  for (const id of [BASE, ...open, ...known]) if (ids.length < 2 && !ids.includes(id)) ids.push(id);
  const asked = said.groups.split(",").filter((one) => groups.includes(one));
  return {
    state: { ...said, ids: ids.slice(0, MOST_SIDES).join(","), groups: asked.join(",") || FIRST_GROUPS },
    gone: wanted.filter((id) => !known.has(id)),
  };
}
