// Reads a binary glTF as the twin's scenes and others write it: triangles, plain or quantised, packed by meshopt or not, single or
// in instances, with the number of a feature at each vertex or instance.
//
// Positions are moved into the map's frame at once, each by itself: metres east, north and above the geoid from the cell's origin.
import { MeshoptDecoder } from "meshoptimizer/decoder";
import {
  directions,
  geodetic,
  IDENTITY,
  mercator,
  metre,
  moved,
  separationAt,
  times,
  Z_UP,
  type Mat4,
  type Separations,
  type Vec3,
} from "./earth";
import { readTables, type Metadata, type Table } from "./table";

export interface Mesh {
  positions: Float32Array;
  /** Four bytes a vertex, the last unused. */
  normals: Int8Array;
  features: Uint32Array;
  indices: Uint32Array | Uint16Array;
  /** Column-major matrices and features of the instances, or null for a single mesh. */
  instances: { matrices: Float32Array; features: Uint32Array } | null;
  /** Red, green, blue, alpha from 0 to 1. */
  colour: [number, number, number, number];
  twoSided: boolean;
}

export interface CellContent {
  /** Mercator place of the cell's origin and the latitude there, radians. */
  origin: { x: number; y: number; latitude: number };
  meshes: Mesh[];
  table: Table | null;
}

interface Accessor {
  bufferView: number;
  byteOffset?: number;
  componentType: number;
  count: number;
  type: string;
  normalized?: boolean;
}

interface FeatureIds {
  featureIds?: { attribute?: number; propertyTable?: number }[];
}

interface GltfNode {
  mesh?: number;
  matrix?: number[];
  translation?: Vec3;
  rotation?: [number, number, number, number];
  scale?: Vec3;
  children?: number[];
  extensions?: { EXT_mesh_gpu_instancing?: { attributes: Record<string, number> }; EXT_instance_features?: FeatureIds };
}

interface Gltf {
  scene?: number;
  scenes?: { nodes?: number[] }[];
  nodes?: GltfNode[];
  meshes?: { primitives: Primitive[] }[];
  materials?: { doubleSided?: boolean; pbrMetallicRoughness?: { baseColorFactor?: [number, number, number, number] } }[];
  accessors?: Accessor[];
  bufferViews?: View[];
  extensions?: { EXT_structural_metadata?: Metadata };
}

interface Primitive {
  attributes: Record<string, number>;
  indices?: number;
  mode?: number;
  material?: number;
  extensions?: { EXT_mesh_features?: FeatureIds };
}

interface View {
  byteOffset?: number;
  byteLength: number;
  byteStride?: number;
  extensions?: {
    EXT_meshopt_compression?: {
      byteOffset?: number;
      byteLength: number;
      byteStride: number;
      count: number;
      mode: string;
      filter?: string;
    };
  };
}

type Numbers = Int8Array | Uint8Array | Int16Array | Uint16Array | Uint32Array | Float32Array;
const ARRAYS: Record<number, { new (buffer: ArrayBuffer): Numbers; BYTES_PER_ELEMENT: number; most: number }> = {
  5120: Object.assign(Int8Array, { most: 127 }),
  5121: Object.assign(Uint8Array, { most: 255 }),
  5122: Object.assign(Int16Array, { most: 32767 }),
  5123: Object.assign(Uint16Array, { most: 65535 }),
  5125: Object.assign(Uint32Array, { most: 4294967295 }),
  5126: Object.assign(Float32Array, { most: 1 }),
};
const WIDTHS: Record<string, number> = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 };
const TRIANGLES = 4;

/** `root`: from the tileset's z-up frame to ECEF. Throws on what is no binary glTF. */
export async function readGlb(data: ArrayBuffer, root: Mat4, geoid: Separations | undefined): Promise<CellContent> {
  await MeshoptDecoder.ready;
  const head = new DataView(data);
  if (data.byteLength < 20 || head.getUint32(0, true) !== 0x46546c67) throw new Error("not a binary glTF");
  const textLength = head.getUint32(12, true);
  const tree = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 20, textLength))) as Gltf;
  const binary = new Uint8Array(data, Math.min(28 + textLength, data.byteLength));
  const unpacked = new Map<number, Uint8Array>();
  const bytes = (index: number): Uint8Array => {
    const made = unpacked.get(index) ?? viewBytes(tree.bufferViews![index]!, binary);
    unpacked.set(index, made);
    return made;
  };
  const numbers = (index: number): Numbers => accessorOf(tree, index, bytes);
  const place = new Placing(times(root, Z_UP), geoid);
  const meshes: Mesh[] = [];
  const visit = (index: number, above: Mat4): void => {
    const node = tree.nodes![index]!;
    const matrix = times(above, matrixOf(node));
    for (const primitive of node.mesh === undefined ? [] : tree.meshes![node.mesh]!.primitives)
      if ((primitive.mode ?? TRIANGLES) === TRIANGLES) meshes.push(meshOf(tree, primitive, node, matrix, numbers, place));
    for (const child of node.children ?? []) visit(child, matrix);
  };
  for (const node of tree.scenes?.[tree.scene ?? 0]?.nodes ?? []) visit(node, IDENTITY);
  const [table] = readTables(tree.extensions?.EXT_structural_metadata, bytes);
  return { origin: place.origin ?? { x: 0, y: 0, latitude: 0 }, meshes, table: table ?? null };
}

