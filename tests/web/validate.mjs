// Validates the GLB files named on the command line; prints [{file, errors, warnings, messages}] as JSON.
import { readFile } from "node:fs/promises";
import { validateBytes } from "gltf-validator";

const reports = [];
for (const file of process.argv.slice(2)) {
  const report = await validateBytes(new Uint8Array(await readFile(file)), { uri: file, maxIssues: 50 });
  const { numErrors, numWarnings, messages } = report.issues;
  reports.push({ file, errors: numErrors, warnings: numWarnings, messages, triangles: report.info.totalTriangleCount });
}
console.log(JSON.stringify(reports));
