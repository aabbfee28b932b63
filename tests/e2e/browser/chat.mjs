/** Asking in the browser: words arrive over time, stop, reload, citations, two windows, a lost network, the list. */
import { accessible, answered, answerText, ask, assert, BASE, main, picture, signIn } from "./support.mjs";

await main(
  ["ask and watch", askAndWatch],
  ["stop", stop],
  ["reload in mid-answer", reload],
  ["two windows", twoWindows],
  ["lost network", lostNetwork],
  ["thumbs", thumbs],
  ["list of conversations", list],
  ["sign-in", signInWords],
);

async function askAndWatch(page) {
  await signIn(page);
  await accessible(page, "an empty conversation");
  await ask(page, "How do I change my plan?");
  await page.getByRole("button", { name: "Stop answering" }).waitFor();
  const lengths = [];
  const start = Date.now();
  while ((await page.locator(".answer[aria-busy=false]").count()) === 0) {
    const { length } = await answerText(page);
    if (length !== lengths.at(-1)?.length) lengths.push({ length, at: Date.now() - start });
    if (lengths.length === 12) await picture(page, "chat-streaming");
    await page.waitForTimeout(15);
  }
  assert.ok(lengths.length >= 10, `the words came in ${lengths.length} steps`);
  assert.ok(lengths.at(-1).at - lengths[0].at > 600, "the words came over time");
  // Markup disappears once it is whole, so single steps may go back a little.
  for (const [index, { length }] of lengths.slice(1).entries()) assert.ok(length >= lengths[index].length - 12, "the text grows");

  const answer = await answered(page, 1);
  assert.equal(await answer.locator("table tbody tr").count(), 2);
  assert.equal(await answer.locator("pre code").count(), 1);
  await page.waitForFunction(() => /^#\/c\/[0-9a-f-]{36}$/.test(location.hash));
  await picture(page, "chat-answer");
  await accessible(page, "an answer");

  const chip = answer.locator(".chip").first();
  await chip.click();
  const panel = page.getByRole("complementary", { name: /^Source: / });
  const mark = panel.locator("mark").first();
  await mark.waitFor();
  assert.ok((await mark.innerText()).trim().length > 0);
  await page.waitForFunction(() => {
    const place = document.querySelector(".panel mark").getBoundingClientRect();
    return place.top >= 0 && place.bottom <= innerHeight;
  });
  await picture(page, "chat-source");
  await accessible(page, "an open source");
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  // The panel goes first and gives the focus back right after.
  await page.waitForFunction((element) => element === document.activeElement, await chip.elementHandle());

  await page.locator("body").click({ position: { x: 700, y: 5 } });
  await page.keyboard.press("/");
  await page.keyboard.type("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two <img src=x onerror=alert(1)>");
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "one\ntwo <img src=x onerror=alert(1)>");
  await page.keyboard.press("Enter");
  await answered(page, 2);
  assert.equal(await page.locator(".question .bubble").nth(1).innerText(), "one\ntwo <img src=x onerror=alert(1)>");
  const followUp = page.locator(".follow-up").first();
  if (await followUp.count()) {
    const words = await followUp.innerText();
    await followUp.click();
    await answered(page, 3);
    assert.equal(await page.locator(".question .bubble").nth(2).innerText(), words);
  }
}

async function stop(page) {
  await signIn(page);
  await ask(page, "How do I reset my password?");
  await page.waitForFunction(() => (document.querySelector(".answer .prose")?.textContent ?? "").length > 20);
  await page.getByRole("button", { name: "Stop answering" }).click();
  await page.getByText("Stopped", { exact: true }).waitFor();
  const text = await answerText(page);
  await page.waitForTimeout(700);
  assert.equal(await answerText(page), text, "nothing comes after the stop");
  await picture(page, "chat-stopped");
  await accessible(page, "a stopped answer");
  await page.reload();
  await page.getByText("Stopped", { exact: true }).waitFor();
  await ask(page, "And once more?");
  await answered(page, 2);
}