function viewBytes(view: View, binary: Uint8Array): Uint8Array {
  const packed = view.extensions?.EXT_meshopt_compression;
  if (!packed) return binary.subarray(view.byteOffset ?? 0, (view.byteOffset ?? 0) + view.byteLength);
  const out = new Uint8Array(packed.count * packed.byteStride);
  const source = binary.subarray(packed.byteOffset ?? 0, (packed.byteOffset ?? 0) + packed.byteLength);
  MeshoptDecoder.decodeGltfBuffer(out, packed.count, packed.byteStride, source, packed.mode, packed.filter);
  return out;
}

/** The values of an accessor without the gaps between them; normalised ones from -1 or 0 to 1. */
function accessorOf(tree: Gltf, index: number, bytes: (view: number) => Uint8Array): Numbers {
  const said = tree.accessors![index]!;
  const type = ARRAYS[said.componentType]!;
  const size = WIDTHS[said.type]! * type.BYTES_PER_ELEMENT;
  const stride = tree.bufferViews![said.bufferView]!.byteStride ?? size;
  const raw = bytes(said.bufferView).subarray(said.byteOffset ?? 0);
  const packed = new Uint8Array(said.count * size);
  if (stride === size) packed.set(raw.subarray(0, packed.length));
  else for (let row = 0; row < said.count; row++) packed.set(raw.subarray(row * stride, row * stride + size), row * size);
  const values = new type(packed.buffer);
  return said.normalized ? Float32Array.from(values, (value) => Math.max(value / type.most, -1)) : values;
}

function matrixOf(node: GltfNode): Mat4 {
  if (node.matrix) return node.matrix;
  return composed(node.translation ?? [0, 0, 0], node.rotation ?? [0, 0, 0, 1], node.scale ?? [1, 1, 1]);
}

function composed(t: ArrayLike<number>, [x, y, z, w]: [number, number, number, number], s: ArrayLike<number>): number[] {
  const [sx, sy, sz] = [s[0]!, s[1]!, s[2]!];
  return [
    (1 - 2 * (y * y + z * z)) * sx, 2 * (x * y + z * w) * sx, 2 * (x * z - y * w) * sx, 0,
    2 * (x * y - z * w) * sy, (1 - 2 * (x * x + z * z)) * sy, 2 * (y * z + x * w) * sy, 0,
    2 * (x * z + y * w) * sz, 2 * (y * z - x * w) * sz, (1 - 2 * (x * x + y * y)) * sz, 0,
    t[0]!, t[1]!, t[2]!, 1,
  ]; // prettier-ignore
}

function meshOf(
  tree: Gltf,
  primitive: Primitive,
  node: GltfNode,
  matrix: Mat4,
  numbers: (accessor: number) => Numbers,
  place: Placing,
): Mesh {
  const { attributes } = primitive;
  const raw = numbers(attributes["POSITION"]!);
  const count = raw.length / 3;
  const spread = node.extensions?.EXT_mesh_gpu_instancing?.attributes;
  const vertices = spread ? { positions: Float32Array.from(raw), turn: IDENTITY } : place.vertices(raw, matrix);
  const normals = attributes["NORMAL"] === undefined ? null : numbers(attributes["NORMAL"]);
  const told = primitive.extensions?.EXT_mesh_features?.featureIds?.[0]?.attribute;
  const material = tree.materials?.[primitive.material ?? -1];
  return {
    positions: vertices.positions,
    normals: turned(normals, vertices.turn, count),
    features: told === undefined ? new Uint32Array(count) : Uint32Array.from(numbers(attributes[`_FEATURE_ID_${told}`]!)),
    indices: indicesOf(primitive, numbers, count),
    instances: spread ? instancesOf(spread, node, matrix, numbers, place) : null,
    colour: material?.pbrMetallicRoughness?.baseColorFactor ?? [1, 1, 1, 1],
    twoSided: material?.doubleSided ?? false,
  };
}

