// Draws the chart of query_metrics as an MCP Apps host does, and compares what is drawn.
//
//   node run.mjs FOLDER SYSMOND [--html FILE]
//
// FOLDER has the browser driver in node_modules and gets the pictures. The page comes from sysmond
// over MCP; --html shows a file instead, for work on the page.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { Checks, METRIC, UNKNOWN_METRIC } from '../clients/expect.mjs';
import { answer, cpu, HOSTILE, hostile, toTheEdge, traffic, unmeasured } from './histories.mjs';
import { APP_MIME, LegacyClient, ModernClient, startServer } from './server.mjs';
import { openView } from './view.mjs';

const APP_URI = 'ui://sysmond/metric-chart';
// WCAG 2.2, 1.4.3: the least contrast of text.
const CONTRAST_MIN = 4.5;
const CHART_TEXTS = ['h1', '#about', '#latest', '.x-tick', '.y-tick', '.x-label', '.y-label',
  '#summary dt', '#summary dd'];

async function main() {
  const [folder, binary, option, file] = process.argv.slice(2);
  if (!folder || !binary || (option && (option !== '--html' || !file))) {
    console.error('usage: node run.mjs FOLDER SYSMOND [--html FILE]');
    process.exit(2);
  }
  const checks = new Checks();
  const server = await startServer(binary);
  let browser;
  try {
    const modern = new ModernClient(server.url);
    const legacy = await new LegacyClient(server.url).connect();
    const html = file ? readFileSync(file, 'utf8') : await appOf(checks, [modern, legacy]);
    const live = await measure(checks, [modern, legacy]);
    browser = await launch(folder);
    await trap(checks, browser);
    const views = new Views(browser, html, (name) => join(folder, name));
    for (const part of PARTS) {
      console.log(`${part.name}:`);
      await part(checks, views, live);
    }
  } finally {
    await browser?.close();
    const end = await server.stop();
    checks.equal(end, 0, 'exit code of sysmond');
  }
  console.log(`${checks.count} checks passed; the pictures are in ${folder}`);
}

/** Finds the page as a host does: from the tool, by both eras, which must agree. */
async function appOf(checks, clients) {
  const pages = [];
  for (const client of clients) {
    const { tools } = await client.call('tools/list');
    const tool = tools.find((each) => each.name === 'query_metrics');
    checks.equal(tool._meta?.ui?.resourceUri, APP_URI, `${client.name}: page of query_metrics`);
    const { contents } = await client.call('resources/read', { uri: APP_URI });
    checks.equal(contents.length, 1, `${client.name}: number of contents`);
    const [content] = contents;
    checks.equal(content.uri, APP_URI, `${client.name}: URI of the page`);
    checks.equal(content.mimeType, APP_MIME, `${client.name}: type of the page`);
    const csp = content._meta?.ui?.csp;
    checks.that(csp && Object.values(csp).every((domains) => domains.length === 0),
      `${client.name}: the page asks for no domain`, content._meta);
    checks.that(content.text?.startsWith('<!DOCTYPE html>'), `${client.name}: is HTML5`, content);
    pages.push(content.text);
  }
  checks.that(pages[0] === pages[1], 'both eras get the same page');
  return pages[0];
}

/** Answers of a live query and of one that fails, as the host passes them to the page. */
async function measure(checks, clients) {
  const results = [];
  for (const client of clients) {
    // Ends after that many measurements, so that there is a line to draw.
    await client.call('tools/call',
      { name: 'watch_metric', arguments: { metric: METRIC, seconds: 2 } });
    const query = (metric) =>
      client.call('tools/call', { name: 'query_metrics', arguments: { metric } });
    const result = await query(METRIC);
    checks.metric(result);
    const failure = await query(UNKNOWN_METRIC);
    checks.unknownMetric(failure);
    results.push({ client: client.name, result, failure });
  }
  return results;
}

