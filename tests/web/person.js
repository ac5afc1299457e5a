// Drives the web app as a person does. Waits for what is shown, never for a length of time.
"use strict";
const { chromium } = require("playwright-core");
const axe = require("fs").readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [link, shots] = process.argv.slice(2);
const base = new URL(link).origin;
const LONG = 60_000;
let failures = 0;
const check = (ok, what) => { if (!ok) { failures += 1; console.log(`FAILED: ${what}`); } };
const done = (what) => console.log(`ok: ${what}`);

const SCREENS = [["today", "/"], ["waiting", "/waiting"], ["orders", "/orders"], ["stock", "/stock"], ["log", "/log"], ["access", "/settings"]];

(async () => {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const phone = { viewport: { width: 390, height: 844 }, locale: "ru-KZ", hasTouch: true, isMobile: true };
  const context = await browser.newContext(phone);
  context.setDefaultTimeout(LONG);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (line) => { if (line.type() === "error" && !/status of (409|401)/.test(line.text())) problems.push(line.text()); });

  await page.goto(link);
  check((await context.cookies()).length === 0, "looking at a link sets no cookie");
  await page.screenshot({ path: `${shots}/sign-in.png` });
  await page.getByRole("button", { name: "Войти" }).tap();
  await page.waitForURL(`${base}/`);
  const [cookie] = await context.cookies();
  check(cookie.httpOnly && cookie.sameSite === "Strict", "the cookie is strict and hidden from scripts");
  done("signed in by a link");

  await page.goto(`${base}/waiting`);
  await page.locator("article").first().waitFor();
  const before = await page.locator("article").count();
  await page.evaluate(() => { window.isSamePage = true; });
  await page.waitForFunction((count) => document.querySelectorAll("article").length > count, before);
  check(await page.evaluate(() => window.isSamePage === true), "an order arrives without the page being loaded again");
  done("a held order arrives without reloading");

  const first = page.locator("article").first();
  const code = (await first.locator("h2 a").textContent()).trim();
  await first.getByRole("button", { name: `Принять заказ ${code}` }).tap();
  const sure = page.getByRole("button", { name: "Да, принять" });
  await page.locator(".done").or(sure).first().waitFor();
  if (await sure.count()) {
    await page.screenshot({ path: `${shots}/confirm.png` });
    await sure.tap();
  }
  await page.locator(".done").waitFor();
  check((await page.locator(".done").textContent()).includes(code), "what was done is said");
  await page.goto(`${base}/orders?q=${code}`);
  await page.waitForURL(/\/orders\/.*shop=/);
  await page.getByText("принят", { exact: true }).first().waitFor();
  await page.screenshot({ path: `${shots}/order.png`, fullPage: true });
  done("accepted with two taps at 390 px, found by its number, and Kaspi shows it");

  await page.goto(`${base}/waiting`);
  const second = page.locator("article").first();
  const other = (await second.locator("h2 a").textContent()).trim();
  await second.getByRole("link", { name: `Отменить заказ ${other}` }).tap();
  await page.getByRole("button", { name: "Отменить заказ" }).waitFor();
  await page.screenshot({ path: `${shots}/cancel.png`, fullPage: true });
  await page.getByLabel("Не удаётся связаться с покупателем").tap();
  await page.getByLabel("Комментарий").fill("не отвечает");
  await page.getByRole("button", { name: "Отменить заказ" }).tap();
  const certain = page.getByRole("button", { name: "Да, отменить" });
  await page.locator(".done").or(certain).first().waitFor();
  if (await certain.count()) await certain.tap();
  await page.locator(".done").waitFor();
  await page.goto(`${base}/orders?q=${other}`);
  await page.getByText("отменён", { exact: true }).first().waitFor();
  done("cancelled with a reason, and Kaspi shows it");

  await page.goto(`${base}/`);
  await page.getByRole("button", { name: "Пауза" }).tap();
  await page.getByText("на паузе", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Продолжить работу" }).tap();
  await page.getByText("работает", { exact: true }).waitFor();
  done("paused and resumed");

  // The keyboard alone: from the top of the page to a decision about the first card.
  await page.goto(`${base}/waiting`);
  await page.locator("article").first().waitFor();
  let reached = "";
  for (let n = 0; n < 60 && !reached.startsWith("keep-"); n += 1) {
    await page.keyboard.press("Tab");
    reached = await page.evaluate(() => document.activeElement.id);
  }
  check(reached.startsWith("keep-"), "the buttons of a card are reached by Tab");
  await page.keyboard.press("Enter");
  await page.locator(".done").waitFor();
  done("kept by the keyboard alone");

  await context.addInitScript(axe);
  for (const lang of ["ru", "kk", "en"]) {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [name, path] of SCREENS) {
        await page.goto(`${base}${path}?lang=${lang}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - 390);
        check(wide <= 0, `${name} ${lang}: nothing is cut off at 390 px (${wide} px)`);
        await page.screenshot({ path: `${shots}/${name}-${lang}-${scheme}.png` });
        const found = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
        const serious = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
        for (const one of serious) check(false, `axe, ${name} ${lang} ${scheme}: ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
      }
    }
  }
  done("every screen in three languages and two schemes, without serious findings of axe");

  const wide = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "ru-KZ", storageState: await context.storageState() });
  const desk = await wide.newPage();
  for (const [name, path] of SCREENS) {
    await desk.goto(`${base}${path}`);
    await desk.screenshot({ path: `${shots}/${name}-wide.png` });
  }
  await wide.close();

  // Without scripts a page is read and an order is decided too.
  const plain = await browser.newContext({ ...phone, javaScriptEnabled: false, storageState: await context.storageState() });
  const still = await plain.newPage();
  await still.goto(`${base}/waiting`);
  const card = still.locator("article").first();
  await card.waitFor();
  await card.getByRole("button", { name: /Оставить|Отпустить/ }).tap();
  await still.locator(".done").waitFor();
  done("decided without scripts");

  check(problems.length === 0, `nothing is written to the console: ${problems.slice(0, 5).join(" | ")}`);
  await browser.close();
  if (failures > 0) { console.log(`${failures} failed`); process.exit(1); }
})().catch((error) => { console.error(error); process.exit(1); });
