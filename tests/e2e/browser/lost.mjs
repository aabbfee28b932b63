/** In mid-answer the worker is killed or frozen, or every connection is cut: the page ends with one whole answer. */
import { accessible, answered, ask, assert, main, picture, request, secondWindow, signIn } from "./support.mjs";

/** As small as a picture in the documentation is shown. */
const SMALL = { viewport: { width: 900, height: 840 } };
const QUESTION = "How do I change my plan?";

await main(
  ["worker killed", (page) => lost(page, "kill"), SMALL],
  ["worker frozen", frozen, SMALL],
  ["connections cut", (page) => lost(page, "cut"), SMALL],
  ["killed with a second window", watched, SMALL],
);

async function lost(page, how) {
  await begin(page);
  await picture(page, `${how}-before`);
  await request(how);
  const at = Date.now();
  // Whichever comes first: it says that it reconnects, or writes on without ever having been away for long.
  await page.waitForFunction(() =>
    ["reconnecting", "connecting"].includes(document.querySelector(".pill")?.dataset.state) ||
    document.querySelector(".answer .prose") === null ||
    document.querySelector(".answer[aria-busy=false]"),
  );
  await picture(page, `${how}-during`);
  await accessible(page, `a page whose server was lost (${how})`);
  await whole(page);
  process.stdout.write(`${how}: whole after ${((Date.now() - at) / 1000).toFixed(1)} s\n`);
  await picture(page, `${how}-after`);
  await stays(page);
}

async function frozen(page) {
  await begin(page);
  await request("freeze");
  const at = Date.now();
  try {
    await whole(page, 45_000);
    process.stdout.write(`freeze: whole after ${((Date.now() - at) / 1000).toFixed(1)} s\n`);
  } finally {
    await request("thaw");
  }
  // What the worker that woke up still wants to write comes too late.
  await stays(page);
}

async function watched(page, context) {
  await begin(page);
  const other = await secondWindow(page, context);
  await signIn(other);
  await other.goto(page.url());
  await other.waitForFunction(() => (document.querySelector(".answer .prose")?.textContent ?? "").length > 0);
  await request("kill");
  for (const window of [page, other]) await whole(window);
  const [first, second] = await Promise.all([page, other].map((window) => window.locator(".answer .prose").innerText()));
  assert.equal(first, second);
}

/** Asks, and waits for the first words. */
async function begin(page) {
  await signIn(page);
  await ask(page, QUESTION);
  await page.waitForFunction(() => (document.querySelector(".answer .prose")?.textContent ?? "").length > 60);
}

/** Waits for one whole answer, nothing doubled, and for the connection. */
async function whole(page, timeout = 30_000) {
  await page.locator(".answer-complete").waitFor({ timeout });
  await page.locator(".pill-open").waitFor();
  await once(page);
}

async function once(page) {
  const answer = await answered(page, 1);
  assert.equal(await page.locator(".question").count(), 1);
  assert.equal(await page.locator(".answer").count(), 1);
  assert.equal(await page.locator(".callout").count(), 0);
  assert.equal(await answer.locator("table").count(), 1, "the text is there once");
  assert.equal((await answer.locator(".prose").innerText()).match(/Nothing is deleted/g)?.length, 1);
}

/** The same after a reload, and the conversation goes on. */
async function stays(page) {
  await page.reload();
  await once(page);
  await ask(page, "Where are my invoices?");
  await answered(page, 2);
  assert.equal(await page.locator(".question").count(), 2);
}
