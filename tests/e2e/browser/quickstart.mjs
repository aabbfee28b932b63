/** Runs the programs of the TypeScript client's page in docs/, type-checked, as a reader would. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const web = `${root}/clients/web`;
const ts = createRequire(`${web}/package.json`)("typescript");
const url = process.env.DESKWIRE_E2E_URL ?? "http://127.0.0.1:8001";
// Inside the package, so that its own name leads to what it exports.
const folder = `${web}/dist-lib/quickstart`;
const expected = [
  /\[1\] \S/, /connection: open\n(.*\n)*(cancelled|completed)\n/,
  /regenerated\n(.*\n)*accepted\n(.*\n)*How do I get a refund\? \(one of 2\)\n(.*\n)*.*\(one of 2\)\n$/,
  /was answered: .*\(true\)\n$/, /^there is no such article\n$/,
];

const tokenOf = async (role) => (await (await fetch(`${url}/demo-token?role=${role}`)).json()).token;
const [token, service] = [await tokenOf("user"), await tokenOf("admin")];
const text = await readFile(`${root}/docs/clients-typescript.md`, "utf8");
const programs = [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, program]) => program);
assert.equal(programs.length, expected.length);
execFileSync("npm", ["run", "--silent", "build:lib"], { cwd: web, stdio: ["ignore", "ignore", "inherit"] });
await mkdir(folder, { recursive: true });
try {
  for (const [index, program] of programs.entries()) {
    const file = `${folder}/program-${index}`;
    await writeFile(`${file}.mts`, `declare const process: any;\n${program}`);
    check(`${file}.mts`);
    await writeFile(`${file}.mjs`, ts.transpileModule(program, { compilerOptions: { target: "ES2022", module: "ESNext" } }).outputText);
    const env = { ...process.env, DESKWIRE_URL: url, DESKWIRE_TOKEN: token, DESKWIRE_SERVICE_TOKEN: service };
    const output = execFileSync("node", [`${file}.mjs`], { env, encoding: "utf8", timeout: 60_000 });
    assert.match(output, expected[index]);
    process.stdout.write(output);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

function check(file) {
  const program = ts.createProgram([file], {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.asynciterable.d.ts"],
  });
  const problems = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  assert.deepEqual(problems, [], file);
}
