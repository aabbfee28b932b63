/** A question that nothing answers becomes an article: asked, listed, written, off the list, asked again and answered. */
import { accessible, answered, ask, assert, BASE, call, main, PHONE, picture, signIn } from "./support.mjs";

/** The collector looks every ten seconds. */
const COLLECTED = 40_000;
const QUESTION = "How do I feed my quokka?";
const ARTICLE = `To feed your quokka, open Settings, Quokka, and press Feed. It eats grass, at noon and at midnight.

## Feed it from a script

Call the path for meals once a day.`;

await main(["from question to article", fromQuestionToArticle], ["open questions on a phone", phone, PHONE], ["customers", customers]);

async function fromQuestionToArticle(page, context) {
  await forget();
  await signIn(page);
  await ask(page, QUESTION);
  const before = await answered(page, 1);
  assert.match(await before.locator(".prose").innerText(), /^I don't know/);

  const admin = await context.newPage();
  await signIn(admin, "Administrator");
  await admin.getByRole("link", { name: "Open questions" }).click();
  const row = admin.locator(".gap", { hasText: QUESTION });
  await listed(admin, row);
  await row.getByText(/^Asked (once|[0-9]+ times)/).waitFor();
  await picture(admin, "gaps");
  await accessible(admin, "the open questions");

  await row.getByRole("button", { name: new RegExp(`^${QUESTION.slice(0, -1)}`) }).click();
  await row.getByRole("link", { name: QUESTION }).first().waitFor();
  await picture(admin, "gaps-open");
  await accessible(admin, "the questions of one");
  await row.getByRole("button", { name: "Write an article" }).click();
  assert.equal(await admin.getByLabel("Title", { exact: true }).inputValue(), QUESTION);
  await admin.getByLabel("Content", { exact: true }).fill(ARTICLE);
  await picture(admin, "gaps-article");
  await accessible(admin, "an article for a question");
  await admin.getByRole("button", { name: "Save" }).click();
  await admin.getByText("The question is closed").waitFor();
  await row.waitFor({ state: "detached" });
  await admin.waitForFunction(() => document.activeElement.matches("[role=region]"));
  await admin.reload();
  await admin.getByText(/^Nothing is open$|^Asked and not answered/).waitFor();
  assert.equal(await row.count(), 0);

  await page.bringToFront();
  await page.getByRole("link", { name: "New conversation" }).click();
  await page.getByRole("heading", { name: "How can I help?" }).waitFor();
  await ask(page, QUESTION);
  const after = await answered(page, 1);
  assert.match(await after.locator(".prose").innerText(), /It eats grass/);
  assert.match(await after.locator(".source-name").first().innerText(), /quokka/);
  await picture(page, "gaps-answered");
  await forget();
}

/** Deletes the article of an earlier run. */
async function forget() {
  const { articles = [] } = await call("admin", "GET", "/v1/articles?query=quokka");
  for (const { id } of articles) await call("admin", "DELETE", `/v1/articles/${id}`);
}

async function phone(page) {
  const question = "Does the quokka brush come in turquoise?";
  await signIn(page, "Administrator");
  await ask(page, question);
  await answered(page, 1);
  await page.goto(`${BASE}/#/questions`);
  const row = page.locator(".gap", { hasText: question });
  await listed(page, row);
  assert.ok(!(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)), "nothing is wider than the screen");
  await picture(page, "phone-gaps");
  await accessible(page, "the open questions on a phone");
  await row.getByRole("button", { name: "Needs no article" }).tap();
  await row.waitFor({ state: "detached" });
}

async function customers(page) {
  await signIn(page);
  assert.equal(await page.getByRole("link", { name: "Open questions" }).count(), 0);
  await page.goto(`${BASE}/#/questions`);
  await page.getByRole("heading", { name: "How can I help?" }).waitFor();
}

/** Loads the page until the question is on it. */
async function listed(page, row) {
  for (const until = Date.now() + COLLECTED; ; ) {
    await page.getByText(/^Nothing is open$|^Asked and not answered/).waitFor();
    if ((await row.count()) > 0) return;
    assert.ok(Date.now() < until, "the question is listed");
    await page.waitForTimeout(1_000);
    await page.reload();
  }
}
