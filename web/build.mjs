// Builds the pages into the Python package. What a file is called says what is in it, so that browsers may
// keep it for ever; `source` in the manifest says which source the files were built from.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "../src/tailrank/server/web");
const pages = ["try", "dashboard", "tasks"];

/** The hash of every file that the result depends on, each by its name, a zero byte and its bytes. */
function sourceHash() {
  const files = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(here, join(entry.parentPath, entry.name)));
  const hash = createHash("sha256");
  for (const file of [...files, "build.mjs", "package-lock.json", "tsconfig.json"].sort()) {
    hash.update(file).update("\0").update(readFileSync(join(here, file)));
  }
  return hash.digest("hex");
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: pages.map((page) => `src/${page}/main.tsx`),
  entryNames: "[dir]-[hash]",
  chunkNames: "shared-[hash]",
  outbase: "src",
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "eof",
  metafile: true,
});
const entries = Object.fromEntries(
  Object.entries(metafile.outputs)
    .filter(([, output]) => output.entryPoint)
    .map(([file, output]) => [
      output.entryPoint.split("/")[1],
      { script: join(here, file), style: join(here, output.cssBundle) },
    ]),
);
for (const page of pages) {
  const { script, style } = entries[page];
  const html = readFileSync(join(here, `src/${page}/page.html`), "utf8")
    .replace("{script}", `/web/${basename(script)}`)
    .replace("{style}", `/web/${basename(style)}`);
  writeFileSync(join(out, `${page}.html`), html);
}
writeFileSync(join(out, "build.json"), JSON.stringify({ source: sourceHash() }) + "\n");
