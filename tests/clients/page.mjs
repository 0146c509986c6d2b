// The page of jobs in a real browser: node page.mjs path/to/pdfco (run by page.sh, which brings the driver).
//
// A simulator, a server with a token and two jobs: the form asks, the table fills, a job's end appears by itself, it
// all works without scripts, nothing is fetched from elsewhere and nothing is logged to the console.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const [binary] = process.argv.slice(2);
const { CHROMIUM, PDFCO_ROOM: home, PDFCO_SHOTS: shots, PATH } = process.env;
const TOKEN = "a token for this run of the checks";
const PATIENCE = 20_000;
const common = { HOME: home, PATH, PDFCO_LEDGER: `${home}/ledger.sqlite`, PDFCO_FILES: home, PDFCO_DOWNLOAD_DIR: `${home}/out` };

const children = [];
let passed = 0;
const ok = (title) => {
  passed += 1;
  console.log(`ok - ${title}`);
};

/** Starts the binary and gives the first line of `stream` that `read` makes something of. */
async function start(args, env, stream, read) {
  const child = spawn(binary, args, { env: { ...common, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  child[stream === "stdout" ? "stderr" : "stdout"].resume();
  for await (const line of createInterface({ input: child[stream] })) {
    const found = read(line);
    if (found) {
      child[stream].resume();
      return found;
    }
  }
  throw new Error(`${args.join(" ")} ended before it was ready`);
}

/** Everything that must not happen in a browser while it looks at `site`. */
function watched(context, site) {
  const wrong = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(`${site}/`)) wrong.push(`fetched ${request.url()}`);
    if (request.url().includes("sim_") || request.url().includes("token")) wrong.push(`a secret in ${request.url()}`);
  });
  context.on("console", (message) => wrong.push(`console: ${message.text()}`));
  context.on("weberror", (error) => wrong.push(`error: ${error.error().message}`));
  return wrong;
}

async function enter(page, site, key) {
  await page.goto(`${site}/`);
  await page.getByLabel("Server’s token").fill(TOKEN);
  await page.getByLabel("PDF.co API key").fill(key);
  await page.getByRole("button", { name: "Show jobs" }).click();
}

/** Nothing is cut off, wide or narrow, light or dark; leaves pictures if a folder was named. */
async function fits(page, name) {
  const size = page.viewportSize();
  for (const [width, colorScheme] of [[1280, "light"], [1280, "dark"], [800, "light"], [360, "light"], [360, "dark"]]) {
    await page.setViewportSize({ width, height: width === 360 ? 740 : 800 });
    await page.emulateMedia({ colorScheme });
    if (shots) await page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    for (const part of ["html", "#list"]) {
      if ((await page.locator(part).count()) === 0) continue;
      const { needed, given } = await page.locator(part).evaluate((part) => ({ needed: part.scrollWidth, given: part.clientWidth }));
      assert.ok(needed <= given, `${name}: ${part} needs ${needed} px and has ${given} px at ${width} px`);
    }
  }
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: "light" });
}

