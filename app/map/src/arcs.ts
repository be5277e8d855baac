// Migration as arcs: the twelve largest flows of what is selected stand out, the rest is a quiet web.
import { ArcLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import type { Place } from "./model";
import type { Ground } from "./sensors";

export interface Flow {
  id: string;
  fid: number;
  from: Place;
  to: Place;
  people: number;
  properties: Record<string, unknown>;
}

const LOUD = 12;
const QUIET = 90;
const MORE = [138, 63, 252] as const;
const LESS = [16, 152, 173] as const;

interface Item {
  id?: string | number;
  geometry?: { type: string; coordinates: number[][] | number[][][] };
  properties?: Record<string, unknown>;
}

/** The flows of a GeoJSON FeatureCollection of two-point lines, largest first; flows within one place are left out. */
export async function fetchFlows(url: string, signal: AbortSignal): Promise<Flow[]> {
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

/** Arcs of the flows that touch the selected place, or of all where none is selected. */
export function flowLayers(flows: Flow[], selected: string | null, ground: Ground, opacity: number): Layer[] {
  const touching = selected ? flows.filter((flow) => Object.values(flow.properties).includes(selected)) : flows;
  const chosen = touching.length ? touching : flows;
  const loud = chosen.slice(0, LOUD);
  const quiet = chosen.slice(LOUD, LOUD + QUIET);
  const most = loud[0]?.people ?? 1;
  const ends = {
    getSourcePosition: (flow: Flow): [number, number, number] => [...flow.from, ground(...flow.from)],
    getTargetPosition: (flow: Flow): [number, number, number] => [...flow.to, ground(...flow.to)],
  };
  return [
    new ArcLayer<Flow>({
      id: "flows-quiet",
      data: quiet,
      ...ends,
      opacity: opacity * 0.22,
      getWidth: 0.8,
      getHeight: 0.35,
      getSourceColor: [...LESS],
      getTargetColor: [...MORE],
    }),
    new ArcLayer<Flow>({
      id: "flows",
      data: loud,
      ...ends,
      pickable: true,
      autoHighlight: true,
      highlightColor: [240, 62, 62, 200],
      opacity: opacity * 0.75,
      widthUnits: "pixels",
      getWidth: (flow) => 1.2 + 3.2 * Math.sqrt(flow.people / most),
      getHeight: 0.45,
      getSourceColor: [...LESS],
      getTargetColor: [...MORE],
    }),
  ];
}
