/** The administrators' page: list, search with scores, edit, conflict, import, delete; and that others don't get there. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { accessible, assert, BASE, call, main, picture, signIn } from "./support.mjs";

await main(["list and search", listAndSearch], ["edit", edit], ["import", importDocuments], ["customers", customers]);

async function open(page) {
  await signIn(page, "Administrator");
  await page.getByRole("link", { name: "Knowledge" }).click();
  await page.locator(".row").first().waitFor();
}

async function listAndSearch(page) {
  await open(page);
  await accessible(page, "the knowledge");
  const first = await page.locator(".row-title").allInnerTexts();
  assert.equal(first.length, 20);
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText(/^21–/).waitFor();
  const second = await page.locator(".row-title").allInnerTexts();
  assert.equal(new Set([...first, ...second]).size, first.length + second.length, "no article comes twice");
  await page.getByRole("button", { name: "Previous" }).click();
  await page.getByText(/^1–20/).waitFor();

  await page.getByPlaceholder("Filter by title or path").fill("refund");
  await page.waitForFunction(() => document.querySelectorAll(".row").length < 10);
  assert.match(await page.locator(".row").first().innerText(), /refund/i);
  await page.getByText("By meaning").click();
  await page.getByRole("searchbox", { name: "Search articles" }).fill("how do I get my money back");
  await page.locator(".score").first().waitFor();
  assert.match(await page.locator(".row").first().innerText(), /refund/i);
  assert.match(await page.locator(".score").first().innerText(), /^[1-9]\d? %$|^100 %$/);
  await picture(page, "knowledge-search");
  await accessible(page, "a search with scores");
}

async function edit(page) {
  const title = `Test article ${Date.now()}`;
  await open(page);
  await page.getByRole("button", { name: "New article" }).click();
  await page.getByLabel("Title", { exact: true }).fill(title);
  await page.getByLabel("Category", { exact: true }).fill("tests");
  await page.getByLabel("Tags, separated by commas").fill("one, two");
  await page.getByLabel("Content", { exact: true }).fill("## Quokka\n\nThe quokka is fed at **noon**.");
  await page.getByRole("button", { name: "Preview" }).click();
  await page.locator(".preview strong", { hasText: "noon" }).waitFor();
  await picture(page, "knowledge-editor");
  await accessible(page, "the editor");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Article saved").waitFor();

  await page.getByPlaceholder("Filter by title or path").fill(title);
  await page.locator(".row-title", { hasText: title }).click();
  await page.getByLabel("Tags, separated by commas").waitFor();
  assert.equal(await page.getByLabel("Tags, separated by commas").inputValue(), "one, two");
  const { articles } = await call("admin", "GET", `/v1/articles?query=${encodeURIComponent(title)}`);
  await call("admin", "PATCH", `/v1/articles/${articles[0].id}?updateMask=category`, { category: "elsewhere" });
  await page.getByLabel("Content", { exact: true }).fill("Changed here.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Somebody else changed this meanwhile").waitFor();
  await picture(page, "knowledge-conflict");
  await accessible(page, "a conflict");
  await page.getByRole("button", { name: "Load theirs" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll(".editor input")].some(({ value }) => value === "elsewhere"));
  await page.getByLabel("Content", { exact: true }).fill("Changed here.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Article saved").first().waitFor();

  await page.locator(".row-title", { hasText: title }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete for good?" }).click();
  await page.getByText("Article deleted").waitFor();
  await page.getByText("Nothing found").waitFor();
}

async function importDocuments(page) {
  const mark = `import-${Date.now()}`;
  await open(page);
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.getByText("Drop files or a folder here").waitFor();
  await picture(page, "knowledge-import");
  await accessible(page, "the import");
  const folder = await mkdtemp(join(tmpdir(), "deskwire-import-"));
  await mkdir(join(folder, mark));
  for (let number = 0; number < 40; number += 1) {
    await writeFile(join(folder, mark, `${number}.md`), `# ${mark} ${number}\n\nText of number ${number}.`);
  }
  await writeFile(join(folder, mark, "empty.md"), "  \n");
  await writeFile(join(folder, mark, "other.zip"), "PK");
  await drop(page, ".drop", [join(folder, mark)]);
  await page.getByText("1 other file is left out.").waitFor();
  await page.getByText("Import finished").waitFor();
  await page.getByText("40 new").waitFor();
  await page.getByText("1 refused").waitFor();
  await page.getByText("empty.md", { exact: true }).waitFor();
  await picture(page, "knowledge-imported");
  await accessible(page, "the result of an import");

  await page.getByRole("button", { name: "Import more" }).click();
  const parent = await mkdtemp(join(tmpdir(), "deskwire-import-"));
  await mkdir(join(parent, mark));
  await writeFile(join(parent, mark, "inside.md"), `# ${mark} inside\n\nText.`);
  await page.getByLabel("Folder", { exact: true }).setInputFiles(parent);
  await page.getByText("1 new").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByPlaceholder("Filter by title or path").fill(`${mark}/inside.md`);
  await page.getByText(`${mark}/inside.md`).waitFor();
  const { articles } = await call("admin", "GET", `/v1/articles?query=${mark}&pageSize=100`);
  assert.equal(articles.length, 41);
  for (const { id } of articles) await call("admin", "DELETE", `/v1/articles/${id}`);
}

/** Drops files from outside the browser, as a person does. */
async function drop(page, target, files) {
  const { x, y, width, height } = await page.locator(target).boundingBox();
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const send = (type) => session.send("Input.dispatchDragEvent", { type, x: x + width / 2, y: y + height / 2, data });
  await send("dragEnter");
  await send("dragOver");
  await page.locator(".drop-over").waitFor();
  await send("drop");
}

async function customers(page) {
  await signIn(page);
  assert.equal(await page.getByRole("link", { name: "Knowledge" }).count(), 0);
  await page.goto(`${BASE}/#/knowledge`);
  await page.getByRole("heading", { name: "How can I help?" }).waitFor();
}