let browser;
try {
  const service = await start(["simulate", "--json", "--seconds", "1"], {}, "stdout", (line) => JSON.parse(line));
  const env = { PDFCO_BASE_URL: service.url, PDFCO_API_KEY: service.key, PDFCO_HTTP_TOKEN: TOKEN };
  const site = await start(["serve", "--http", "127.0.0.1:0"], env, "stderr", (line) => /jobs are shown at (.*)\/\./.exec(line)?.[1]);
  const pdfco = async (...args) => {
    const call = promisify(execFile)(binary, [...args, "--json"], { env: { ...common, ...env }, timeout: PATIENCE });
    return JSON.parse((await call.catch((failed) => failed)).stdout);
  };
  const submit = (...more) => pdfco("call", "html-to-pdf", "--html", "<p>hello</p>", ...more);

  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, timezoneId: "Asia/Tokyo", locale: "en-GB" });
  context.setDefaultTimeout(PATIENCE);
  const wrong = watched(context, site);
  const page = await context.newPage();

  await page.goto(`${site}/`);
  await fits(page, "form");
  await enter(page, site, service.key);
  await page.getByText("No jobs yet").waitFor();
  assert.equal(page.url(), `${site}/`);
  assert.deepEqual(await page.evaluate(() => document.cookie), "");
  await fits(page, "empty");
  ok("the form lets in, the address holds nothing, scripts cannot see the cookie");

  await submit("--background");
  const row = page.locator("#jobs tbody");
  await row.first().waitFor();
  assert.match(await row.first().innerText(), /queued/);
  const took = row.first().locator("[data-elapsed]");
  const before = await took.innerText();
  await page.waitForFunction((before) => document.querySelector("[data-elapsed]").textContent !== before, before);
  ok("the first job appears by itself and its clock runs");

  // A person's place on the page survives: the row is replaced only when it changes.
  const job = (await pdfco("jobs", "list")).data;
  const id = await row.first().locator("code.id").textContent();
  assert.ok(JSON.stringify(job).includes(id), `${id} is not among ${JSON.stringify(job)}`);
  await row.first().getByRole("button", { name: "Copy" }).focus();
  // When the second answer comes, the first has been put in place.
  for (let answers = 0; answers < 2; answers += 1) await page.waitForResponse(`${site}/`);
  assert.equal(await page.evaluate(() => document.activeElement.className), "copy");
  const waited = pdfco("jobs", "wait", id);
  await page.locator("#jobs tbody[data-state=success]").waitFor();
  await waited;
  const cells = await row.first().locator("td.number").allInnerTexts();
  assert.match(cells[1], /^[1-9]/, `checks and credits: ${cells}`);
  assert.equal(await page.getByRole("status").filter({ hasText: "html_to_pdf: success" }).count(), 1);
  assert.match(await row.first().locator("time").first().innerText(), /\d{2}:\d{2}:\d{2}$/, "in the reader's zone");
  ok("a job's end, its checks and its credits appear by themselves");

  // One job in each state that can be had here.
  await pdfco("call", "html-to-pdf", "--html", "<p>saved</p>", "--wait", "--save-to", `${home}/out/`);
  for (const outcome of ["failed", "aborted"]) {
    await submit("--background", "--profiles", JSON.stringify({ Simulate: { outcome } }));
    await pdfco("jobs", "wait", "--latest");
  }
  await submit("--background");
  await pdfco("jobs", "cancel", "--latest");
  await submit("--background", "--profiles", JSON.stringify({ Simulate: { checks: 1000 } }));
  await pdfco("jobs", "wait", "--latest", "--timeout", "1");
  await submit("--background");
  await page.waitForFunction(() => document.querySelectorAll("tbody").length >= 7);
  const states = await page.locator("#jobs tbody").evaluateAll((rows) => rows.map((row) => row.dataset.state));
  assert.deepEqual(states, ["queued", "working", "cancelled", "aborted", "failed", "success", "success"]);
  ok("every state has its row, newest first");
  await fits(page, "jobs");

  const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 800 } });
  plain.setDefaultTimeout(PATIENCE);
  const wrongPlain = watched(plain, site);
  const still = await plain.newPage();
  await enter(still, site, service.key);
  const rows = still.locator("#jobs tbody");
  await rows.first().waitFor();
  assert.equal(await rows.count(), await row.count());
  assert.match(await rows.first().locator("time").first().innerText(), /UTC$/);
  assert.match(await still.content(), /<noscript><meta http-equiv="refresh" content="10"/);
  await fits(still, "plain");
  ok("the same table without scripts");
  const count = await rows.count();
  await submit("--background");
  await still.waitForEvent("load", { timeout: PATIENCE });
  await rows.nth(count).waitFor({ timeout: PATIENCE });
  ok("which loads itself again");
  await still.getByRole("button", { name: "Log out" }).click();
  await still.getByLabel("Server’s token").waitFor();
  ok("and logs out");

  assert.deepEqual(wrong, []);
  assert.deepEqual(wrongPlain, []);
  ok("nothing fetched from elsewhere, nothing in the console");

  // From here on there are refusals, which browsers log.
  const other = await (await browser.newContext()).newPage();
  await other.goto(`${site}/`);
  await other.getByLabel("Server’s token").fill("wrong");
  await other.getByLabel("PDF.co API key").fill("sim_kept");
  await other.getByRole("button", { name: "Show jobs" }).click();
  await other.getByText("not this server’s token").waitFor();
  assert.equal(await other.getByLabel("PDF.co API key").inputValue(), "sim_kept");
  await fits(other, "refused");
  ok("a wrong token is told and nothing that was typed is lost");

  console.log(`${passed} passed, 0 failed`);
} catch (error) {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  for (const child of children) {
    if (child.exitCode === null && child.kill()) await once(child, "exit");
  }
}
