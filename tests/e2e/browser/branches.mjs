/** Other words for a question, another answer, and the way between the branches: keyboard, two windows, phone, dark. */
import { accessible, answered, ask, assert, main, PHONE, picture, secondWindow, signIn } from "./support.mjs";

const PLAN = "How do I change my plan?";
const REFUND = "How do I get a refund?";
const PASSWORD = "How do I change my password?";

await main(
  ["edit by keyboard alone", edit],
  ["answer again", again],
  ["two windows", twoWindows],
  ["an edit during another answer", meanwhile],
  ["phone", phone, PHONE],
  ["dark", dark, { colorScheme: "dark" }],
);

async function edit(page) {
  await signIn(page);
  await ask(page, PLAN);
  await answered(page, 1);
  await ask(page, REFUND);
  await answered(page, 2);
  const pencil = page.locator(".edit-question").first();
  await page.mouse.move(0, 0);
  assert.equal(await opacity(pencil), "0", "out of the way");
  await pencil.focus();
  await page.waitForFunction(() => getComputedStyle(document.activeElement).opacity === "1");
  await page.keyboard.press("Enter");
  await page.getByLabel("Question in other words").waitFor();
  await picture(page, "branches-editor");
  await accessible(page, "a question that is edited");
  await page.keyboard.press("Escape");
  await focused(page, "Edit the question");

  await page.keyboard.press("Enter");
  assert.ok(await page.getByRole("button", { name: "Ask", exact: true }).isDisabled(), "nothing has changed yet");
  await page.keyboard.press("Control+a");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await focused(page, "Message");
  await shows(page, [PASSWORD], { versions: "2/2" });
  await picture(page, "branches-edited");
  await accessible(page, "a question in two versions");
  await page.reload();
  await shows(page, [PASSWORD], { versions: "2/2" });

  await versions(page).getByRole("button", { name: "Previous version" }).focus();
  await page.keyboard.press("Enter");
  await shows(page, [PLAN, REFUND], { versions: "1/2" });
  // The place that was chosen stays in view, and the focus with it.
  await focused(page, "Next version");
  assert.ok(await inView(versions(page)), "the pager is in view");
  await page.reload();
  await shows(page, [PLAN, REFUND], { versions: "1/2" });
  await ask(page, "And where are my invoices?");
  await answered(page, 3);
  await versions(page).getByRole("button", { name: "Next version" }).focus();
  await page.keyboard.press("Enter");
  await shows(page, [PASSWORD], { versions: "2/2" });
  await focused(page, "Previous version");
}

