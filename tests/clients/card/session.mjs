// The job card in headless Chromium, behind the official bridge: `node session.mjs <pdfco> [folder for screenshots]`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [binary, pictures] = process.argv.slice(2);
const folder = mkdtempSync(path.join(tmpdir(), "card-"));
const documents = process.env.PDFCO_FIXTURES ?? path.resolve("../../../fixtures/documents");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const UI = "io.modelcontextprotocol/ui", MIME = "text/html;profile=mcp-app", URI = "ui://pdfco/job.html";

const server = spawn(binary, ["serve", "--http", "127.0.0.1:0", "--simulate"], {
  env: { PATH: process.env.PATH, HOME: folder, PDFCO_LEDGER: path.join(folder, "ledger.sqlite"), PDFCO_FILES: documents,
    PDFCO_DOWNLOAD_DIR: path.join(folder, "out"), PDFCO_CHECK_WORTH_SECONDS: "0.2" },
  stdio: ["ignore", "pipe", "pipe"],
});
const address = await new Promise((resolve, reject) => {
  let said = "";
  const read = (bytes) => {
    said += bytes;
    const found = said.match(/http:\/\/127\.0\.0\.1:\d+\/mcp/);
    if (found) resolve(found[0]);
  };
  server.stdout.on("data", read);
  server.stderr.on("data", read);
  server.on("exit", () => reject(new Error(`the server ended: ${said}`)));
});

