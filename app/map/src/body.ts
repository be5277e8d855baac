// A building's mesh as Wavefront OBJ, metres east, north and up, painted on a flat canvas from the farthest face to the nearest.
import type { Vec3 } from "./scenes/earth";

export interface Body {
  corners: Vec3[];
  faces: Face[];
  /** The numbers that the file's comments tell, by name: SI units. */
  facts: Record<string, number>;
  /** The middle, and how far the farthest corner is from it: metres. */
  middle: Vec3;
  reach: number;
}

interface Face {
  corners: [number, number, number];
  normal: Vec3;
  /** Which of its three sides are edges of the body, not seams between triangles of one plane. */
  edges: [boolean, boolean, boolean];
}

const TILT_DEG = 24;
/** Two faces are one plane where their normals agree so far. */
const SAME_PLANE = 0.999;
const SUN: Vec3 = [-0.5, -0.62, 0.6];
const RAD = Math.PI / 180;

export function readBody(text: string): Body | null {
  const corners: Vec3[] = [];
  const triangles: [number, number, number][] = [];
  const facts: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const said = /^#?\s*([a-z_0-9]+): (-?[0-9.e+-]+)$/.exec(line);
    if (said) facts[said[1]!] = Number(said[2]);
    const [kind, ...words] = line.trim().split(/\s+/);
    if (kind === "v") corners.push([Number(words[0]), Number(words[1]), Number(words[2])]);
    if (kind === "f") triangles.push(words.slice(0, 3).map((word) => Number.parseInt(word, 10) - 1) as [number, number, number]);
  }
  if (!triangles.length || triangles.some((one) => one.some((at) => !corners[at]))) return null;
  const middle = [0, 1, 2].map((axis) => {
    const values = corners.map((one) => one[axis]!);
    return (Math.min(...values) + Math.max(...values)) / 2;
  }) as unknown as Vec3;
  const reach = Math.max(...corners.map((one) => Math.hypot(one[0] - middle[0], one[1] - middle[1], one[2] - middle[2])));
  return { corners, faces: facesOf(corners, triangles), facts, middle, reach: reach || 1 };
}

function facesOf(corners: Vec3[], triangles: [number, number, number][]): Face[] {
  const normals = triangles.map(([a, b, c]) => normalOf(corners[a]!, corners[b]!, corners[c]!));
  const beside = new Map<string, number[]>();
  const side = (one: number, other: number): string => (one < other ? `${one} ${other}` : `${other} ${one}`);
  triangles.forEach((triangle, index) => {
    for (let at = 0; at < 3; at++) {
      const key = side(triangle[at]!, triangle[(at + 1) % 3]!);
      beside.set(key, [...(beside.get(key) ?? []), index]);
    }
  });
  return triangles.map((triangle, index) => ({
    corners: triangle,
    normal: normals[index]!,
    edges: [0, 1, 2].map((at) => {
      const others = beside.get(side(triangle[at]!, triangle[(at + 1) % 3]!))!.filter((one) => one !== index);
      return !others.length || others.some((one) => dot(normals[one]!, normals[index]!) < SAME_PLANE);
    }) as [boolean, boolean, boolean],
  }));
}

/** Paints the body as it is seen from a bearing, degrees, a little from above, without perspective. */
export function paintBody(canvas: HTMLCanvasElement, body: Body, bearing: number, dark: boolean): void {
  const [width, height] = [canvas.clientWidth || 272, canvas.clientHeight || 168];
  const ratio = Math.min(2, devicePixelRatio || 1);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d")!;
  pen.scale(ratio, ratio);
  pen.translate(width / 2, height / 2);
  pen.lineJoin = "round";
  const scale = (Math.min(width, height) / 2 - 10) / body.reach;
  const [turned, tilt] = [bearing * RAD, TILT_DEG * RAD];
  /** To the right, up, and towards the viewer: metres. */
  const seen = ([x, y, z]: Vec3): Vec3 => {
    const [east, north, up] = [x - body.middle[0], y - body.middle[1], z - body.middle[2]];
    const right = east * Math.cos(turned) - north * Math.sin(turned);
    const away = east * Math.sin(turned) + north * Math.cos(turned);
    return [right, up * Math.cos(tilt) + away * Math.sin(tilt), up * Math.sin(tilt) - away * Math.cos(tilt)];
  };
  ground(pen, seen, body, scale, dark);
  const places = body.corners.map(seen);
  const depth = (face: Face): number => face.corners.reduce((sum, at) => sum + places[at]![2], 0);
  for (const face of [...body.faces].sort((one, other) => depth(one) - depth(other))) {
    const [a, b, c] = face.corners.map((at) => places[at]!) as [Vec3, Vec3, Vec3];
    const spots = [a, b, c].map(([x, y]) => [x * scale, -y * scale] as const);
    pen.beginPath();
    spots.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fillStyle = pen.strokeStyle = shade(face.normal, dark);
    pen.lineWidth = 0.6;
    pen.fill();
    pen.stroke();
    pen.strokeStyle = dark ? "#0f1216" : "#5c564b";
    pen.lineWidth = 1;
    face.edges.forEach((isEdge, at) => {
      if (!isEdge) return;
      pen.beginPath();
      pen.moveTo(...spots[at]!);
      pen.lineTo(...spots[(at + 1) % 3]!);
      pen.stroke();
    });
  }
}

/** The ground as a disc, with a mark to the north. */
function ground(pen: CanvasRenderingContext2D, seen: (place: Vec3) => Vec3, body: Body, scale: number, dark: boolean): void {
  const low = Math.min(...body.corners.map((one) => one[2]));
  const across = Math.max(...body.corners.map((one) => Math.hypot(one[0] - body.middle[0], one[1] - body.middle[1]))) * 1.12;
  const at = (angle: number, far: number): [number, number] => {
    const [x, y] = seen([body.middle[0] + Math.sin(angle) * far, body.middle[1] + Math.cos(angle) * far, low]);
    return [x * scale, -y * scale];
  };
  pen.beginPath();
  for (let step = 0; step < 48; step++) pen.lineTo(...at((step / 24) * Math.PI, across));
  pen.closePath();
  pen.fillStyle = dark ? "#22272f" : "#eeeae1";
  pen.fill();
  pen.fillStyle = dark ? "#a3abb9" : "#5d6470";
  pen.font = "600 11px Inter, system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText("N", ...at(0, across * 0.93));
}

function shade(normal: Vec3, dark: boolean): string {
  const lit = 0.58 + 0.42 * Math.max(0, dot(normal, SUN) * 0.5 + 0.5);
  const [r, g, b] = normal[2] > 0.1 ? [201, 146, 110] : dark ? [178, 170, 158] : [226, 218, 204];
  return `rgb(${r * lit}, ${g * lit}, ${b * lit})`;
}

function normalOf(a: Vec3, b: Vec3, c: Vec3): Vec3 {
  const [u, v] = [sub(b, a), sub(c, a)];
  const cross: Vec3 = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const length = Math.hypot(...cross) || 1;
  return [cross[0] / length, cross[1] / length, cross[2] / length];
}

function sub(one: Vec3, other: Vec3): Vec3 {
  return [one[0] - other[0], one[1] - other[1], one[2] - other[2]];
}

function dot(one: Vec3, other: Vec3): number {
  return one[0] * other[0] + one[1] * other[1] + one[2] * other[2];
}
