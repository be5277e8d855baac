// What comparing asks of the service, with the session's cookie.
import type { Place } from "./state";

export interface Branch {
  id: number;
  name: string;
  author: string;
  colour: string;
  state: string;
  added: number;
  modified: number;
  removed: number;
}

export interface Indicator {
  name: string;
  title: Record<string, string>;
  group: string;
  unit: string;
}

export interface Figure {
  value: number | null;
  low: number | null;
  high: number | null;
  suppressed: boolean;
  remark: string;
  origins: Record<string, unknown>;
}

export interface Cause {
  layer: string;
  id: string;
  change: "added" | "changed" | "removed" | "affected";
  difference: number;
  village: number | null;
  lon: number | null;
  lat: number | null;
  count: number;
}

export interface Difference {
  value: number | null;
  low: number | null;
  high: number | null;
  /** How many features cause it; `causes` holds the greatest. */
  features: number;
  causes: Cause[];
  villages: Record<string, number>;
}

export interface Line {
  name: string;
  title: Record<string, string>;
  unit: string;
  digits: number;
  origin: string;
  methods: Record<string, string>;
  sources: string[];
  figures: Figure[];
  differences: Difference[];
}

export interface Compared {
  place_name: string;
  sides: { scenario: number | null; name: string; colour: string }[];
  lines: Line[];
}

export interface Job {
  id: number;
  state: "waiting" | "running" | "done" | "failed" | "cancelled" | string;
  progress: number;
  note: string;
  error?: string;
  remedy?: string;
  files: string[];
}

export interface Question {
  ids: string;
  names: string[];
  place: Place;
}

/** What the service answered instead: a sentence and what to do. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly remedy: string,
  ) {
    super(detail);
  }
}

/** Asks, and gives the answer or throws a Problem. */
export async function ask(url: string, signal?: AbortSignal, body?: unknown, method = body === undefined ? "GET" : "POST"): Promise<Response> {
  const answer = await fetch(url, {
    method,
    signal,
    cache: "no-store",
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  if (answer.ok) return answer;
  const told = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string; remedy?: string };
  throw new Problem(answer.status, told.detail ?? told.title ?? String(answer.status), told.remedy ?? "");
}

export async function askJson<T>(url: string, signal?: AbortSignal, body?: unknown, method?: string): Promise<T> {
  return (await (await ask(url, signal, body, method)).json()) as T;
}

/** Whether the session may know of branches, and those that it may know of, newest first. */
export async function askBranches(signal: AbortSignal): Promise<{ signedIn: boolean; branches: Branch[] }> {
  const [who, listed] = await Promise.all([
    askJson<{ tenant: string | null }>("/whoami", signal),
    askJson<{ scenarios: Branch[] }>("/scenarios?limit=200", signal).catch((error: unknown) => {
      if (error instanceof Problem && [401, 403].includes(error.status)) return { scenarios: [] };
      throw error;
    }),
  ]);
  return { signedIn: who.tenant !== null, branches: listed.scenarios };
}

export async function askIndicators(signal: AbortSignal): Promise<Indicator[]> {
  return (await askJson<{ indicators: Indicator[] }>("/indicators", signal)).indicators;
}

export function compare(question: Question, signal: AbortSignal): Promise<Compared> {
  return askJson<Compared>("/scenarios/compare", signal, question);
}

/** The difference of one indicator as GeoJSON: by village, or by the features that caused it. `side` counts from 1. */
export function differenceMap(question: Question, by: "village" | "feature", side: number, signal: AbortSignal): Promise<GeoJSON.FeatureCollection> {
  const query = new URLSearchParams({ format: "geojson", by, side: String(side), indicator: question.names[0]! });
  return askJson<GeoJSON.FeatureCollection>(`/scenarios/compare?${query}`, signal, question);
}

/** The district over a place: its national code; null outside the country. */
export async function districtAt(lon: number, lat: number, signal: AbortSignal): Promise<string | null> {
  const box = [lon, lat, lon + 1e-6, lat + 1e-6].map((one) => one.toFixed(6)).join(",");
  const found = await askJson<GeoJSON.FeatureCollection>(`/layers/land.districts/items?bbox=${box}&limit=8`, signal);
  const here = found.features.find(({ geometry }) => holds(geometry, lon, lat)) ?? null;
  return here ? String(here.id ?? here.properties?.["id"]) : null;
}

function holds(geometry: GeoJSON.Geometry, lon: number, lat: number): boolean {
  if (geometry.type === "MultiPolygon") return geometry.coordinates.some((polygon) => within(polygon[0]!, lon, lat));
  return geometry.type === "Polygon" && within(geometry.coordinates[0]!, lon, lat);
}

function within(ring: GeoJSON.Position[], lon: number, lat: number): boolean {
  let inside = false;
  for (let at = 0, before = ring.length - 1; at < ring.length; before = at++) {
    const [x, y] = ring[at] as [number, number];
    const [px, py] = ring[before] as [number, number];
    if (y > lat !== py > lat && lon < ((px - x) * (lat - y)) / (py - y) + x) inside = !inside;
  }
  return inside;
}

export interface Unit {
  id: string;
  name: string;
  within: string[];
  layer: string;
  bounds: [number, number, number, number] | null;
}

/** Units of the administration by their name or code. */
export async function searchUnits(text: string, signal: AbortSignal): Promise<Unit[]> {
  const found = await askJson<{ hits: Unit[] }>(`/search?q=${encodeURIComponent(text)}`, signal);
  return found.hits.filter(({ layer, id }) => /^land\.(provinces|districts|sectors|cells|villages)$/.test(layer ?? "") && /^\d{1,8}$/.test(id ?? ""));
}
