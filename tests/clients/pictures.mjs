// Pictures of the page of jobs and of a terminal: node pictures.mjs path/to/pdfco folder-of-captures folder-of-images
// (run by pictures.sh, which brings the driver and the jobs).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [binary, captures, images] = process.argv.slice(2);
const { CHROMIUM, PDFCO_HOME: HOME, PDFCO_BASE_URL, PDFCO_API_KEY, PATH } = process.env;

const server = spawn(binary, ["serve", "--http", "127.0.0.1:0"], {
  env: { HOME, PATH, PDFCO_BASE_URL, PDFCO_API_KEY }, stdio: ["ignore", "pipe", "pipe"],
});
const site = await new Promise((resolve, reject) => {
  for (const stream of [server.stdout, server.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      const found = line.match(/(http:\/\/127\.0\.0\.1:\d+)/);
      if (found) resolve(found[1]);
    });
  }
  server.on("exit", () => reject(new Error("the server ended")));
});
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
try {
  // Without scripts: what is pictured needs none.
  const context = await browser.newContext({ viewport: { width: 1160, height: 900 }, javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${site}/`);
  await page.screenshot({ path: path.join(images, "page.png") });
  const job = page.locator("tbody[data-state=success] .operation a").last();
  assert((await job.count()) > 0, "no job has a page");
  await job.click();
  await page.locator("#job-page").waitFor();
  await page.screenshot({ path: path.join(images, "job.png"), fullPage: true });
  await context.close();

  const terminal = await browser.newPage({ viewport: { width: 700, height: 480 } });
  await terminal.setContent(`<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; background: #16181d; } pre { margin: 0; padding: 14px 16px; color: #e6e6e6; font: 13.5px/1.35 "DejaVu Sans Mono", monospace; }
    .bold { font-weight: bold; } .red { color: #ff7b72; } .green { color: #7ee787; } .yellow { color: #e3b341; } .blue { color: #79c0ff; } .cyan { color: #76e3ea; } .dim { opacity: .7; }
    </style><pre>${markup(readFileSync(path.join(captures, "terminal.ansi"), "utf8").trimEnd())}</pre>`);
  await terminal.locator("pre").screenshot({ path: path.join(images, "terminal.png") });
} finally {
  await browser.close();
  server.kill("SIGTERM");
}

/** Text of a terminal with its colors as markup. */
function markup(text) {
  const names = { 1: "bold", 2: "dim", 31: "red", 32: "green", 33: "yellow", 34: "blue", 36: "cyan" };
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  let open = 0;
  const shown = escaped.replace(/\x1b\[([\d;]*)m/g, (_, codes) => {
    const close = "</span>".repeat(open);
    const classes = codes.split(";").map((code) => names[Number(code)]).filter(Boolean);
    open = classes.length > 0 ? 1 : 0;
    return close + (open ? `<span class="${classes.join(" ")}">` : "");
  });
  return shown + "</span>".repeat(open);
}
