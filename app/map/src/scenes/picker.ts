// Which feature of the scenes stands at a pixel: they are drawn once more, into a single pixel that holds numbers, not colours.
import type { Cell } from "./cell";
import { Program } from "./program";

export interface Hit {
  cell: number;
  row: number;
  /** Depth before the camera, in its own pixels. */
  depth: number;
}

export class Picker {
  #program: Program | null = null;
  #target: { frame: WebGLFramebuffer; numbers: WebGLRenderbuffer; depth: WebGLRenderbuffer } | null = null;

  constructor(private readonly gl: WebGL2RenderingContext) {}

  /** The nearest feature at a pixel of the drawing buffer (from the lower left). Leaves the map's context as it was. */
  pick(x: number, y: number, cells: [Cell, Float32Array][]): Hit | null {
    const { gl } = this;
    if (gl.isContextLost()) return null;
    const restore = keep(gl);
    try {
      this.#program ??= Program.pick(gl);
      this.#target ??= targetOf(gl);
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target.frame);
      gl.viewport(-x, -y, gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.disable(gl.BLEND);
      gl.disable(gl.STENCIL_TEST);
      gl.disable(gl.SCISSOR_TEST);
      gl.enable(gl.DEPTH_TEST);
      gl.depthFunc(gl.LEQUAL);
      gl.depthMask(true);
      gl.depthRange(0, 1);
      gl.colorMask(true, true, true, true);
      gl.frontFace(gl.CCW);
      gl.cullFace(gl.BACK);
      gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
      gl.clearBufferfi(gl.DEPTH_STENCIL, 0, 1, 0);
      this.#program.use();
      for (const [cell, matrix] of cells) {
        gl.uniform1ui(this.#program.at("cell"), cell.number);
        cell.draw(gl, this.#program, matrix);
      }
      const found = new Uint32Array(4);
      gl.readPixels(0, 0, 1, 1, gl.RGBA_INTEGER, gl.UNSIGNED_INT, found);
      return found[3] ? { cell: found[0]!, row: found[1]!, depth: new Float32Array(found.buffer)[2]! } : null;
    } finally {
      restore();
    }
  }

  end(): void {
    this.#program?.end();
    if (!this.#target) return;
    this.gl.deleteFramebuffer(this.#target.frame);
    this.gl.deleteRenderbuffer(this.#target.numbers);
    this.gl.deleteRenderbuffer(this.#target.depth);
  }
}

function targetOf(gl: WebGL2RenderingContext): { frame: WebGLFramebuffer; numbers: WebGLRenderbuffer; depth: WebGLRenderbuffer } {
  const numbers = gl.createRenderbuffer();
  gl.bindRenderbuffer(gl.RENDERBUFFER, numbers);
  gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA32UI, 1, 1);
  const depth = gl.createRenderbuffer();
  gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
  gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH24_STENCIL8, 1, 1);
  const frame = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, numbers);
  gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_STENCIL_ATTACHMENT, gl.RENDERBUFFER, depth);
  return { frame, numbers, depth };
}

/** Remembers what of the context's state a pick changes. The map keeps count of that state, and would not notice. */
function keep(gl: WebGL2RenderingContext): () => void {
  const switches = [gl.BLEND, gl.STENCIL_TEST, gl.SCISSOR_TEST, gl.DEPTH_TEST, gl.CULL_FACE];
  const on = switches.map((one) => gl.isEnabled(one));
  const get = <T>(name: number): T => gl.getParameter(name) as T;
  const program = get<WebGLProgram | null>(gl.CURRENT_PROGRAM);
  const vertices = get<WebGLVertexArrayObject | null>(gl.VERTEX_ARRAY_BINDING);
  const [drawn, read] = [get<WebGLFramebuffer | null>(gl.DRAW_FRAMEBUFFER_BINDING), get<WebGLFramebuffer | null>(gl.READ_FRAMEBUFFER_BINDING)];
  const buffer = get<WebGLRenderbuffer | null>(gl.RENDERBUFFER_BINDING);
  const array = get<WebGLBuffer | null>(gl.ARRAY_BUFFER_BINDING);
  const viewport = get<Int32Array>(gl.VIEWPORT);
  const [depthFunc, depthMask, depthRange] = [get<number>(gl.DEPTH_FUNC), get<boolean>(gl.DEPTH_WRITEMASK), get<Float32Array>(gl.DEPTH_RANGE)];
  const [colours, front, cull] = [get<boolean[]>(gl.COLOR_WRITEMASK), get<number>(gl.FRONT_FACE), get<number>(gl.CULL_FACE_MODE)];
  const unit = get<number>(gl.ACTIVE_TEXTURE);
  gl.activeTexture(gl.TEXTURE0);
  const texture = get<WebGLTexture | null>(gl.TEXTURE_BINDING_2D);
  return () => {
    switches.forEach((one, at) => (on[at] ? gl.enable(one) : gl.disable(one)));
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.activeTexture(unit);
    gl.useProgram(program);
    gl.bindVertexArray(vertices);
    gl.bindBuffer(gl.ARRAY_BUFFER, array);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, drawn);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, read);
    gl.bindRenderbuffer(gl.RENDERBUFFER, buffer);
    gl.viewport(viewport[0]!, viewport[1]!, viewport[2]!, viewport[3]!);
    gl.depthFunc(depthFunc);
    gl.depthMask(depthMask);
    gl.depthRange(depthRange[0]!, depthRange[1]!);
    gl.colorMask(colours[0]!, colours[1]!, colours[2]!, colours[3]!);
    gl.frontFace(front);
    gl.cullFace(cull);
  };
}
