// Runs the official MCP conformance suite against build/conformance-host.
//
//   node run.mjs HOST_BINARY NODE_MODULES
//
// Starts the host on a free port, runs every leg with the one baseline.yml beside this file, and
// ends with the line `N passed, N failed`. Exit 0: everything passed except what the baseline
// lists, and everything it lists still fails. Nothing is installed or downloaded here.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LEG_SECONDS_MAX = 180;
const HOST_START_SECONDS_MAX = 10;
const HOST_STOP_SECONDS_MAX = 10;
const BASELINE = join(dirname(fileURLToPath(import.meta.url)), 'baseline.yml');

// `scenarios` pins how many the suite runs: a leg that silently shrinks is a failure.
const LEGS = [
  { name: 'requirements 2025-11-25', scenarios: 33, args: ['--requirements', '2025-11-25'] },
  { name: 'requirements 2026-07-28', scenarios: 50, args: ['--requirements', '2026-07-28'] },
  ...[
    ['2025-03-26', 1],
    ['2025-06-18', 27],
    ['2025-11-25', 33],
    ['2026-07-28', 40],
  ].map(([revision, scenarios]) => ({
    name: `all @${revision}`,
    scenarios,
    args: ['--suite', 'all', '--spec-version', revision],
  })),
  { name: 'all', scenarios: 65, args: ['--suite', 'all'] },
];

async function main() {
  const [hostBinary, nodeModules] = process.argv.slice(2);
  if (!hostBinary || !nodeModules) {
    console.error('usage: node run.mjs HOST_BINARY NODE_MODULES');
    process.exit(2);
  }
  const suite = {
    // The suite needs Node 22 or later, which the system may not have: the pinned package does.
    node: join(nodeModules, 'node/bin/node'),
    entry: join(nodeModules, '@modelcontextprotocol/conformance/dist/index.js'),
  };
  const baseline = readBaseline(BASELINE);
  const host = await startHost(hostBinary);
  const results = [];
  const problems = [];
  try {
    for (const leg of LEGS) results.push(await runLeg(leg, suite, host.url, baseline));
  } finally {
    const end = await host.stop();
    if (end !== 0) problems.push(`the host ended with ${end} on SIGTERM instead of 0`);
  }
  for (const entry of unusedEntries(baseline, results)) {
    problems.push(`baseline: ${entry} failed in no leg: remove it`);
  }
  process.exitCode = report(results, problems);
}

// Entries are `scenario` or `scenario:check-id`; the map gives a scenario's checks, or null when
// the scenario is listed as a whole.
function readBaseline(file) {
  const entries = new Map();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const entry = line.match(/^\s*-\s+([^\s#]+)/)?.[1];
    if (!entry) continue;
    const [scenario, check] = entry.split(':');
    if (!check) entries.set(scenario, null);
    else entries.set(scenario, [...(entries.get(scenario) ?? []), check]);
  }
  return entries;
}

// Resolves once the host has printed its address. `stop` ends it and gives its exit code, or the
// signal that it died of.
function startHost(binary) {
  const host = spawn(binary, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => {
    host.once('exit', (code, signal) => resolve(signal ?? code));
  });
  const stop = async () => {
    const timer = setTimeout(() => host.kill('SIGKILL'), HOST_STOP_SECONDS_MAX * 1000);
    host.kill('SIGTERM');
    const end = await ended;
    clearTimeout(timer);
    return end;
  };
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      host.kill('SIGKILL');
      reject(new Error(`the host printed no address in ${HOST_START_SECONDS_MAX} s`));
    }, HOST_START_SECONDS_MAX * 1000);
    const fail = (reason) => {
      clearTimeout(timer);
      reject(new Error(reason));
    };
    host.once('error', (error) => fail(`the host cannot be run: ${error.message}`));
    host.once('exit', (code) => fail(`the host ended at once, exit code ${code}`));
    let output = '';
    host.stdout.on('data', (chunk) => {
      output += chunk;
      const url = output.match(/^listening on (http:\S+)\n/m)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve({ url, stop });
    });
  });
}

