// The two small programs that draw a scene: one in colour under the sun, one that writes which feature stands at a pixel.

/** Attribute places, the same in both programs. A matrix takes four. */
export const PLACES = { position: 0, normal: 1, feature: 2, placed: 3, instance: 7 } as const;

const SHARED = `#version 300 es
precision highp float;
precision highp int;
layout(location=0) in vec3 position;
layout(location=1) in vec3 normal;
layout(location=2) in uint feature;
layout(location=3) in mat4 placed;
layout(location=7) in uint instance;
uniform mat4 matrix;
uniform bool many;
`;

// Sun from one side, wrapped around, and a paler sky from above: no wall is black and no two walls of a corner are alike.
const COLOUR_VERTEX = `${SHARED}
uniform sampler2D colours;
uniform vec3 sun;
uniform vec3 light;
uniform float alpha;
uniform vec4 own;
out vec4 shade;
void main() {
  gl_Position = matrix * (placed * vec4(position, 1.0));
  int row = int(many ? instance : feature);
  vec4 told = texelFetch(colours, ivec2(row & 255, row >> 8), 0);
  vec3 colour = mix(own.rgb, told.rgb, told.a);
  vec3 up = normalize(mat3(placed) * normal);
  float lit = light.x + light.y * (0.5 + 0.5 * dot(up, sun)) + light.z * max(up.z, 0.0);
  // What is in shadow is a little warmer.
  vec3 warm = mix(vec3(1.0, 0.97, 0.91), vec3(1.0), smoothstep(0.68, 1.0, lit));
  float thick = alpha * own.a;
  shade = vec4(min(colour * lit * warm, vec3(1.0)) * thick, thick);
}`;

const COLOUR_FRAGMENT = `#version 300 es
precision mediump float;
in vec4 shade;
out vec4 pixel;
void main() { pixel = shade; }`;

const PICK_VERTEX = `${SHARED}
flat out uint row;
out float depth;
void main() {
  gl_Position = matrix * (placed * vec4(position, 1.0));
  row = many ? instance : feature;
  depth = gl_Position.w;
}`;

const PICK_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform uint cell;
flat in uint row;
in float depth;
layout(location=0) out uvec4 found;
void main() { found = uvec4(cell, row, floatBitsToUint(depth), 1u); }`;

export class Program {
  readonly #program: WebGLProgram;
  readonly #uniforms = new Map<string, WebGLUniformLocation | null>();

  private constructor(
    private readonly gl: WebGL2RenderingContext,
    vertex: string,
    fragment: string,
  ) {
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
      throw new Error(`a scene's program does not link: ${gl.getProgramInfoLog(program)}`);
    this.#program = program;
  }

  static colour(gl: WebGL2RenderingContext): Program {
    return new Program(gl, COLOUR_VERTEX, COLOUR_FRAGMENT);
  }

  static pick(gl: WebGL2RenderingContext): Program {
    return new Program(gl, PICK_VERTEX, PICK_FRAGMENT);
  }

  use(): void {
    this.gl.useProgram(this.#program);
  }

  at(name: string): WebGLUniformLocation | null {
    if (!this.#uniforms.has(name)) this.#uniforms.set(name, this.gl.getUniformLocation(this.#program, name));
    return this.#uniforms.get(name)!;
  }

  end(): void {
    this.gl.deleteProgram(this.#program);
  }
}