function launch(folder) {
  const require = createRequire(join(resolve(folder), 'package.json'));
  const { chromium } = require('playwright-core');
  const executablePath = execFileSync('sh', ['-c', 'command -v chromium']).toString().trim();
  return chromium.launch({
    executablePath,
    // Root may not use the sandbox; nothing here may talk to anybody.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** Shows that the frame stops and reports a page that misbehaves: else silence proves nothing. */
async function trap(checks, browser) {
  const elsewhere = 'http://127.0.0.1:9/';
  const view = await openView(browser);
  const stopped = view.page.waitForEvent('console',
    (message) => message.text().includes('Content Security Policy'));
  await view.load(`<!DOCTYPE html><img src="${elsewhere}"><script>
    let evaluated = true;
    try { eval('1'); } catch { evaluated = false; }
    parent.postMessage({ method: 'ui/initialize', evaluated }, '*');
    </script>`, {});
  const { evaluated } = await view.said('method', 'ui/initialize');
  checks.equal(evaluated, false, 'whether a page may evaluate text');
  await stopped;
  // Besides the complaint, the browser sometimes reports the request that it has stopped.
  checks.that(view.problems.length > 0 && view.problems.every((one) => one.includes(elsewhere)),
    'a page that loads an image is reported', view.problems);
  await view.page.close();
}

class Views {
  constructor(browser, html, path) {
    Object.assign(this, { browser, html, path });
  }

  /** Shows `result` in a page of its own and ends with a check that the page was quiet. */
  async show(checks, context, result, look, colorScheme = 'light') {
    const view = await openView(this.browser, colorScheme);
    await view.open(this.html, context);
    if (result) await view.result(result, { metric: result.structuredContent?.metric });
    await look(view);
    checks.equal(view.problems, [], 'errors and requests of the page');
    await view.page.close();
  }
}

async function handshake(checks, views) {
  await views.show(checks, { theme: 'light' }, null, async (view) => {
    const hello = await view.said('method', 'ui/initialize');
    checks.equal(hello.params.protocolVersion, '2026-01-26', 'revision of MCP Apps');
    const { name, version } = hello.params.appInfo;
    checks.that(name && version, 'app has a name and a version', hello);
    checks.that(hello.params.appCapabilities, 'app has capabilities', hello);
    await view.notify('tool-input', { arguments: { metric: METRIC } });
    const { title, message, chart } = await view.drawn();
    checks.equal([title, chart], [METRIC, false], 'title before the result');
    checks.that(message, 'says that it waits', message);
    checks.equal((await view.ask('ping')).result, {}, 'answer to ping');
    checks.equal((await view.ask('ui/resource-teardown')).result, {}, 'answer to teardown');
    checks.equal((await view.ask('ui/unheard-of')).error.code, -32601, 'answer to other requests');
  });
  const view = await openView(views.browser);
  const error = { error: { code: -32000, message: HOSTILE } };
  await view.load(views.html, {}, error);
  await view.frame.waitForSelector('#message.failed');
  const { message } = await view.drawn();
  checks.that(message.includes(HOSTILE), 'a refusal of the host is shown as text', message);
  await view.page.close();
}

async function themes(checks, views) {
  const seen = {};
  for (const theme of ['light', 'dark']) {
    // The browser prefers the other one: the host decides.
    const other = theme === 'light' ? 'dark' : 'light';
    await views.show(checks, { theme }, answer(cpu()), async (view) => {
      seen[theme] = await colours(checks, view, CHART_TEXTS);
      await view.screenshot(views.path(`${theme}.png`));
      await view.notify('host-context-changed', { theme: other });
      seen[`${theme} to ${other}`] = await colours(checks, view, CHART_TEXTS);
    }, other);
    await views.show(checks, {}, answer(cpu()), async (view) => {
      same(checks, await colours(checks, view, CHART_TEXTS), seen[theme], `preferred ${theme}`);
    }, theme);
  }
  const { light, dark } = seen;
  checks.that(light.background !== dark.background, 'backgrounds differ', seen);
  checks.that(light.colours.every(([, colour], i) => colour !== dark.colours[i][1]),
    'colours of texts differ', seen);
  same(checks, [seen['light to dark'], seen['dark to light']], [dark, light], 'changed themes');
  const variables = { '--color-background-primary': 'light-dark(#fffff0, #101010)', '--evil': 'x' };
  const context = { theme: 'dark', styles: { variables } };
  await views.show(checks, context, answer(cpu()), async (view) => {
    const { background } = await colours(checks, view, CHART_TEXTS);
    checks.equal(background, 'rgb(16, 16, 16)', 'background of the host');
    const evil = await view.frame.evaluate(
      () => document.documentElement.style.getPropertyValue('--evil'));
    checks.equal(evil, '', 'a variable that is not known');
  });
}

async function colours(checks, view, selectors) {
  const seen = await view.colours(selectors);
  checks.that(seen.contrasts.every(([, ratio]) => ratio >= CONTRAST_MIN), 'texts stand out', seen);
  return { background: seen.background, colours: seen.colours };
}

async function lines(checks, views) {
  await views.show(checks, {}, answer(cpu()), async (view) => {
    const drawn = await view.drawn();
    compare(checks, drawn, cpu());
    checks.equal(drawn.runs, 3, 'runs between the gaps');
    checks.equal(plain(drawn.latest), '63.1%', 'latest value');
    checks.equal(drawn.summary.map((row) => row.map(plain).join(' ')),
      ['min 7.2%', 'avg 42.5%', 'max 72.7%', 'no value 7 of 60 points'], 'summary');
    checks.equal(plain(drawn.about), 'Last 60 s, one value per second', 'what the points are');
    checks.equal(drawn.yTicks, ['0', '20', '40', '60', '80'], 'values at the axis');
    checks.equal(drawn.xTicks, ['00', '10', '20', '30', '40', '50'].map((s) => `12:00:${s}`),
      'times at the axis');
    checks.equal([drawn.yLabel, drawn.xLabel], ['%', 'time, UTC'], 'axis labels');
  });
  await views.show(checks, {}, answer(traffic()), async (view) => {
    const drawn = await view.drawn();
    compare(checks, drawn, traffic());
    checks.equal(plain(drawn.latest), '280 kB/s', 'latest value');
    checks.equal(plain(drawn.summary[0][1]), '750 B/s', 'smallest value');
    checks.equal(plain(drawn.about), 'Last 1 h, average of every 10 s', 'what the points are');
    checks.equal([drawn.yLabel, drawn.yTicks.at(-1)], ['MB/s', '4'], 'unit and top of the axis');
    await view.screenshot(views.path('traffic.png'));
  });
}

async function live(checks, views, results) {
  for (const { client, result, failure } of results) {
    await views.show(checks, { theme: 'light' }, result, async (view) => {
      const drawn = await view.drawn();
      compare(checks, drawn, result.structuredContent);
      const shown = Number(plain(drawn.latest).replace('%', ''));
      const { last } = result.structuredContent.summary;
      checks.that(Math.abs(shown - last) <= 0.005 * last, `${client}: latest value`, [shown, last]);
      await view.screenshot(views.path(`live-${client}.png`));
      // Hosts may leave the structure out: the text alone must do.
      await view.result({ content: result.content });
      same(checks, await view.drawn(), drawn, `${client}: chart from the text`);
      await view.result(failure);
      const failed = await view.drawn();
      checks.that(failed.failed && !failed.chart && failed.message === failure.content[0].text,
        `${client}: failure is shown`, failed);
      await colours(checks, view, ['#message']);
      await view.screenshot(views.path('failure.png'));
      await view.result(result);
      same(checks, await view.drawn(), drawn, `${client}: chart after a failure`);
    });
  }
}

/** Compares what is drawn with the answer, in the ways that hold for every answer. */
function compare(checks, drawn, history) {
  const values = history.points.filter((point) => point.v !== null).map((point) => point.v);
  checks.equal([drawn.title, drawn.chart, drawn.message], [history.metric, true, null], 'title');
  checks.equal(drawn.points.length, values.length, 'number of points');
  const signs = (list) => list.slice(1).map((value, i) => Math.sign(value - list[i]));
  // Down is positive. Rounded to hundredths of a pixel, two neighbours may share a height.
  const falls = signs(drawn.points.map(([, y]) => y));
  checks.that(signs(values).every((up, i) => falls[i] === -up || falls[i] === 0),
    'the line rises and falls with the values', [drawn.points, values]);
  checks.that(signs(drawn.points.map(([x]) => x)).every((right) => right === 1),
    'the line goes on with time', drawn.points);
  checks.that(drawn.xTicks.length >= 2 && drawn.yTicks.length >= 3, 'both axes have marks', drawn);
  checks.that(drawn.xLabel && drawn.yLabel, 'both axes have labels', drawn);
  checks.that(drawn.role === 'img' && drawn.ariaLabel.includes(history.metric)
    && drawn.ariaLabel.includes(drawn.latest), 'the chart is described', drawn.ariaLabel);
  checks.equal(drawn.rows, history.points.length, 'rows of the table for screen readers');
  checks.that(drawn.caption.includes(drawn.latest), 'the table sums up', drawn.caption);
  inside(checks, drawn);
}

function inside(checks, drawn) {
  checks.equal([drawn.outside, drawn.overflow], [[], false], 'what does not fit');
}

async function sizes(checks, views) {
  await views.show(checks, { theme: 'dark' }, answer(cpu()), async (view) => {
    const wide = await view.drawn();
    await view.resize(320);
    const narrow = await view.drawn();
    compare(checks, narrow, cpu());
    checks.that(narrow.points.at(-1)[0] < 320 && wide.points.at(-1)[0] > 500, 'fills the width',
      [narrow.points.at(-1), wide.points.at(-1)]);
    await view.screenshot(views.path('narrow.png'));
    await view.page.evaluate("host.frame.style.height = '400px'");
    await view.notify('host-context-changed', { containerDimensions: { height: 400, width: 320 } });
    const tall = await view.frame.evaluate("document.querySelector('#plot').clientHeight");
    checks.that(tall > 230, 'fills a fixed height', tall);
    inside(checks, await view.drawn());
  });
}

/** Draws at every second of the largest step between ticks: where they fall is the clock's. */
async function edges(checks, views) {
  const context = { styles: { variables: { '--font-sans': 'monospace' } } };
  await views.show(checks, context, null, async (view) => {
    for (const width of [320, 640]) {
      await view.resize(width);
      for (let phase = 0; phase < 20; phase += 1) {
        await view.result(answer(toTheEdge(phase)));
        compare(checks, await view.drawn(), toTheEdge(phase));
      }
    }
  });
}

async function readout(checks, views) {
  await views.show(checks, {}, answer(cpu()), async (view) => {
    const shown = async () => plain(await view.frame.textContent('#readout:not([hidden])'));
    const [x, y] = (await view.drawn()).points[10];
    await view.frame.hover('#chart', { position: { x: x + 1, y } });
    checks.equal(await shown(), `12:00:10 ${cpu().points[10].v}%`, 'under the pointer');
    await view.screenshot(views.path('readout.png'));
    await view.frame.hover('h1');
    await view.frame.waitForSelector('#readout', { state: 'hidden' });
    await view.frame.focus('#chart');
    await view.page.keyboard.press('ArrowLeft');
    checks.equal(await shown(), `12:00:59 ${cpu().points[59].v}%`, 'last, by key');
    await view.page.keyboard.press('Home');
    checks.equal(await shown(), `12:00:00 ${cpu().points[0].v}%`, 'first, by key');
    for (let i = 0; i < 21; i += 1) await view.page.keyboard.press('ArrowRight');
    checks.equal(await shown(), '12:00:21 no value', 'in a gap, by key');
    await view.page.keyboard.press('Escape');
    await view.frame.waitForSelector('#readout', { state: 'hidden' });
  });
}

async function messages(checks, views) {
  const nothing = { content: [], structuredContent: { ...unmeasured(), points: [] } };
  const strange = { content: [{ type: 'text', text: 'forty-two' }] };
  const failed = { content: [{ type: 'text', text: HOSTILE }], isError: true };
  await views.show(checks, {}, null, async (view) => {
    for (const [result, wrong, words] of [
      [answer(unmeasured()), false, 'Nothing was measured'],
      [nothing, false, 'Nothing was measured'],
      [strange, true, 'not the history of a metric'],
      [{}, true, 'not the history of a metric'],
      [failed, true, HOSTILE],
      [{ isError: true }, true, 'failed'],
    ]) {
      await view.result(result);
      const drawn = await view.drawn();
      checks.equal([drawn.chart, drawn.failed], [false, wrong], 'chart is left out');
      checks.that(drawn.message?.includes(words), `says: ${words}`, drawn.message);
      inside(checks, drawn);
    }
    await view.notify('tool-cancelled', { reason: HOSTILE });
    checks.that((await view.drawn()).message.includes('cancelled'), 'says that it was cancelled');
  });
}

async function strangers(checks, views) {
  await views.show(checks, {}, answer(hostile()), async (view) => {
    const drawn = await view.drawn();
    checks.equal(drawn.title, HOSTILE, 'title');
    checks.equal(drawn.yLabel, HOSTILE, 'unit');
    checks.equal([drawn.foreign, drawn.scripts], [0, 1], 'elements that were not in the page');
    checks.equal(await view.frame.title(), 'Metric chart', 'title of the document');
    checks.equal(drawn.overflow, false, 'overflow');
  });
  await views.show(checks, {}, answer(cpu()), async (view) => {
    await view.frame.evaluate(() => {
      window.strangers = 0;
      addEventListener('message', ({ source }) => { window.strangers += source !== parent; });
    });
    const before = await view.drawn();
    const params = answer(hostile());
    await view.page.evaluate((message) => host.intrude(message),
      { jsonrpc: '2.0', method: 'ui/notifications/tool-result', params });
    await view.frame.waitForFunction(() => window.strangers === 1);
    same(checks, await view.drawn(), before, 'after a message of another frame');
  });
}

// For values too long to be printed when all is well.
function same(checks, seen, wanted, what) {
  checks.that(JSON.stringify(seen) === JSON.stringify(wanted), `${what}: the same`, [seen, wanted]);
}

// Spaces that must not break are spaces here.
const plain = (text) => text.replace(/\s+/g, ' ');

const PARTS = [handshake, themes, lines, live, sizes, edges, readout, messages, strangers];

await main();
