// A subtree of an implicit tileset: which tiles, contents and further subtrees there are, and what each tile says of itself.

/** west, south, east, north in radians, lowest and highest in metres above the ellipsoid. */
export type Region = [number, number, number, number, number, number];

export interface Subtree {
  hasTile(index: number): boolean;
  hasContent(index: number): boolean;
  hasChild(index: number): boolean;
  /** Of the tile at an index: its bounds and geometric error, where the metadata says them. */
  boundsOf(index: number): Region | null;
  errorOf(index: number): number | null;
}

interface Availability {
  constant?: 0 | 1;
  bitstream?: number;
}

interface Tree {
  buffers?: { byteLength: number; uri?: string }[];
  bufferViews?: { byteOffset: number; byteLength: number }[];
  tileAvailability: Availability;
  contentAvailability?: Availability[];
  childSubtreeAvailability: Availability;
  propertyTables?: { class: string; count: number; properties: Record<string, { values: number }> }[];
  tileMetadata?: number;
}

export interface Schema {
  classes?: Record<string, { properties: Record<string, { semantic?: string; componentType?: string }> }>;
}

const MAGIC = 0x74627573;

/** Reads the binary form with an internal buffer, the only one a twin serves. Throws on anything else. */
export function readSubtree(data: ArrayBuffer, schema: Schema | undefined): Subtree {
  const head = new DataView(data);
  if (data.byteLength < 24 || head.getUint32(0, true) !== MAGIC) throw new Error("not a subtree");
  const textLength = Number(head.getBigUint64(8, true));
  const tree = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 24, textLength))) as Tree;
  const start = 24 + textLength;
  const view = (index: number): [offset: number, length: number] => {
    const { byteOffset, byteLength } = tree.bufferViews![index]!;
    return [start + byteOffset, byteLength];
  };
  const bits = (said: Availability | undefined): ((index: number) => boolean) => {
    if (!said) return () => false;
    if (said.bitstream === undefined) return () => said.constant === 1;
    const bytes = new Uint8Array(data, ...view(said.bitstream));
    return (index) => ((bytes[index >> 3]! >> (index & 7)) & 1) === 1;
  };
  const hasTile = bits(tree.tileAvailability);
  const table = tree.tileMetadata === undefined ? undefined : tree.propertyTables?.[tree.tileMetadata];
  const numbers = (semantic: string): ((row: number, at?: number, of?: number) => number) | null => {
    const properties = table && schema?.classes?.[table.class]?.properties;
    const name = Object.keys(properties ?? {}).find((one) => properties![one]!.semantic === semantic);
    if (!name || !table?.properties[name] || properties![name]!.componentType !== "FLOAT64") return null;
    const [offset] = view(table.properties[name].values);
    return (row, at = 0, of = 1) => head.getFloat64(offset + (row * of + at) * 8, true);
  };
  const bounds = numbers("TILE_BOUNDING_REGION");
  const error = numbers("TILE_GEOMETRIC_ERROR");
  // The table has a row for each available tile, in their order.
  const rows = new Map<number, number>();
  if (table) for (let index = 0; rows.size < table.count && index < 1 << 20; index++) if (hasTile(index)) rows.set(index, rows.size);
  return {
    hasTile,
    hasContent: bits(tree.contentAvailability?.[0]),
    hasChild: bits(tree.childSubtreeAvailability),
    boundsOf(index) {
      const row = rows.get(index);
      return bounds && row !== undefined ? ([0, 1, 2, 3, 4, 5].map((at) => bounds(row, at, 6)) as Region) : null;
    },
    errorOf(index) {
      const row = rows.get(index);
      return error && row !== undefined ? error(row) : null;
    },
  };
}

/** The bits of x at even places and of y at odd: the place of a tile among those of its level. */
export function morton(x: number, y: number): number {
  let out = 0;
  for (let bit = 0; bit < 15; bit++) out |= (((x >> bit) & 1) << (2 * bit)) | (((y >> bit) & 1) << (2 * bit + 1));
  return out;
}
