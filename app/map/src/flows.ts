// Migration flows: as a layer publishes them, or as the model has them for a year and a branch.
import { at } from "./home";
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

/** What is asked: the layer as it is published, or what the model says of a year and a branch. */
export interface FlowAsk {
  url: string;
  /** 0: as published. */
  year: number;
  /** 0: the base. */
  branch: number;
}

export interface FlowAnswer {
  flows: Flow[];
  modelled: boolean;
  /** How many flows of few people are withheld. */
  withheld: number;
}

/** What a branch changes in these moves people. */
export const MOVES = new Set(["land.shocks", "infrastructure.buildings"]);
const NOTHING: FlowAnswer = { flows: [], modelled: false, withheld: 0 };

async function fetchFlows({ url, year, branch }: FlowAsk, signal: AbortSignal): Promise<FlowAnswer> {
  const modelled = year > 0 || branch > 0;
  const words = new URLSearchParams({ ...(year && { year: String(year) }), ...(branch && { scenario: String(branch) }) });
  const asked = modelled ? `${at("/migration/flows")}?${words}` : url;
  const answer = await fetch(asked, { signal, headers: { accept: modelled ? "application/json" : "application/geo+json" } });
  if (!answer.ok) throw new Error(`${asked}: ${answer.status}`);
  const found = modelled ? flowsOfModel((await answer.json()) as Modelled) : { ...NOTHING, flows: flowsOfLayer((await answer.json()) as { features?: Item[] }) };
  found.flows.sort((one, other) => other.people - one.people);
  return found;
}

interface Modelled {
  period: [number, number];
  places: { id: string; name: string }[];
  centres: Record<string, Place>;
  flows: { from: string; to: string; people: number | null; low: number | null; high: number | null; suppressed: boolean }[];
}

/** Flows between districts as the model has them, with their intervals; they are no features and have no number. */
export function flowsOfModel({ period, places, centres, flows }: Modelled): FlowAnswer {
  const names = new Map(places.map(({ id, name }) => [id, name]));
  const found = flows.flatMap(({ from, to, people, low, high }): Flow[] => {
    const [begin, end] = [centres[from], centres[to]];
    if (!begin || !end || !(people! > 0)) return [];
    const interval = low === null || high === null ? null : `${Math.round(low)} – ${Math.round(high)}`;
    const properties = { from_district: names.get(from) ?? from, to_district: names.get(to) ?? to, people, interval, period: period.join(" – "), origin: "modelled" };
    return [{ id: `${from}-${to}`, fid: 0, from: begin, to: end, people: people!, properties }];
  });
  return { flows: found, modelled: true, withheld: flows.filter(({ suppressed }) => suppressed).length };
}

/** The flows of a GeoJSON FeatureCollection of two-point lines; flows within one place are left out. */
function flowsOfLayer({ features = [] }: { features?: Item[] }): Flow[] {
  const flows: Flow[] = [];
  for (const item of features) {
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
  return flows;
}

export type FlowState = "" | "busy" | "failed";

/** The flows that are shown: asked for once, and again when they changed or another year or branch is meant. */
export class FlowFeed {
  answer: FlowAnswer = NOTHING;
  state: FlowState = "";
  #asked = "";
  #asking = new AbortController();

  constructor(
    private readonly changed: () => void,
    private readonly signal: AbortSignal,
  ) {}

  get flows(): Flow[] {
    return this.answer.flows;
  }

  forget(): void {
    this.#asked = "";
  }

  async load(ask: FlowAsk): Promise<void> {
    const key = JSON.stringify(ask);
    if (!ask.url || this.#asked === key) return;
    this.#asked = key;
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#be("busy");
    try {
      this.answer = await fetchFlows(ask, AbortSignal.any([signal, this.signal]));
      this.#be("");
    } catch (error) {
      if (signal.aborted || this.signal.aborted) return;
      this.#asked = "";
      this.#be("failed");
      console.warn("migration flows did not come", error);
    }
  }

  #be(state: FlowState): void {
    this.state = state;
    this.changed();
  }
}
