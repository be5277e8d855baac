// The colour of each feature of a cell: the layer's own, or that of one property which the viewer chose.
import type { Table } from "./table";

export type Rgb = [number, number, number];

/** How a layer is coloured: steps along a number, or a colour for each word. */
export interface Shade {
  field: string;
  /** The same property's name in the vector tiles. */
  tile?: string;
  steps?: [value: number, colour: string][];
  words?: Record<string, string>;
}

/** The looks of a scene: as it is without a theme, and under each theme. `other` is for features that say nothing. */
export interface Look {
  plain?: Shade;
  other: string;
  themes: Record<string, Shade>;
}

export const WIDE = 256;

/** RGBA of each feature, in rows of 256, `lit` ones in their own colours. Alpha 0: as its mesh is. */
export function coloursOf(
  table: Table | null,
  count: number,
  look: Look | undefined,
  theme: string,
  lit: Map<number, Rgb>,
): Uint8Array {
  const out = new Uint8Array(Math.max(1, Math.ceil(count / WIDE)) * WIDE * 4);
  const shade = look && (look.themes[theme] ?? look.plain);
  const silent = look ? rgb(look.other) : null;
  const known = new Map<string, Rgb>();
  const steps = shade?.steps?.map(([value, colour]): [number, Rgb] => [value, rgb(colour)]);
  for (let row = 0; row < count; row++) {
    const value = shade && table ? table.value(shade.field, row) : null;
    let colour: Rgb | null = silent;
    if (steps && typeof value === "number") colour = between(steps, value);
    else if (shade?.words && value !== null) {
      const word = String(value);
      const said = shade.words[word];
      colour = known.get(word) ?? (said ? rgb(said) : silent);
      if (colour) known.set(word, colour);
    }
    const told = lit.get(row) ?? colour;
    if (told) out.set([...told, 255], row * 4);
  }
  return out;
}

function between(steps: [number, Rgb][], value: number): Rgb {
  const above = steps.findIndex(([at]) => value < at);
  if (above === 0) return steps[0]![1];
  if (above < 0) return steps.at(-1)![1];
  const [[low, from], [high, to]] = [steps[above - 1]!, steps[above]!];
  const part = (value - low) / (high - low);
  return [0, 1, 2].map((at) => Math.round(from[at]! + (to[at]! - from[at]!) * part)) as Rgb;
}

export function rgb(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
