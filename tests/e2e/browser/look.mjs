/** How the page looks: phone width, dark and light, what the first visit loads; axe everywhere. */
import { accessible, answered, ask, assert, BASE, main, PHONE, picture, settled, signIn } from "./support.mjs";

const FIRST_LOAD_BYTES = 250_000;

await main(
  ["phone", phone, PHONE],
  ["dark", dark, { colorScheme: "dark" }],
  ["choice of appearance", choice],
  ["first load", firstLoad],
);

async function phone(page) {
  await page.goto(BASE);
  await page.getByText("you are ana").waitFor();
  await picture(page, "phone-sign-in");
  await accessible(page, "the sign-in on a phone");
  await signIn(page, "Administrator");
  await ask(page, "How do I change my plan?");
  await answered(page, 1);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!wide, "nothing is wider than the screen");
  await picture(page, "phone-answer");
  await accessible(page, "an answer on a phone");

  await page.getByRole("button", { name: "Open the list" }).click();
  await page.getByRole("link", { name: "Knowledge" }).waitFor();
  await picture(page, "phone-drawer");
  await accessible(page, "the drawer");
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Knowledge" }).waitFor({ state: "hidden" });

  await page.locator(".source-card").first().click();
  await page.getByRole("dialog", { name: /^Source: / }).locator("mark").first().waitFor();
  await picture(page, "phone-source");
  await accessible(page, "a source on a phone");
  await page.getByRole("button", { name: "Close the source" }).click();

  await page.getByRole("button", { name: "Open the list" }).click();
  await page.getByRole("link", { name: "Knowledge" }).click();
  await page.locator(".row").first().waitFor();
  await picture(page, "phone-knowledge");
  await accessible(page, "the knowledge on a phone");
}

async function dark(page) {
  await page.goto(BASE);
  await page.getByText("you are ana").waitFor();
  await picture(page, "dark-sign-in");
  await accessible(page, "the dark sign-in");
  await signIn(page, "Administrator");
  assert.ok(await isDark(page), "the system's choice rules");
  await ask(page, "How do I change my plan?");
  const answer = await answered(page, 1);
  await picture(page, "dark-answer");
  await accessible(page, "a dark answer");
  await answer.locator(".chip").first().click();
  await page.locator(".panel mark").first().waitFor();
  await picture(page, "dark-source");
  await accessible(page, "a dark source");
  await page.getByRole("link", { name: "Knowledge" }).click();
  await page.locator(".row").first().waitFor();
  await picture(page, "dark-knowledge");
  await accessible(page, "the dark knowledge");
}

async function choice(page) {
  await signIn(page);
  assert.ok(!(await isDark(page)));
  await page.getByRole("button", { name: "Appearance: system" }).click();
  await page.getByRole("button", { name: "Appearance: light" }).click();
  assert.ok(await isDark(page));
  await page.reload();
  await page.getByRole("button", { name: "Appearance: dark" }).waitFor();
  assert.ok(await isDark(page), "the choice is remembered");
  await page.getByRole("button", { name: "Appearance: dark" }).click();
  assert.ok(!(await isDark(page)));
}

async function isDark(page) {
  await settled(page);
  return page.evaluate(() => getComputedStyle(document.documentElement).colorScheme === "dark");
}

async function firstLoad(page) {
  await signIn(page);
  const sizes = await page.evaluate(() =>
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .map(({ name, transferSize }) => [new URL(name).pathname, transferSize]),
  );
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total > 0 && total <= FIRST_LOAD_BYTES, `the first visit loads ${total} bytes: ${JSON.stringify(sizes)}`);
}
