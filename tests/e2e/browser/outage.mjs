/** The server is stopped and started in mid-answer: the page says so, comes back by itself, and nothing is lost or doubled. */
import { accessible, answered, ask, assert, main, picture, request, signIn } from "./support.mjs";

await main(["server stopped and started", outage]);

async function outage(page) {
  await signIn(page);
  await ask(page, "How do I change my plan?");
  await answered(page, 1);
  await ask(page, "How do I invite my team?");
  await page.waitForFunction(() => (document.querySelectorAll(".answer .prose")[1]?.textContent ?? "").length > 20);
  await request("stop");
  await page.locator(".pill-reconnecting").waitFor();
  await picture(page, "outage");
  await accessible(page, "a page without server");
  await request("start");
  await page.locator(".pill-open").waitFor({ timeout: 30_000 });
  await answered(page, 2);
  assert.equal(await page.locator(".question").count(), 2);
  assert.equal(await page.locator(".answer").count(), 2);
  assert.ok((await page.locator(".answer").nth(1).locator("table").count()) <= 1, "the text is there once");
  await ask(page, "Where are my invoices?");
  await answered(page, 3);
  await page.reload();
  await answered(page, 3);
  assert.equal(await page.locator(".question").count(), 3);
}
