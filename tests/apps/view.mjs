// One app in a sandboxed frame of host.html, as an MCP Apps host shows it, and what it has drawn.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HOST_PAGE = readFileSync(fileURLToPath(new URL('host.html', import.meta.url)), 'utf8');

// Fixed, so that the wanted texts can be written down.
export const PLACE = { locale: 'en-GB', timeZone: 'UTC' };

/** Opens a page of its own; `problems` collects every request and every error of the page. */
export async function openView(browser, colorScheme = 'light') {
  const page = await browser.newPage({ colorScheme, viewport: { width: 720, height: 480 } });
  const problems = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => problems.push(`request of ${request.url()}`));
  await page.setContent(HOST_PAGE);
  return new View(page, problems);
}

class View {
  constructor(page, problems) {
    this.page = page;
    this.problems = problems;
  }

  /** Loads the app and waits until it has ended its handshake. */
  async open(html, context) {
    await this.load(html, { ...PLACE, ...context });
    await this.said('method', 'ui/notifications/initialized');
  }

  /** Loads the app; `answer` replaces the host's usual answer to ui/initialize. */
  async load(html, context, answer) {
    await this.page.evaluate((args) => host.open(...args), [html, context, answer ?? null]);
    const element = await this.page.waitForSelector('iframe');
    this.frame = await element.contentFrame();
    await this.said('method', 'ui/initialize');
  }

  /** Waits for the app's message whose `member` has this value. */
  async said(member, value) {
    const found = await this.page.waitForFunction(
      ([key, wanted]) => host.said.find((message) => message[key] === wanted), [member, value]);
    return found.jsonValue();
  }

  async notify(method, params) {
    await this.page.evaluate((args) => host.notify(...args), [method, params]);
    await this.settle();
  }

  async result(result, input = {}) {
    await this.notify('tool-input', { arguments: input });
    await this.notify('tool-result', result);
  }

  /** Returns the app's answer to a request of the host. */
  async ask(method, params = {}) {
    const id = await this.page.evaluate((args) => host.ask(...args), [method, params]);
    return this.said('id', id);
  }

  /** Waits until the app has dealt with all earlier messages and the frame has its height. */
  async settle() {
    await this.ask('ping');
    await this.frame.waitForFunction(() =>
      Math.ceil(document.querySelector('main').getBoundingClientRect().height) === innerHeight);
  }

  async resize(width) {
    await this.page.evaluate((px) => { host.frame.style.width = `${px}px`; }, width);
    await this.frame.waitForFunction((px) => {
      const plot = document.querySelector('#plot').clientWidth;
      const drawn = document.querySelector('#chart').viewBox.baseVal?.width;
      return innerWidth === px && drawn === plot;
    }, width);
    await this.settle();
  }

  async screenshot(file) {
    await (await this.page.$('iframe')).screenshot({ path: file });
  }

  /** Returns everything that is drawn, as plain values. */
  drawn() {
    return this.frame.evaluate(() => {
      const text = (selector) => document.querySelector(selector)?.textContent;
      const all = (selector) => [...document.querySelectorAll(selector)];
      const texts = (selector) => all(selector).map((each) => each.textContent);
      const shown = (selector) => all(selector).some((each) => each.getClientRects().length);
      const path = document.querySelector('path.line')?.getAttribute('d') ?? '';
      const chart = document.querySelector('#chart');
      const box = chart.getBoundingClientRect();
      return {
        title: text('h1'),
        about: text('#about'),
        latest: text('#latest'),
        message: shown('#message') ? text('#message') : null,
        failed: shown('#message.failed'),
        chart: shown('#chart'),
        points: [...path.matchAll(/[ML]([-\d.]+),([-\d.]+)/g)].map((found) =>
          [Number(found[1]), Number(found[2])]),
        runs: [...path.matchAll(/M/g)].length,
        xTicks: texts('.x-tick'),
        yTicks: texts('.y-tick'),
        xLabel: text('.x-label'),
        yLabel: text('.y-label'),
        summary: texts('#summary dt').map((name, i) => [name, texts('#summary dd')[i]]),
        role: chart.getAttribute('role'),
        ariaLabel: chart.getAttribute('aria-label'),
        rows: texts('#table tbody tr').length,
        caption: text('#table caption'),
        outside: all('#chart text').filter((each) => {
          const own = each.getBoundingClientRect();
          return own.left < box.left - 1 || own.right > box.right + 1
            || own.top < box.top - 1 || own.bottom > box.bottom + 1;
        }).map((each) => each.textContent),
        overflow: document.documentElement.scrollWidth > innerWidth
          || document.documentElement.scrollHeight > innerHeight,
        foreign: document.querySelectorAll('img, iframe, a, body script ~ script').length,
        scripts: document.scripts.length,
      };
    });
  }

  /** Returns the colours of `selectors` that are there, each with the background behind it. */
  async colours(selectors) {
    const seen = await this.frame.evaluate((wanted) => {
      const style = (selector) => getComputedStyle(document.querySelector(selector));
      const inSvg = (selector) => document.querySelector(selector) instanceof SVGElement;
      return {
        background: style('body').backgroundColor,
        colours: wanted.map((each) => [each, inSvg(each) ? style(each).fill : style(each).color]),
      };
    }, selectors);
    return { ...seen, contrasts: seen.colours.map(([name, colour]) =>
      [name, contrast(colour, seen.background)]) };
  }
}

// WCAG 2.2, the definitions of contrast ratio and relative luminance.
function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour) {
  const channels = colour.match(/^rgb\((\d+), (\d+), (\d+)\)$/)?.slice(1);
  if (!channels) throw new Error(`${colour} is not an opaque colour`);
  const [r, g, b] = channels.map((channel) => channel / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
