// Runs a TypeScript program of the documentation: node scripts/docs_typescript.mjs FILE. The client is taken from its sources.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const web = fileURLToPath(new URL("../clients/web/", import.meta.url));
const { rolldown } = await import(pathToFileURL(path.join(web, "node_modules/rolldown/dist/index.mjs")).href);

const folder = await mkdtemp(path.join(tmpdir(), "deskwire-docs-"));
const file = path.join(folder, "program.mjs");
try {
  const bundle = await rolldown({
    input: path.resolve(process.argv[2]),
    platform: "node",
    resolve: {
      alias: { "@deskwire/web": path.join(web, "src/lib/index.ts") },
      modules: [path.join(web, "node_modules")],
    },
    logLevel: "silent",
  });
  await bundle.write({ file, format: "esm" });
  await import(pathToFileURL(file).href);
} finally {
  await rm(folder, { recursive: true });
}
