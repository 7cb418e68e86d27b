// Bundles every file directly in src/ into dist/, with its content's hash in its name.
//
// dist/manifest.json says which name has become which: {"app.css": "app-7F3KQ2AB.css", …}. Beside each file that is
// worth it lies its compressed twin, NAME.gz.
import { readFile, rm, readdir, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "dist");
// What fits into one packet with its headers arrives no sooner for being smaller.
const smallestToCompress = 1024;

const files = (await readdir(source, { withFileTypes: true })).filter((entry) => entry.isFile());

await rm(target, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: files.map((file) => join(source, file.name)),
  outdir: target,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  metafile: true,
  charset: "utf8",
  // Licences stay with what they are about, as their authors ask.
  legalComments: "eof",
  // A script is an IIFE so that it can be loaded with `defer`, and leaves no names behind.
  format: "iife",
  target: ["chrome123", "firefox120", "safari17.5"],
  loader: { ".svg": "copy" },
  logLevel: "warning",
});

const manifest = {};
for (const [path, output] of Object.entries(metafile.outputs)) {
  const from = output.entryPoint ?? Object.keys(output.inputs)[0];
  const name = basename(from, extname(from)) + extname(path);
  manifest[name] = basename(path);
}
const sorted = Object.fromEntries(Object.entries(manifest).sort());
await writeFile(join(target, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);

for (const path of Object.keys(metafile.outputs)) {
  const content = await readFile(join(here, path));
  if (content.length < smallestToCompress) continue;
  await writeFile(join(here, `${path}.gz`), gzipSync(content, { level: constants.Z_BEST_COMPRESSION }));
}