async function runLeg(leg, suite, url, baseline) {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const args = [suite.entry, 'server', '--url', url, ...leg.args];
    const run = await runSuite(suite.node, [
      ...args,
      '--expected-failures',
      BASELINE,
      '--output-dir',
      folder,
    ]);
    const scenarios = readScenarios(folder).map((s) => ({ ...s, ...judge(s, baseline) }));
    const problems = scenarios.flatMap((s) => s.problems);
    if (run.code !== 0) problems.push(`the suite ended with ${run.code}`);
    if (scenarios.length !== leg.scenarios) {
      problems.push(`${scenarios.length} scenarios were run instead of ${leg.scenarios}`);
    }
    return { leg, scenarios, problems, output: run.output };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runSuite(node, args) {
  return new Promise((resolve, reject) => {
    const run = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    run.stdout.on('data', (chunk) => (output += chunk));
    run.stderr.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => run.kill('SIGKILL'), LEG_SECONDS_MAX * 1000);
    run.once('error', reject);
    run.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: signal ? `${signal}, after at most ${LEG_SECONDS_MAX} s` : code, output });
    });
  });
}

// The suite writes one folder per scenario: server-NAME-TIMESTAMP/checks.json.
function readScenarios(folder) {
  return readdirSync(folder).map((entry) => ({
    name: entry.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, ''),
    checks: JSON.parse(readFileSync(join(folder, entry, 'checks.json'), 'utf8')),
  }));
}

// The suite's own rules for a baseline, applied to unscored scenarios too: a warning is a failure,
// and an entry that passes must leave the baseline.
function judge({ name, checks }, baseline) {
  const bad = checks.filter((c) => c.status === 'FAILURE' || c.status === 'WARNING');
  const failing = new Set(bad.map((c) => c.id));
  const listed = baseline.get(name);
  const problems = [];
  if (listed === null && failing.size === 0) {
    problems.push(`${name} passes: remove it from the baseline`);
  }
  for (const check of listed ?? []) {
    if (checks.some((c) => c.id === check && c.status === 'SUCCESS') && !failing.has(check)) {
      problems.push(`${name}:${check} passes: remove it from the baseline`);
    }
  }
  if (listed !== null) {
    for (const { id, status, errorMessage } of bad) {
      if (!listed?.includes(id)) problems.push(`${name}:${id} ${status}: ${errorMessage ?? ''}`);
    }
  }
  return { failing, problems };
}

// The suite ignores entries that match nothing, so a misspelt one would stay for ever.
function unusedEntries(baseline, results) {
  const failed = new Set();
  for (const { name, failing } of results.flatMap((r) => r.scenarios)) {
    if (failing.size > 0) failed.add(name);
    for (const id of failing) failed.add(`${name}:${id}`);
  }
  const entries = [...baseline].flatMap(([scenario, checks]) =>
    checks === null ? [scenario] : checks.map((check) => `${scenario}:${check}`),
  );
  return entries.filter((entry) => !failed.has(entry));
}

// Prints the table, then every problem, then the totals; returns the exit code. `runProblems`
// belong to no leg.
function report(results, runProblems) {
  const totals = { passed: 0, failed: runProblems.length };
  const row = (leg, ...cells) => leg.padEnd(26) + cells.map((c) => String(c).padStart(11)).join('');
  console.log(row('leg', 'scenarios', 'passed', 'baseline', 'failed'));
  for (const { leg, scenarios, problems } of results) {
    const failed = scenarios.filter((s) => s.problems.length > 0).length;
    const passed = scenarios.filter((s) => s.failing.size === 0 && s.problems.length === 0).length;
    const expected = scenarios.length - passed - failed;
    // A problem of the leg itself, such as a timeout, counts even when no scenario failed.
    const counted = Math.max(failed, Math.min(problems.length, 1));
    console.log(row(leg.name, scenarios.length, passed, expected, counted));
    totals.passed += passed;
    totals.failed += counted;
  }
  for (const { leg, problems, output } of results) {
    for (const problem of problems) console.log(`${leg.name}: ${problem}`);
    if (problems.length === 0) continue;
    console.log(`${leg.name}: the suite's last words:\n${tail(output, 40)}`);
  }
  for (const problem of runProblems) console.log(problem);
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
  return totals.failed === 0 ? 0 : 1;
}

function tail(text, lines) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

await main();
