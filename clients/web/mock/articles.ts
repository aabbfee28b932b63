/** Help articles of a made-up company, for working on the page without a server. */

/** An article as it would be imported. */
export interface SampleArticle {
  title: string;
  category: string;
  path: string;
  content: string;
}

export const SAMPLE_ARTICLES: readonly SampleArticle[] = [
  {
    title: "Change or cancel your plan",
    category: "billing",
    path: "billing/change-plan.md",
    content: `Plans can be changed at any time by an owner or a billing administrator.

## Upgrade

Open **Settings → Billing → Plan** and choose the plan you want. The upgrade takes effect at once, and the rest of the current period is charged in proportion.

## Downgrade

A downgrade takes effect at the end of the current billing period. Until then everything stays as it is. Data above the limits of the smaller plan becomes read-only; nothing is deleted.

## Cancel

Choose **Cancel plan** at the bottom of the same page. You keep access until the end of the period, and your data for 90 days after it.

| Plan | Seats | Storage | Price per seat |
| --- | ---: | ---: | ---: |
| Starter | 5 | 10 GB | €6 |
| Team | 50 | 250 GB | €11 |
| Business | unlimited | 2 TB | €19 |
`,
  },
  {
    title: "Refunds",
    category: "billing",
    path: "billing/refunds.md",
    content: `We refund yearly plans within 30 days of the charge, and monthly plans within 7 days.

## How to ask for one

1. Open **Settings → Billing → Invoices**.
2. Find the invoice and choose **Request a refund**.
3. Tell us the reason; we answer within two working days.

The money goes back to the card or account that was charged. Banks take three to ten working days to show it.

## What cannot be refunded

Usage charges, such as extra storage that was used, and domains.
`,
  },
  {
    title: "Reset your password",
    category: "account",
    path: "account/reset-password.md",
    content: `If you have forgotten your password, you can set a new one yourself.

## Steps

1. Choose **Forgot password?** on the sign-in page.
2. Enter your e-mail address. The link we send is valid for 60 minutes.
3. Choose a new password of at least 12 characters.

All other devices are signed out when the password changes.

## No e-mail arrives

Look into the spam folder first. If your company uses single sign-on, passwords are managed by your administrator, and no e-mail is sent.
`,
  },
  {
    title: "Two-factor authentication",
    category: "account",
    path: "account/two-factor.md",
    content: `A second factor keeps others out, even when they know your password.

## Turn it on

Open **Settings → Security → Two-factor** and scan the code with an authenticator app. Save the ten recovery codes somewhere safe: each works once.

## Lost your phone

Sign in with a recovery code, then turn the factor off and on again with the new phone. Without a recovery code an owner of your team can reset the factor for you.
`,
  },
  {
    title: "API keys and rate limits",
    category: "developers",
    path: "developers/api-keys.md",
    content: `Every call needs a key in the \`Authorization\` header.

## Create a key

Open **Settings → Developers → API keys** and choose **New key**. The key is shown once.

\`\`\`bash
curl https://api.example.com/v2/projects \\
  -H "Authorization: Bearer $NORTHLIGHT_KEY"
\`\`\`

## Limits

Each key may make 600 calls a minute. Above it the answer is \`429\` with a \`Retry-After\` header in seconds.

\`\`\`python
import time, requests

response = requests.get(url, headers=headers, timeout=10)
if response.status_code == 429:
    time.sleep(int(response.headers["Retry-After"]))
\`\`\`
`,
  },
  {
    title: "Export your data",
    category: "account",
    path: "account/export.md",
    content: `Owners can export everything that the team has stored.

## Start an export

Open **Settings → Data → Export** and choose a format: JSON, CSV, or both. Large exports take up to six hours. We send a link when it is ready; it is valid for seven days.

## What is inside

Projects, files, comments and members, each with the time of its last change. Deleted items are part of it for 30 days.
`,
  },
];
