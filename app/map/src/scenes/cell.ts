// One cell of a scene on the graphics card.
import type { CellContent, Mesh } from "./glb";
import { coloursOf, WIDE, type Look, type Rgb } from "./colours";
import { PLACES, type Program } from "./program";
import type { Region } from "./subtree";

interface Part {
  mesh: Mesh;
  vertices: WebGLVertexArrayObject;
  buffers: WebGLBuffer[];
}

export interface Looks {
  look: Look | undefined;
  theme: string;
  lit: Map<number, Rgb>;
}

export class Cell {
  /** Told apart when picked. */
  readonly number: number;
  /** When it was last wanted, by the scene's own count of frames. */
  used = 0;
  #parts: Part[] = [];
  #colours: WebGLTexture | null = null;
  #coloured: Looks | null = null;
  static #count = 0;

  constructor(
    readonly content: CellContent,
    readonly bounds: Region,
    /** The ETag it was served with. */
    readonly tag: string,
  ) {
    this.number = ++Cell.#count;
  }

  /** Bytes on the graphics card, about. */
  get size(): number {
    return this.content.meshes.reduce((sum, mesh) => sum + mesh.positions.length * 7 + mesh.indices.byteLength, 0);
  }

  get rows(): number {
    const most = (of: Uint32Array): number => of.reduce((high, one) => Math.max(high, one + 1), 0);
    return this.content.table?.count ?? Math.max(0, ...this.content.meshes.map((mesh) => most(mesh.instances?.features ?? mesh.features)));
  }

  /** Brings colours up to date; only within the map's own frame. */
  colour(gl: WebGL2RenderingContext, wanted: Looks): void {
    const had = this.#coloured;
    if (had && had.look === wanted.look && had.theme === wanted.theme && had.lit === wanted.lit) return;
    this.#coloured = wanted;
    const pixels = coloursOf(this.content.table, this.rows, wanted.look, wanted.theme, wanted.lit);
    this.#colours ??= gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#colours);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, WIDE, pixels.length / 4 / WIDE, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /** Draws with a program in use, whose `matrix` leads from this cell's metres to clip space. */
  draw(gl: WebGL2RenderingContext, program: Program, matrix: Float32Array): void {
    gl.uniformMatrix4fv(program.at("matrix"), false, matrix);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#colours);
    if (!this.#parts.length) this.#parts = this.content.meshes.map((mesh) => upload(gl, mesh));
    for (const { mesh, vertices } of this.#parts) {
      gl.bindVertexArray(vertices);
      gl.uniform1i(program.at("many"), mesh.instances ? 1 : 0);
      const [red, green, blue, alpha] = mesh.colour;
      gl.uniform4f(program.at("own"), srgb(red), srgb(green), srgb(blue), alpha);
      if (mesh.twoSided || mesh.instances) gl.disable(gl.CULL_FACE);
      else gl.enable(gl.CULL_FACE);
      const type = mesh.indices instanceof Uint16Array ? gl.UNSIGNED_SHORT : gl.UNSIGNED_INT;
      if (mesh.instances)
        gl.drawElementsInstanced(gl.TRIANGLES, mesh.indices.length, type, 0, mesh.instances.features.length);
      else {
        [0, 1, 2, 3].forEach((row) =>
          gl.vertexAttrib4f(PLACES.placed + row, ...([0, 1, 2, 3].map((at) => (at === row ? 1 : 0)) as [number, number, number, number])),
        );
        gl.vertexAttribI4ui(PLACES.instance, 0, 0, 0, 0);
        gl.drawElements(gl.TRIANGLES, mesh.indices.length, type, 0);
      }
    }
  }

  /** Frees what lies on the card. */
  end(gl: WebGL2RenderingContext): void {
    for (const { vertices, buffers } of this.#parts) {
      gl.deleteVertexArray(vertices);
      buffers.forEach((buffer) => gl.deleteBuffer(buffer));
    }
    gl.deleteTexture(this.#colours);
    this.forget();
  }

  /** The card's context is gone, and all on it. */
  forget(): void {
    this.#parts = [];
    this.#colours = null;
    this.#coloured = null;
  }
}

function upload(gl: WebGL2RenderingContext, mesh: Mesh): Part {
  const vertices = gl.createVertexArray();
  const buffers: WebGLBuffer[] = [];
  const put = (target: number, data: ArrayBufferView<ArrayBuffer>): void => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(target, buffer);
    gl.bufferData(target, data, gl.STATIC_DRAW);
    buffers.push(buffer);
  };
  gl.bindVertexArray(vertices);
  put(gl.ARRAY_BUFFER, mesh.positions as Float32Array<ArrayBuffer>);
  gl.enableVertexAttribArray(PLACES.position);
  gl.vertexAttribPointer(PLACES.position, 3, gl.FLOAT, false, 0, 0);
  put(gl.ARRAY_BUFFER, mesh.normals as Int8Array<ArrayBuffer>);
  gl.enableVertexAttribArray(PLACES.normal);
  gl.vertexAttribPointer(PLACES.normal, 3, gl.BYTE, true, 4, 0);
  put(gl.ARRAY_BUFFER, mesh.features as Uint32Array<ArrayBuffer>);
  gl.enableVertexAttribArray(PLACES.feature);
  gl.vertexAttribIPointer(PLACES.feature, 1, gl.UNSIGNED_INT, 0, 0);
  if (mesh.instances) {
    put(gl.ARRAY_BUFFER, mesh.instances.matrices as Float32Array<ArrayBuffer>);
    for (let row = 0; row < 4; row++) {
      gl.enableVertexAttribArray(PLACES.placed + row);
      gl.vertexAttribPointer(PLACES.placed + row, 4, gl.FLOAT, false, 64, row * 16);
      gl.vertexAttribDivisor(PLACES.placed + row, 1);
    }
    put(gl.ARRAY_BUFFER, mesh.instances.features as Uint32Array<ArrayBuffer>);
    gl.enableVertexAttribArray(PLACES.instance);
    gl.vertexAttribIPointer(PLACES.instance, 1, gl.UNSIGNED_INT, 0, 0);
    gl.vertexAttribDivisor(PLACES.instance, 1);
  }
  put(gl.ELEMENT_ARRAY_BUFFER, mesh.indices as Uint32Array<ArrayBuffer>);
  gl.bindVertexArray(null);
  return { mesh, vertices, buffers };
}

/** A linear part of a colour, as glTF has it, in sRGB. */
function srgb(linear: number): number {
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
}
