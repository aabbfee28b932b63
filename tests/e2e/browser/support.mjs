/** What the journeys through the page share: a browser, signing in, pictures, accessibility, talking to the test. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const web = createRequire(new URL("../../../clients/web/package.json", import.meta.url));
const { chromium } = web("playwright-core");
const axeSource = await readFile(web.resolve("axe-core/axe.min.js"), "utf8");

export const BASE = process.env.DESKWIRE_E2E_URL ?? "http://127.0.0.1:8001";
const ARTIFACTS = process.env.DESKWIRE_E2E_ARTIFACTS ?? "test-artifacts/browser";
const CHROMIUM = process.env.DESKWIRE_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const TIMEOUT = 20_000;

export { assert, PHONE };

/** Runs a journey in a fresh browser. Errors in the page's console and refused content fail it. */
export async function journey(run, options = {}) {
  const profile = await mkdtemp(join(tmpdir(), "deskwire-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM, args: FLAGS, viewport: { width: 1280, height: 800 }, colorScheme: "light", ...options,
  });
  context.setDefaultTimeout(TIMEOUT);
  const complaints = [];
  const listen = (page) => {
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("console", (message) => {
      // What a lost connection makes the browser say is part of some journeys.
      const expected = /net::ERR_|status of (401|404|503)/.test(message.text());
      if (message.type() === "error" && !expected) complaints.push(`console: ${message.text()}`);
    });
  };
  context.on("page", listen);
  const [page] = context.pages();
  listen(page);
  try {
    await run(page, context);
    assert.deepEqual(complaints, []);
    assert.deepEqual(await context.cookies(), [], "the page uses no cookies");
  } catch (error) {
    await picture(page, `failed-${process.argv[1].split("/").pop().replace(".mjs", "")}`).catch(() => undefined);
    throw error;
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Opens the page and signs in with the token that the demo fills in. */
export async function signIn(page, role = "Customer") {
  await page.goto(BASE);
  await page.getByText("Try the demo as").waitFor();
  const users = { Customer: "ana", Agent: "ben", Administrator: "cleo" };
  await page.getByText(role, { exact: true }).click();
  await page.getByText(`you are ${users[role]}`).waitFor();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "How can I help?" }).waitFor();
}

/** Another window on the screen, not a tab in the background. */
export async function secondWindow(page, context) {
  const browser = await context.newCDPSession(page);
  const [opened] = await Promise.all([
    context.waitForEvent("page"),
    browser.send("Target.createTarget", { url: "about:blank", newWindow: true }),
  ]);
  for (const each of [page, opened]) assert.equal(await each.evaluate(() => document.visibilityState), "visible");
  return opened;
}

/** Types a question and sends it with Enter. */
export async function ask(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

/** Waits until the newest of `count` answers is whole. */
export async function answered(page, count) {
  await page.waitForFunction(
    (wanted) => document.querySelectorAll(".answer").length >= wanted && !document.querySelector(".answer[aria-busy=true]"),
    count,
  );
  return page.locator(".answer").nth(count - 1);
}

/** Text of the newest answer, without its sources and buttons. */
export async function answerText(page) {
  const prose = page.locator(".answer .prose");
  return (await prose.count()) === 0 ? "" : prose.last().innerText();
}

/** Keeps a picture among the artifacts. */
export async function picture(page, name) {
  await mkdir(ARTIFACTS, { recursive: true });
  await settled(page);
  await page.screenshot({ path: join(ARTIFACTS, `${name}.png`) });
}

/** Waits for the animations that end. */
export async function settled(page) {
  await page.waitForFunction(() =>
    document.getAnimations().every(({ playState, effect }) => playState !== "running" || effect?.getComputedTiming().endTime === Infinity),
  );
}

/** Fails on anything that axe finds. */
export async function accessible(page, where) {
  await settled(page);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  assert.deepEqual(found, [], `axe on ${where}`);
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test that runs this journey to do something to the server, and waits until it has. */
export async function request(what) {
  process.stdout.write(`please: ${what}\n`);
  const { value, done } = await answers.next();
  assert.ok(!done && value === "done", `the test could not: ${what}`);
}

/** Calls the JSON interface as one of the demo's people. */
export async function call(role, method, path, body) {
  const { token } = await (await fetch(`${BASE}/demo-token?role=${role}`)).json();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(BASE + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

/** Ends the process once the journeys are done: standard input would keep it alive. */
export async function main(...journeys) {
  for (const [name, run, options] of journeys) {
    process.stdout.write(`${name}\n`);
    await journey(run, options);
  }
  process.exit(0);
}