async function reload(page) {
  await signIn(page);
  await ask(page, "Where are my invoices?");
  await page.waitForFunction(() => (document.querySelector(".answer .prose")?.textContent ?? "").length > 20);
  await page.reload();
  await page.waitForFunction(() => (document.querySelector(".answer .prose")?.textContent ?? "").length > 20);
  await answered(page, 1);
  assert.equal(await page.locator(".question").count(), 1);
  assert.equal(await page.locator(".answer").count(), 1);
  assert.equal(await page.locator(".answer table").count(), 1, "the text is there once");
}

async function twoWindows(page, context) {
  await signIn(page);
  await ask(page, "Who can see my data?");
  await answered(page, 1);
  const other = await context.newPage();
  await signIn(other);
  await other.goto(page.url());
  await answered(other, 1);
  // A window in the background gives its connection back and catches up when it is shown.
  await ask(other, "And who can delete it?");
  await answered(other, 2);
  await page.bringToFront();
  await answered(page, 2);
  assert.deepEqual(await page.locator(".bubble").allInnerTexts(), await other.locator(".bubble").allInnerTexts());
}

async function lostNetwork(page, context) {
  await signIn(page);
  await ask(page, "How do I invite my team?");
  await page.waitForFunction(() => (document.querySelector(".answer .prose")?.textContent ?? "").length > 20);
  await context.setOffline(true);
  await page.getByText("You are offline").waitFor();
  await picture(page, "chat-offline");
  await accessible(page, "a page without network");
  await context.setOffline(false);
  await answered(page, 1);
  assert.equal(await page.locator(".answer").count(), 1);
  assert.equal(await page.locator(".answer table").count(), 1, "the text is there once");
}

async function thumbs(page) {
  await signIn(page);
  await ask(page, "How do I export a report?");
  const answer = await answered(page, 1);
  const [good, bad] = ["Good answer", "Bad answer"].map((name) => answer.getByRole("button", { name }));
  const pressed = async () => [await good.getAttribute("aria-pressed"), await bad.getAttribute("aria-pressed")];
  assert.deepEqual(await pressed(), ["false", "false"]);
  for (const [thumb, state] of [[bad, ["false", "true"]], [good, ["true", "false"]]]) {
    const sent = page.waitForResponse((response) => response.url().endsWith("/deskwire.v1.FeedbackService/SubmitFeedback"));
    await thumb.click();
    assert.deepEqual(await pressed(), state);
    await (await sent).finished();
  }
  await page.mouse.move(0, 0);
  await picture(page, "chat-thumbs");
  await accessible(page, "an answer that somebody liked");
  await page.reload();
  await answered(page, 1);
  assert.deepEqual(await pressed(), ["true", "false"], "it is remembered");
}

async function list(page) {
  await signIn(page);
  // What it is called before and after a title is made of the question.
  const title = `Which currencies do you take, ${Date.now()}`;
  await ask(page, `${title}?`);
  await answered(page, 1);
  const entry = page.getByRole("link", { name: title });
  await entry.waitFor();
  await page.getByPlaceholder("Search conversations").fill("no such title");
  await page.getByText("Nothing found.").waitFor();
  await page.getByPlaceholder("Search conversations").fill(title.slice(-8));
  await entry.waitFor();
  await entry.hover();
  await page.getByRole("button", { name: `Rename ${title}` }).click();
  await page.getByLabel("Title", { exact: true }).fill("Currencies");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Currencies" }).first().waitFor();
  await page.getByRole("link", { name: "New conversation" }).click();
  await page.getByRole("heading", { name: "How can I help?" }).waitFor();
  await page.goBack();
  await answered(page, 1);
}

async function signInWords(page) {
  await page.goto(BASE);
  await page.getByText("you are ana").waitFor();
  await page.getByLabel("Access token").fill("nonsense");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("doesn't look like a token").waitFor();
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  await page.getByLabel("Access token").fill(`${part({ alg: "HS256" })}.${part({ sub: "eve", role: "admin" })}.AAAA`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This token is not accepted").waitFor();
  await accessible(page, "a refused sign-in");
  await page.goto(`${BASE}/#/c/0199aaaa-0000-7000-8000-000000000001`);
  await page.getByText("you are ana").waitFor();
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This doesn't exist any more").waitFor();
  await accessible(page, "a conversation that is not there");
}