const client = new Client({ name: "card check", version: "1" }, { capabilities: { extensions: { [UI]: { mimeTypes: [MIME] } } } });
await client.connect(new StreamableHTTPClientTransport(new URL(address)));
const plain = new Client({ name: "plain", version: "1" });
await plain.connect(new StreamableHTTPClientTransport(new URL(address)));
let browser, web;
try {
  // What the server says to a client that shows apps, and to one that does not.
  const { tools } = await client.listTools();
  const submit = tools.find((tool) => tool.name === "submit_job");
  assert.equal(submit._meta?.ui?.resourceUri, URI);
  assert.deepEqual(tools.find((tool) => tool.name === "job_card")?._meta?.ui?.visibility, ["app"]);
  const listed = await plain.listTools();
  assert(!listed.tools.some((tool) => tool.name === "job_card" || tool._meta?.ui));
  const { resources } = await client.listResources();
  assert(resources.some((resource) => resource.uri === URI && resource.mimeType === MIME));
  const { contents } = await client.readResource({ uri: URI });
  assert.equal(contents[0].mimeType, MIME);
  const html = contents[0].text;

  // The host.
  const bundle = await build({ entryPoints: ["host.mjs"], bundle: true, write: false, format: "iife", logLevel: "error" });
  const calls = [];
  web = createServer(async (request, response) => {
    if (request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      const params = JSON.parse(body);
      calls.push(params.name);
      const result = await client.callTool(params).catch((error) => ({ isError: true, content: [{ type: "text", text: String(error) }] }));
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(result));
    }
    if (request.url === "/host.js") return response.end(bundle.outputFiles[0].text);
    response.setHeader("content-type", "text/html");
    response.end('<!doctype html><meta charset="utf-8"><title>host</title><body><script src="/host.js"></script></body>');
  });
  await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  const page = await browser.newPage({ viewport: { width: 680, height: 540 } });
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    assert(request.url().startsWith("http://127.0.0.1:"), `the card asked for ${request.url()}`);
  });
  const origin = `http://127.0.0.1:${web.address().port}/`;
  const open = async (theme) => {
    await page.goto(origin);
    await page.evaluate(([page, context]) => window.openCard(page, context), [html, { theme, displayMode: "inline" }]);
    return page.frameLocator("iframe");
  };
  const hand = async (args, result) => {
    await page.evaluate(([input, answer]) => Promise.all([
      window.bridge.sendToolInput({ arguments: input }), window.bridge.sendToolResult(answer)]), [args, result]);
  };
  // Once the host has made room for all of the card.
  const shoot = async (name) => {
    if (!pictures) return;
    const height = () => page.evaluate(() => document.querySelector("iframe").clientHeight);
    for (let before = -1, now = await height(), rounds = 0; now !== before || now <= 60; [before, now] = [now, await height()]) {
      assert((rounds += 1) < 100, `${name}: the host makes no room for the card`);
      await page.waitForTimeout(100);
    }
    await page.screenshot({ path: path.join(pictures, `card-${name}.png`) });
  };
  // What a screen reader and a keyboard need, and nothing cut off at the host's 500 pixels.
  const inspect = async (card, what) => {
    const frame = page.frames().at(-1);
    await frame.evaluate(axe);
    const { violations } = await frame.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(" ")}`), [], what);
    for (const part of ["#title", "#state", "#facts", "#save", "#read", "#note"]) {
      const shown = card.locator(part);
      if (!(await shown.isVisible())) continue;
      const place = await frame.evaluate((part) => document.querySelector(part).getBoundingClientRect().toJSON(), part);
      assert(place.bottom <= 500 && place.right <= await frame.evaluate(() => window.innerWidth), `${what}: ${part} is cut off`);
    }
  };
  const expectState = async (card, word, time = 20000) => {
    await card.locator("#state", { hasText: word }).waitFor({ timeout: time });
  };
  const call = async (name, args) => client.callTool({ name, arguments: args });
  const structured = (result) => result.structuredContent ?? JSON.parse(result.content[0].text);

  // A job that runs and then succeeds: the card follows and makes no check.
  const simulate = (wish) => ({ profiles: JSON.stringify({ Simulate: wish }) });
  let args = { operation: "pdf_to_text", url: "report.pdf", wait: 0, options: simulate({ checks: 2 }) };
  let result = await call("submit_job", args);
  const id = structured(result).job.job_id;
  let card = await open("light");
  await hand(args, result);
  await expectState(card, /queued|working/);
  assert(await card.locator("#note").innerText().then((text) => text.includes("costs nothing")));
  assert.equal(await card.locator("#document").innerText(), "report.pdf");
  await inspect(card, "running");
  await shoot("running");
  const checks = async () => structured(await call("job_card", { job_ids: [id] })).content.jobs[0].checks_made;
  const before = await checks();
  await page.waitForTimeout(7000);
  assert.equal(await checks(), before, "watching made a check");
  assert(calls.filter((name) => name === "job_card").length >= 2, "the card did not read the record");
  await call("wait_job_completion", { job_id: id, timeout: 30 });
  await expectState(card, "success");
  await card.getByRole("button", { name: "Read the text" }).focus();
  await page.keyboard.press("Enter");
  await card.locator("#text").waitFor();
  assert((await card.locator("#text").innerText()).length > 20);
  const firstPage = await card.locator("#text").innerText();
  assert.match(await card.locator("#facts").innerText(), /\d s · \d+ checks? · \d+ credits? · \d+ pages? · [\d\u202f]+ characters/);
  await shoot("success-light");
  await inspect(card, "success");
  await card.getByRole("button", { name: "Read on" }).click();
  await card.locator("#text").filter({ hasNotText: firstPage.slice(0, 40) }).waitFor();
  await card.getByRole("button", { name: "Save" }).click();
  await card.locator("#note", { hasText: "Saved" }).waitFor();
  await card.locator("#list li", { hasText: / [KM]?B · saved/ }).waitFor();

  // Light and dark; a host that hands on the text alone.
  card = await open("dark");
  args = { operation: "pdf_to_text", url: "report.pdf", wait: 20 };
  result = await call("submit_job", args);
  await hand(args, { ...result, structuredContent: undefined });
  await expectState(card, "success");
  await shoot("success-dark");
  await inspect(card, "dark");

  // A failure with its reason.
  args = { operation: "pdf_to_text", url: "report.pdf", wait: 20, options: simulate({ outcome: "failed" }) };
  result = await call("submit_job", args);
  card = await open("light");
  await hand(args, result);
  await expectState(card, "failed");
  assert((await card.locator("#reason").innerText()).length > 10, "a failure has its reason");
  assert((await card.locator("#next").innerText()).length > 10, "and what to do");
  await shoot("failed");
  await inspect(card, "failed");

  // Many jobs are a list.
  const ids = [];
  for (let n = 0; n < 9; n += 1) {
    const one = await call("submit_job", { operation: "pdf_to_text", url: "invoice.pdf", wait: 0, options: simulate({ checks: n % 3 }) });
    ids.push(structured(one).job.job_id);
  }
  card = await open("dark");
  await hand({ job_ids: ids }, { content: [{ type: "text", text: "{}" }] });
  await card.locator("#title", { hasText: "9 jobs" }).waitFor();
  await card.locator("li", { hasText: "more jobs" }).waitFor();
  await card.locator("li", { hasText: "invoice.pdf" }).first().waitFor();
  await shoot("many");
  await inspect(card, "many");

  // One call on several documents: the answer's own lists, also for a host that hands on the text alone.
  args = { operation: "pdf_to_text", url: ["report.pdf", "invoice.pdf", "locked.pdf"], wait: 20, read: 0 };
  result = await call("submit_job", args);
  card = await open("light");
  await hand(args, { ...result, structuredContent: undefined });
  await card.locator("#title", { hasText: "3 jobs" }).waitFor();
  await expectState(card, "3 of 3 ended, 1 without success");
  for (const [name, state] of [["report.pdf", "success"], ["invoice.pdf", "success"], ["locked.pdf", "failed"]]) {
    await card.locator("li", { hasText: name }).filter({ hasText: state }).waitFor();
  }
  await inspect(card, "several documents");
  args = { operation: "pdf_to_text", url: ["report.pdf", "handbook.pdf"], wait: 0 };
  result = await call("submit_job", args);
  card = await open("dark");
  await hand(args, result);
  await card.locator("#title", { hasText: "2 jobs" }).waitFor();
  // A line without an id is shown as the answer has it.
  card = await open("light");
  await hand({}, { content: [], structuredContent: { status: "working", content: { total: 3, success: [{ document: "a.pdf", saved_to: "a.txt" }],
    error: [{ document: "b.pdf", reason: "The request was refused." }], queued: [{ document: "c.pdf" }] } } });
  await expectState(card, "2 of 3 ended, 1 without success");
  await card.locator("li", { hasText: "b.pdf: The request was refused." }).filter({ hasText: "error" }).waitFor();

  // Answers without a job: a price, and a list that holds nothing.
  args = { operation: "pdf_to_text", url: "report.pdf", estimate: true };
  result = await call("submit_job", args);
  card = await open("light");
  await hand(args, result);
  await card.locator("#title", { hasText: "Estimate" }).waitFor();
  assert.match(await card.locator("#facts").innerText(), /\d+ credits?.* · \d+ pages?/);
  await inspect(card, "estimate");
  args = { status: "aborted" };
  result = await call("list_jobs", args);
  card = await open("light");
  await hand(args, result);
  await expectState(card, "nothing matches");

  // A narrow chat, a long text and many files: the buttons stay within reach.
  await page.setViewportSize({ width: 336, height: 700 });
  args = { operation: "pdf_to_png", url: "handbook.pdf", wait: 30 };
  result = await call("submit_job", args);
  card = await open("light");
  await hand(args, { ...result, content: [...result.content, { type: "text", text: "word ".repeat(400) }],
    structuredContent: { ...result.structuredContent, output: { text: "word ".repeat(400) } } });
  await expectState(card, "success");
  await card.locator("li", { hasText: "more files" }).waitFor();
  await card.locator("li", { hasText: /\.png\s*\d+ [KM]?B$/ }).first().waitFor();
  await shoot("narrow");
  await inspect(card, "narrow");
  await page.setViewportSize({ width: 680, height: 540 });

  // A job that is not in this record.
  card = await open("light");
  await hand({ job_id: "NOT-HERE-1" }, { structuredContent: { status: "error", content: { message: "No such job.", hint: "See list_jobs." } }, content: [] });
  await card.locator("#reason", { hasText: "No such job." }).waitFor();
  await card.locator("#next", { hasText: "See list_jobs." }).waitFor();

  // Markup in what comes from outside stays text, and the card stays within its height.
  const evil = '<img src=x onerror="document.title=1">';
  card = await open("light");
  await hand({}, { structuredContent: { status: "error", content: { message: evil, hint: "x".repeat(20000) } }, content: [] });
  await card.locator("#reason").waitFor();
  assert.equal(await card.locator("img").count(), 0);
  const heights = await page.evaluate(() => window.heights);
  assert(heights.length > 0 && heights.every((height) => height <= 500), `${heights}`);
  await inspect(card, "markup");
  assert.deepEqual(errors, []);
  console.log("job card: ok");
} finally {
  await browser?.close();
  web?.close();
  await client.close().catch(() => {});
  await plain.close().catch(() => {});
  server.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
