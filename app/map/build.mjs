// Bundles the map and the layer list into dist/, with MapLibre's worker inside and the fonts beside.
// It is built aside and takes its place at the end: a service that runs meanwhile never misses a part, nor after a build that failed.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

const DIST = new URL("./dist/", import.meta.url);
const OUT = new URL(`./dist.next-${process.pid}/`, import.meta.url);
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
  loader: { ".css": "text" },
  plugins: [workerAsText],
};
await build({ ...shared, entryPoints: { "twin-map.bundle": "src/index.ts" }, outdir: OUT.pathname });
await build({ ...shared, entryPoints: { "twin-layers.bundle": "src/tree.ts", "twin-page.bundle": "src/page.ts", "twin-chart.bundle": "src/chart.ts", "twin-building.bundle": "src/building.ts", "twin-plan.bundle": "src/plan.ts" }, outdir: OUT.pathname });
// The page's own: in parts, so that what is needed later is fetched later; a name changes with its content.
const page = await build({
  ...shared,
  entryPoints: { begin: "src/begin.ts" },
  splitting: true,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  outdir: new URL("page/", OUT).pathname,
  metafile: true,
});

for (const name of ["twin-map", "twin-layers", "twin-page", "twin-chart", "twin-building"]) {
  const css = ["src/" + name + ".css"];
  if (name === "twin-page") css[0] = "src/twin-map.css";
  if (name === "twin-map" || name === "twin-page") css.unshift("node_modules/maplibre-gl/dist/maplibre-gl.css");
  const parts = await Promise.all(css.map((path) => readFile(new URL(path, import.meta.url), "utf8")));
  await writeFile(new URL(`${name}.bundle.css`, OUT), parts.join("\n"));
}
const early = await Promise.all(["early.css", "twin-map.css"].map((name) => readFile(new URL(`src/${name}`, import.meta.url), "utf8")));
const sheet = early.join("\n");
await writeFile(new URL(`page/page-${createHash("sha256").update(sheet).digest("hex").slice(0, 8)}.css`, OUT), sheet);
for (const subset of SUBSETS)
  for (const weight of WEIGHTS) {
    const file = `inter-${subset}-${weight}-normal.woff2`;
    await copyFile(new URL(`@fontsource/inter/files/${file}`, MODULES), new URL(`fonts/${file}`, OUT));
  }

for (const name of ["twin-map.bundle.js", "twin-layers.bundle.js", ...Object.keys(page.metafile.outputs).map((path) => path.replace(/^dist[^/]*\//, ""))]) {
  const bytes = await readFile(new URL(name, OUT));
  console.log(`${name}: ${(bytes.length / 1e6).toFixed(2)} MB, ${(gzipSync(bytes).length / 1e6).toFixed(2)} MB gzipped`);
}

const BEFORE = new URL(`./dist.before-${process.pid}/`, import.meta.url);
await rename(DIST, BEFORE).catch((failure) => {
  if (failure.code !== "ENOENT") throw failure;
});
await rename(OUT, DIST);
await rm(BEFORE, { recursive: true, force: true });
