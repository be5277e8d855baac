// Migration as arcs: the twelve largest flows of what is selected stand out, the rest is a quiet web.
import { ArcLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import type { Flow } from "./flows";
import type { Ground } from "./sensors";

const LOUD = 12;
const QUIET = 90;
const MORE = [138, 63, 252] as const;
const LESS = [16, 152, 173] as const;

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
