// Bundles the map and the layer list into dist/, with MapLibre's worker inside and the fonts beside.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const OUT = new URL("./dist/", import.meta.url);
const MODULES = new URL("./node_modules/", import.meta.url);
const WEIGHTS = [400, 500, 600];
const SUBSETS = ["latin", "latin-ext"];

// Only our own import of the worker is text; the package's own use of the file stays as it is.
const workerAsText = {
  name: "worker-as-text",
  setup(plugins) {
    plugins.onResolve({ filter: /^maplibre-worker-source$/ }, () => ({
      path: new URL("maplibre-gl/dist/maplibre-gl-worker.mjs", MODULES).pathname,
      namespace: "worker-text",
    }));
    plugins.onLoad({ filter: /.*/, namespace: "worker-text" }, async ({ path }) => ({
      contents: await readFile(path, "utf8"),
      loader: "text",
    }));
  },
};

await rm(OUT, { recursive: true, force: true });
await mkdir(new URL("fonts/", OUT), { recursive: true });

const shared = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  absWorkingDir: new URL(".", import.meta.url).pathname,
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [workerAsText],
};
await build({ ...shared, entryPoints: { "twin-map.bundle": "src/index.ts" }, outdir: OUT.pathname });
await build({ ...shared, entryPoints: { "twin-layers.bundle": "src/tree.ts" }, outdir: OUT.pathname });

for (const name of ["twin-map", "twin-layers"]) {
  const css = ["src/" + name + ".css"];
  if (name === "twin-map") css.unshift("node_modules/maplibre-gl/dist/maplibre-gl.css");
  const parts = await Promise.all(css.map((path) => readFile(new URL(path, import.meta.url), "utf8")));
  await writeFile(new URL(`${name}.bundle.css`, OUT), parts.join("\n"));
}
for (const subset of SUBSETS)
  for (const weight of WEIGHTS) {
    const file = `inter-${subset}-${weight}-normal.woff2`;
    await copyFile(new URL(`@fontsource/inter/files/${file}`, MODULES), new URL(`fonts/${file}`, OUT));
  }

for (const name of ["twin-map.bundle.js", "twin-layers.bundle.js"]) {
  const bytes = await readFile(new URL(name, OUT));
  const { size } = await stat(new URL(name, OUT));
  console.log(`${name}: ${(size / 1e6).toFixed(2)} MB, ${(gzipSync(bytes).length / 1e6).toFixed(2)} MB gzipped`);
}