async function again(page) {
  await signIn(page);
  await ask(page, PLAN);
  const answer = await answered(page, 1);
  const [citation] = await answer.locator(".source-name").allInnerTexts();
  await answer.getByRole("button", { name: "Answer again" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".answer[aria-busy=true]").waitFor();
  await focused(page, "Message");
  await shows(page, [PLAN], { answers: "2/2" });
  assert.equal((await answer.locator(".source-name").allInnerTexts())[0], citation);
  await answer.getByRole("button", { name: "Good answer" }).click();
  await answers(page).getByRole("button", { name: "Previous version" }).click();
  await shows(page, [PLAN], { answers: "1/2" });
  assert.equal(await answer.getByRole("button", { name: "Good answer" }).getAttribute("aria-pressed"), "false");
  await picture(page, "branches-answers");
  await accessible(page, "an answer in two versions");
  await page.reload();
  await shows(page, [PLAN], { answers: "1/2" });
  await ask(page, REFUND);
  await answered(page, 2);
  await answers(page).getByRole("button", { name: "Next version" }).click();
  await shows(page, [PLAN], { answers: "2/2" });
  assert.equal(await answer.getByRole("button", { name: "Good answer" }).getAttribute("aria-pressed"), "true");
}

async function twoWindows(page, context) {
  const other = await bothOpen(page, context);
  await ask(page, REFUND);
  await other.locator(".answer[aria-busy=true]").waitFor();
  for (const window of [page, other]) await shows(window, [PLAN, REFUND]);

  await page.getByRole("button", { name: "Answer again" }).last().click();
  await other.locator(".answer[aria-busy=true]").waitFor();
  for (const window of [page, other]) await shows(window, [PLAN, REFUND], { answers: "2/2" });

  await other.locator(".question").first().hover();
  await other.getByRole("button", { name: "Edit the question" }).first().click();
  await other.getByLabel("Question in other words").fill(PASSWORD);
  await other.getByRole("button", { name: "Ask", exact: true }).click();
  await page.locator(".answer[aria-busy=true]").waitFor();
  for (const window of [page, other]) await shows(window, [PASSWORD], { versions: "2/2" });

  await page.getByRole("button", { name: "Previous version" }).click();
  for (const window of [page, other]) await shows(window, [PLAN, REFUND], { versions: "1/2", answers: "2/2" });
}

async function meanwhile(page, context) {
  const other = await bothOpen(page, context);
  await page.locator(".question").first().hover();
  await page.getByRole("button", { name: "Edit the question" }).click();
  await page.getByLabel("Question in other words").fill(PASSWORD);
  await ask(other, REFUND);
  await page.locator(".answer[aria-busy=true]").waitFor();
  await page.getByLabel("Question in other words").press("Enter");
  assert.ok(await page.getByRole("button", { name: "Ask", exact: true }).isDisabled(), "one after the other");
  await answered(page, 2);
  assert.equal(await page.getByLabel("Question in other words").inputValue(), PASSWORD);
  await page.getByLabel("Question in other words").press("Enter");
  for (const window of [page, other]) await shows(window, [PASSWORD], { versions: "2/2" });
}

async function phone(page) {
  await signIn(page);
  await ask(page, PLAN);
  await answered(page, 1);
  const pencil = page.getByRole("button", { name: "Edit the question" });
  assert.equal(await opacity(pencil), "1", "fingers don't hover");
  const { width, height } = await pencil.boundingBox();
  assert.ok(width >= 32 && height >= 32, `the pencil is ${width} by ${height}`);
  await pencil.tap();
  await page.getByLabel("Question in other words").fill(PASSWORD);
  await picture(page, "phone-question-editor");
  await accessible(page, "a question that is edited on a phone");
  await page.getByRole("button", { name: "Ask", exact: true }).tap();
  await shows(page, [PASSWORD], { versions: "2/2" });
  await still(page.getByRole("button", { name: "Answer again" }));
  await page.getByRole("button", { name: "Answer again" }).tap();
  await shows(page, [PASSWORD], { versions: "2/2", answers: "2/2" });
  assert.ok(!(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)), "nothing is wider than the screen");
  for (const place of [versions(page), answers(page)]) {
    const box = await place.getByRole("button", { name: "Previous version" }).boundingBox();
    assert.ok(box.width >= 32 && box.height >= 32, `a step is ${box.width} by ${box.height}`);
  }
  await picture(page, "phone-branches");
  await accessible(page, "branches on a phone");
  await versions(page).getByRole("button", { name: "Previous version" }).tap();
  await shows(page, [PLAN], { versions: "1/2" });
}

async function dark(page) {
  await signIn(page);
  await ask(page, PLAN);
  await answered(page, 1);
  await page.getByRole("button", { name: "Answer again" }).click();
  await shows(page, [PLAN], { answers: "2/2" });
  await picture(page, "dark-branches");
  await accessible(page, "branches in the dark");
}

/** A conversation with one answer, in two windows that are both on the screen. */
async function bothOpen(page, context) {
  await signIn(page);
  await ask(page, PLAN);
  await answered(page, 1);
  const other = await secondWindow(page, context);
  await signIn(other);
  await other.goto(page.url());
  await answered(other, 1);
  return other;
}

/** Waits until exactly these questions are there with their whole answers, and the pagers say so. */
async function shows(page, questions, places = {}) {
  await page.waitForFunction(
    ([wanted, { versions: question, answers: answer }]) => {
      const said = (label) => document.querySelector(`[aria-label="${label}"] .branches-place`)?.textContent;
      const bubbles = [...document.querySelectorAll(".question .bubble")].map(({ textContent }) => textContent);
      return (
        JSON.stringify(bubbles) === JSON.stringify(wanted) &&
        document.querySelectorAll(".answer[aria-busy=false]").length === wanted.length &&
        document.querySelectorAll(".answer").length === wanted.length &&
        said("Versions of this question") === question && said("Answers to this question") === answer
      );
    },
    [questions, places],
  );
}

async function focused(page, name) {
  await page.waitForFunction(
    (wanted) => [document.activeElement.getAttribute("aria-label"), document.activeElement.labels?.[0]?.textContent].includes(wanted),
    name,
  );
}

function versions(page) {
  return page.getByRole("group", { name: "Versions of this question" });
}

function answers(page) {
  return page.getByRole("group", { name: "Answers to this question" });
}

/** Waits until something stays where it is: a finger is slower than what comes in under it. */
async function still(locator) {
  let place;
  for (let since = Date.now(); Date.now() - since < 500; ) {
    const now = JSON.stringify(await locator.boundingBox());
    if (now !== place) [place, since] = [now, Date.now()];
  }
}

function opacity(locator) {
  return locator.evaluate((element) => getComputedStyle(element).opacity);
}

function inView(locator) {
  return locator.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    const frame = document.querySelector(".transcript").getBoundingClientRect();
    return top >= frame.top && bottom <= frame.bottom;
  });
}
