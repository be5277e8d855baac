// What is compared, as the page's address says it. Python has checked the words; what is not there is chosen here.

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
export const FIRST_GROUPS = "people,built";
/** A longer outline would make an address that no mail carries. */
const MOST_CORNERS_TOLD = 60;
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

/** Whether a place is short enough for an address. */
export function fitsAddress(said: string): boolean {
  return said.split(";").length <= MOST_CORNERS_TOLD;
}

/** The values that the page's address carries; all empty where nothing is compared. */
export function addressOf(state: Comparing | null): Record<string, string> {
  if (!state) return { compare: "", place: "", view: "", indicator: "", groups: "" };
  return {
    compare: state.ids,
    place: fitsAddress(state.place) ? state.place : "",
    view: state.view,
    indicator: state.indicator,
    groups: state.groups === FIRST_GROUPS ? "" : state.groups,
  };
}
