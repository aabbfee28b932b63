/** The same page through whichever provider answers; `DESKWIRE_E2E_MODEL` is the model that it must name. */
import { answered, ask, assert, main, picture, signIn } from "./support.mjs";

const MODEL = process.env.DESKWIRE_E2E_MODEL;

await main(["ask through a provider", through]);

async function through(page) {
  await signIn(page);
  await ask(page, "How do I change my plan?");
  const answer = await answered(page, 1);
  assert.match(await answer.innerText(), /You can change your plan at any time/);
  assert.equal(await answer.locator("table tbody tr").count(), 2);
  assert.ok((await answer.locator(".chip").count()) >= 1, "the answer cites its sources");
  assert.match(await answer.innerText(), new RegExp(MODEL.replaceAll(".", "\\.")));
  await picture(page, `provider-${MODEL}`);
}
