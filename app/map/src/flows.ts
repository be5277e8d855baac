// Migration flows as they are served: GeoJSON lines between two places.
import type { Place } from "./model";

export interface Flow {
  id: string;
  fid: number;
  from: Place;
  to: Place;
  people: number;
  properties: Record<string, unknown>;
}

interface Item {
  id?: string | number;
  geometry?: { type: string; coordinates: number[][] | number[][][] };
  properties?: Record<string, unknown>;
}

/** The flows of a GeoJSON FeatureCollection of two-point lines, largest first; flows within one place are left out. */
async function fetchFlows(url: string, signal: AbortSignal): Promise<Flow[]> {
  const answer = await fetch(url, { signal, headers: { accept: "application/geo+json" } });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const items = ((await answer.json()) as { features?: Item[] }).features ?? [];
  const flows: Flow[] = [];
  for (const item of items) {
    const line = item.geometry?.type === "MultiLineString" ? item.geometry.coordinates[0] : item.geometry?.coordinates;
    const ends = line as number[][] | undefined;
    const first = ends?.[0];
    const last = ends?.at(-1);
    const people = Number(item.properties?.["people"]);
    if (!first || !last || !(people > 0) || (first[0] === last[0] && first[1] === last[1])) continue;
    flows.push({
      id: String(item.id ?? item.properties?.["id"] ?? ""),
      fid: Number(item.properties?.["fid"] ?? 0),
      from: [first[0]!, first[1]!],
      to: [last[0]!, last[1]!],
      people,
      properties: item.properties ?? {},
    });
  }
  return flows.sort((one, other) => other.people - one.people);
}

/** The flows that are shown: asked for once, and again when they changed. */
export class FlowFeed {
  flows: Flow[] = [];
  #asked = "";

  constructor(
    private readonly changed: () => void,
    private readonly signal: AbortSignal,
  ) {}

  forget(): void {
    this.#asked = "";
  }

  async load(url: string): Promise<void> {
    if (!url || this.#asked === url) return;
    this.#asked = url;
    try {
      this.flows = await fetchFlows(url, this.signal);
      this.changed();
    } catch (error) {
      this.#asked = "";
      if (!this.signal.aborted) console.warn("migration flows did not come", error);
    }
  }
}
