// The table of properties of a glb (EXT_structural_metadata): a row for each feature.

export type Value = string | number | boolean | null;

export interface Table {
  count: number;
  names: string[];
  value(name: string, row: number): Value;
  /** All properties of a row; what has no data is left out. */
  row(row: number): Record<string, Value>;
}

interface Property {
  type: string;
  componentType?: string;
  enumType?: string;
  noData?: unknown;
}

export interface Metadata {
  schema?: {
    classes?: Record<string, { properties?: Record<string, Property> }>;
    enums?: Record<string, { valueType?: string; values: { name: string; value: number }[] }>;
  };
  propertyTables?: {
    class: string;
    count: number;
    properties?: Record<string, { values: number; stringOffsets?: number; stringOffsetType?: string }>;
  }[];
}

const READERS = {
  INT8: [1, (view: DataView, at: number) => view.getInt8(at)],
  UINT8: [1, (view: DataView, at: number) => view.getUint8(at)],
  INT16: [2, (view: DataView, at: number) => view.getInt16(at, true)],
  UINT16: [2, (view: DataView, at: number) => view.getUint16(at, true)],
  INT32: [4, (view: DataView, at: number) => view.getInt32(at, true)],
  UINT32: [4, (view: DataView, at: number) => view.getUint32(at, true)],
  FLOAT32: [4, (view: DataView, at: number) => view.getFloat32(at, true)],
  FLOAT64: [8, (view: DataView, at: number) => view.getFloat64(at, true)],
} as const;

/** The tables of a glb. `bytes`: of a buffer view. Arrays, vectors and 64-bit integers are left out. */
export function readTables(metadata: Metadata | undefined, bytes: (view: number) => Uint8Array): Table[] {
  return (metadata?.propertyTables ?? []).map((table) => {
    const declared = metadata?.schema?.classes?.[table.class]?.properties ?? {};
    const readers = new Map<string, (row: number) => Value>();
    for (const [name, where] of Object.entries(table.properties ?? {})) {
      const property = declared[name];
      const reader = property && columnOf(property, where, metadata!, bytes);
      if (reader) readers.set(name, reader);
    }
    const value = (name: string, row: number): Value => readers.get(name)?.(row) ?? null;
    return {
      count: table.count,
      names: [...readers.keys()],
      value,
      row: (row) => {
        const said = [...readers.keys()].map((name): [string, Value] => [name, value(name, row)]);
        return Object.fromEntries(said.filter(([, one]) => one !== null));
      },
    };
  });
}

function columnOf(
  property: Property,
  where: { values: number; stringOffsets?: number; stringOffsetType?: string },
  metadata: Metadata,
  bytes: (view: number) => Uint8Array,
): ((row: number) => Value) | null {
  const data = bytes(where.values);
  if (property.type === "STRING") {
    const ends = numbers(where.stringOffsetType ?? "UINT32", bytes(where.stringOffsets!));
    const decoder = new TextDecoder();
    return ends && ((row) => known(decoder.decode(data.subarray(ends(row), ends(row + 1))), property.noData));
  }
  if (property.type === "BOOLEAN") return (row) => ((data[row >> 3]! >> (row & 7)) & 1) === 1;
  if (property.type === "ENUM") {
    const listed = metadata.schema?.enums?.[property.enumType ?? ""];
    const codes = numbers(listed?.valueType ?? "UINT16", data);
    const names = new Map(listed?.values.map((one) => [one.value, one.name]));
    return codes && ((row) => known(names.get(codes(row)) ?? null, property.noData));
  }
  const read = property.type === "SCALAR" ? numbers(property.componentType ?? "", data) : null;
  return read && ((row) => known(read(row), property.noData));
}

function numbers(type: string, data: Uint8Array): ((row: number) => number) | null {
  const reader = READERS[type as keyof typeof READERS];
  if (!reader) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [size, read] = reader;
  return (row) => read(view, row * size);
}

function known(value: string | number | null, noData: unknown): Value {
  return value === noData || (typeof value === "number" && !Number.isFinite(value)) ? null : value;
}
