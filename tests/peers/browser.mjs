// A real browser for the tests: Chromium without a screen, driven by one small HTTP service on loopback.
//
// POST / takes {"page": NAME, "do": WHAT, …} and answers {"value": …} or, with 500, {"error": …}. A page that is named for the
// first time is opened in a context of its own, with the settings that come with `open`. What a page may not do by its
// content policy, and every error of its scripts, is kept and told by `errors`.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const [settings, folder] = [JSON.parse(process.argv[2]), process.argv[3]];
const require = createRequire(join(folder, 'package.json'));
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const browser = await chromium.launch({
  executablePath: settings.program,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
const pages = new Map();

async function open({ page: name, scheme, locale, script }) {
  const context = await browser.newContext({
    colorScheme: scheme ?? 'light',
    locale: locale ?? 'en-GB',
    javaScriptEnabled: script ?? true,
    // The certificates of tests are signed by themselves.
    ignoreHTTPSErrors: true,
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  pages.set(name, { context, page, errors, cdp: await context.newCDPSession(page) });
  return null;
}

async function evaluate(cdp, expression) {
  const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', {
    expression, awaitPromise: true, returnByValue: true,
  });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

const actions = {
  goto: ({ page }, { address }) => page.goto(address).then((answer) => answer?.status() ?? 0),
  fill: ({ page }, { field, text }) => page.getByLabel(field, { exact: true }).fill(text),
  press: async ({ page }, { button }) => {
    await Promise.all([page.waitForLoadState('load'), page.getByRole('button', { name: button, exact: true }).click()]);
    await page.waitForLoadState('networkidle');
  },
  follow: async ({ page }, { link }) => {
    await page.getByRole('link', { name: link, exact: true }).click();
    await page.waitForLoadState('networkidle');
  },
  // A button whose form a script sends after some work.
  submit: async ({ page }, { button }) => {
    const answered = page.waitForNavigation().catch(async (error) => {
      throw new Error(`${error}\n${await page.locator('body').innerText()}`);
    });
    await Promise.all([answered, page.getByRole('button', { name: button, exact: true }).click()]);
    await page.waitForLoadState('networkidle');
  },
  // A button whose script stays at the page and tells a text.
  try: async ({ page }, { button, text }) => {
    await page.getByRole('button', { name: button, exact: true }).click();
    await page.getByText(text).waitFor();
  },
  wait: ({ page }, { text }) => page.getByText(text).first().waitFor(),
  button: ({ page }, { button }) => page.getByRole('button', { name: button, exact: true }).waitFor(),
  // A script that every page of this one runs before its own.
  before: ({ page }, { script }) => page.addInitScript(script),
  debug: ({ cdp }, { method, params }) => cdp.send(method, params),
  // What the browser keeps for an address.
  cookies: ({ context }, { address }) => context.cookies(address),
  // The same cookie with other habits.
  change: async ({ context }, { address, name, habits }) => {
    const cookie = (await context.cookies(address)).find((one) => one.name === name);
    await context.clearCookies({ name });
    await context.addCookies([{ ...cookie, ...habits }]);
  },
  key: async ({ page }, { key }) => {
    await page.keyboard.press(key);
    await page.waitForLoadState('networkidle');
  },
  type: ({ page }, { text }) => page.keyboard.type(text),
  // The accessible name of what has the keyboard.
  focus: ({ cdp }) => evaluate(cdp, `(async () => {
    // A field that asks for the keyboard gets it a frame after the page has come.
    for (let frame = 0; frame < 120 && document.activeElement === document.body; frame += 1) {
      await new Promise((next) => requestAnimationFrame(next));
    }
    const it = document.activeElement;
    return (it.labels?.[0]?.textContent ?? it.textContent ?? '').trim();
  })()`),
  text: ({ page }) => page.locator('body').innerText(),
  address: ({ page }) => page.url(),
  errors: ({ errors }) => errors,
  // What breaks the rules of WCAG 2.2 AA, as text. The scripts come by the debugger: the page's content policy stays.
  audit: async ({ cdp }) => {
    await cdp.send('Runtime.evaluate', { expression: axe });
    const found = await evaluate(cdp, `axe.run(document, { runOnly: ${JSON.stringify(RULES)} }).then((r) => r.violations)`);
    return found.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => node.html).join(' ')}`);
  },
};

createServer((request, answer) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', async () => {
    try {
      const asked = JSON.parse(body);
      const value = asked.do === 'open' ? await open(asked) : await actions[asked.do](pages.get(asked.page), asked);
      answer.end(JSON.stringify({ value: value ?? null }));
    } catch (error) {
      answer.statusCode = 500;
      answer.end(JSON.stringify({ error: String(error) }));
    }
  });
}).listen(settings.port, '127.0.0.1', () => console.log('listening'));