function indicesOf(primitive: Primitive, numbers: (accessor: number) => Numbers, count: number): Uint32Array | Uint16Array {
  if (primitive.indices === undefined) return Uint32Array.from({ length: count }, (_, index) => index);
  const read = numbers(primitive.indices);
  return read instanceof Uint32Array || read instanceof Uint16Array ? read : Uint16Array.from(read);
}

function turned(normals: Numbers | null, turn: Mat4, count: number): Int8Array {
  const out = new Int8Array(count * 4);
  for (let row = 0; row < count; row++) {
    const [x, y, z] = normals ? [normals[row * 3]!, normals[row * 3 + 1]!, normals[row * 3 + 2]!] : [0, 0, 1];
    const [a, b, c] = normals ? moved(turn, [x!, y!, z!]) : [0, 0, 1];
    const length = Math.hypot(a, b, c) || 1;
    out.set([(a / length) * 127, (b / length) * 127, (c / length) * 127], row * 4);
  }
  return out;
}

function instancesOf(
  spread: Record<string, number>,
  node: GltfNode,
  matrix: Mat4,
  numbers: (accessor: number) => Numbers,
  place: Placing,
): { matrices: Float32Array; features: Uint32Array } {
  const read = (name: string): Numbers | null => (spread[name] === undefined ? null : numbers(spread[name]));
  const [shift, turn, scale] = [read("TRANSLATION"), read("ROTATION"), read("SCALE")];
  const count = shift ? shift.length / 3 : turn ? turn.length / 4 : scale ? scale.length / 3 : 0;
  const told = node.extensions?.EXT_instance_features?.featureIds?.[0];
  const ids = told?.attribute === undefined ? null : read(`_FEATURE_ID_${told.attribute}`);
  const matrices = new Float32Array(count * 16);
  for (let row = 0; row < count; row++) {
    const own = composed(
      shift?.subarray(row * 3, row * 3 + 3) ?? [0, 0, 0],
      [...(turn?.subarray(row * 4, row * 4 + 4) ?? [0, 0, 0, 1])] as [number, number, number, number],
      scale?.subarray(row * 3, row * 3 + 3) ?? [1, 1, 1],
    );
    matrices.set(place.instance(times(matrix, own)), row * 16);
  }
  return { matrices, features: ids ? Uint32Array.from(ids) : Uint32Array.from({ length: count }, (_, index) => index) };
}

/** From a glb's y-up frame to the map's: what was first placed is the origin of all. */
class Placing {
  origin: { x: number; y: number; latitude: number } | null = null;
  /** ECEF directions to east, north and up at the origin, column by column. */
  #turn: Mat4 = IDENTITY;
  #metre = 1;

  constructor(
    private readonly root: Mat4,
    private readonly geoid: Separations | undefined,
  ) {}

  vertices(raw: Numbers, matrix: Mat4): { positions: Float32Array; turn: Mat4 } {
    const whole = times(this.root, matrix);
    const positions = new Float32Array(raw.length);
    for (let at = 0; at < raw.length; at += 3)
      positions.set(this.#put(moved(whole, [raw[at]!, raw[at + 1]!, raw[at + 2]!])), at);
    return { positions, turn: times(this.#turn, [...Array.from(whole).slice(0, 12), 0, 0, 0, 1]) };
  }

  instance(matrix: Mat4): number[] {
    const whole = times(this.root, matrix);
    const shift = this.#put([whole[12]!, whole[13]!, whole[14]!]);
    const turned = times(this.#turn, [...Array.from(whole).slice(0, 12), 0, 0, 0, 1]);
    return [...turned.slice(0, 12), ...shift, 1];
  }

  #put([x, y, z]: Vec3): Vec3 {
    const [lon, lat, height] = geodetic(x, y, z);
    const [mx, my] = mercator(lon, lat);
    if (!this.origin) {
      this.origin = { x: mx, y: my, latitude: lat };
      this.#metre = metre(lat);
      const [e, n, u] = directions(lon, lat);
      this.#turn = [e[0], n[0], u[0], 0, e[1], n[1], u[1], 0, e[2], n[2], u[2], 0, 0, 0, 0, 1];
    }
    return [(mx - this.origin.x) / this.#metre, (this.origin.y - my) / this.#metre, height - separationAt(this.geoid, lon, lat)];
  }
}
