// Runs the official MCP conformance suite against build/conformance-host.
//
//   node run.mjs [--markdown] HOST_BINARY NODE_MODULES
//
// Starts the host on a free port, runs every leg and ends with the line `N passed, N failed`.
// Exit 0: every scenario of every leg passed, without a warning. --markdown prints the table as
// the README has it. Nothing is installed or downloaded here. The suite needs Node 22 or later and
// runs in the same as this.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LEG_SECONDS_MAX = 180;
const HOST_START_SECONDS_MAX = 10;
const HOST_STOP_SECONDS_MAX = 10;

const SUITE = '@modelcontextprotocol/conformance';
// The last series that knows no revision after 2025-11-25; published results quote its numbers.
const FIRST_SUITE = 'conformance-0-1';

// `scenarios` pins how many the suite runs, `scored` how many of them a revision requires: a leg
// that silently shrinks is a failure.
const LEGS = [
  ...[
    ['2025-11-25', 33, 30],
    ['2026-07-28', 50, 37],
  ].map(([revision, scenarios, scored]) => ({
    name: `requirements ${revision}`,
    suite: SUITE,
    revision,
    scenarios,
    scored,
    args: ['--requirements', revision],
  })),
  ...[
    ['2025-03-26', 1],
    ['2025-06-18', 27],
    ['2025-11-25', 33],
    ['2026-07-28', 40],
  ].map(([revision, scenarios]) => ({
    name: `all @${revision}`,
    suite: SUITE,
    scenarios,
    args: ['--suite', 'all', '--spec-version', revision],
  })),
  { name: 'all', suite: SUITE, scenarios: 65, args: ['--suite', 'all'] },
  { name: '0.1.16 active', suite: FIRST_SUITE, scenarios: 30, args: ['--suite', 'active'] },
];

// Scenarios that may check nothing, and why. All others have to succeed in something.
const MAY_BE_SKIPPED = new Map([
  ['tasks-status-notifications', 'the suite has no checks for it yet'],
  ['sep-2640-skills-enumeration', 'an extension that the host does not have'],
  ['sep-2640-skills-manifest', 'an extension that the host does not have'],
  ['sep-2640-skills-directory', 'an extension that the host does not have'],
]);

async function main() {
  const markdown = process.argv[2] === '--markdown';
  const [hostBinary, nodeModules] = process.argv.slice(markdown ? 3 : 2);
  if (!hostBinary || !nodeModules) {
    console.error('usage: node run.mjs [--markdown] HOST_BINARY NODE_MODULES');
    process.exit(2);
  }
  const host = await startHost(hostBinary);
  const results = [];
  const problems = [];
  try {
    for (const leg of LEGS) results.push(await runLeg(leg, nodeModules, host.url));
  } finally {
    const end = await host.stop();
    if (end !== 0) problems.push(`the host ended with ${end} on SIGTERM instead of 0`);
  }
  process.exitCode = report(results, problems, markdown);
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

async function runLeg(leg, nodeModules, url) {
  const entry = join(nodeModules, leg.suite, 'dist/index.js');
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const args = [entry, 'server', '--url', url, ...leg.args, '--output-dir', folder];
    const run = await runSuite(args);
    const scenarios = readScenarios(folder).map((s) => ({ ...s, problems: judge(s) }));
    const problems = scenarios.flatMap((s) => s.problems);
    if (run.code !== 0) problems.push(`the suite ended with ${run.code}`);
    if (scenarios.length !== leg.scenarios) {
      problems.push(`${scenarios.length} scenarios were run instead of ${leg.scenarios}`);
    }
    const scored = leg.scored && score(scenarios, readRequired(nodeModules, leg.revision));
    if (scored && (scored.passed !== leg.scored || scored.required !== leg.scored)) {
      problems.push(
        `${scored.passed} of ${scored.required} scored scenarios passed instead of ` +
          `${leg.scored} of ${leg.scored}`,
      );
    }
    return { leg, scenarios, scored, problems, output: run.output };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runSuite(args) {
  return new Promise((resolve, reject) => {
    const run = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
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

// The suite writes one folder per scenario: server-NAME-TIMESTAMP/checks.json. A scenario that ran
// into the suite's own timeout has no file.
function readScenarios(folder) {
  return readdirSync(folder).map((entry) => {
    const name = entry.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
    const files = readdirSync(join(folder, entry));
    const text = files.includes('checks.json')
      ? readFileSync(join(folder, entry, 'checks.json'), 'utf8')
      : '[]';
    return { name, checks: JSON.parse(text) };
  });
}

// Returns what is wrong with a scenario. A warning is a failure: it is something that the server
// should do.
function judge({ name, checks }) {
  const problems = checks
    .filter((c) => c.status === 'FAILURE' || c.status === 'WARNING')
    .map((c) => `${name}:${c.id} ${c.status}: ${c.errorMessage ?? ''}`);
  const skipped = !checks.some((c) => c.status === 'SUCCESS' && c.id !== 'wire-schema-valid');
  if (problems.length === 0 && skipped && !MAY_BE_SKIPPED.has(name)) {
    problems.push(`${name} succeeded in nothing`);
  }
  return problems;
}

// Reads the names under `server:` in the suite's list of what a revision requires.
function readRequired(nodeModules, revision) {
  const file = join(nodeModules, SUITE, 'requirements', `${revision}.yaml`);
  const list = readFileSync(file, 'utf8').match(/^server:\n((?:[ \t]+-.*\n)+)/m)?.[1] ?? '';
  return list.split('\n').flatMap((line) => line.match(/-\s+(\S+)/)?.[1] ?? []);
}

function score(scenarios, required) {
  const passed = scenarios.filter((s) => required.includes(s.name) && s.problems.length === 0);
  return { required: required.length, passed: passed.length };
}

// Prints the table, then every problem, then the totals; returns the exit code. `runProblems`
// belong to no leg.
function report(results, runProblems, markdown) {
  const rows = results.map(({ leg, scenarios, scored, problems }) => {
    const failed = scenarios.filter((s) => s.problems.length > 0).length;
    const succeeded = scenarios.flatMap((s) => s.checks).filter((c) => c.status === 'SUCCESS');
    return {
      cells: [
        leg.name,
        `${scenarios.length - failed} of ${scenarios.length}`,
        scored ? `${scored.passed} of ${scored.required}` : '',
        succeeded.length,
      ],
      passed: scenarios.length - failed,
      // A problem of the leg itself, such as a timeout, counts even when no scenario failed.
      failed: Math.max(failed, Math.min(problems.length, 1)),
    };
  });
  const table = [['leg', 'scenarios', 'scored', 'checks'], ...rows.map((row) => row.cells)];
  console.log(markdown ? markdownOf(table) : textOf(table));
  for (const { leg, problems, output } of results) {
    for (const problem of problems) console.log(`${leg.name}: ${problem}`);
    if (problems.length === 0) continue;
    console.log(`${leg.name}: the suite's last words:\n${tail(output, 40)}`);
  }
  for (const problem of runProblems) console.log(problem);
  const passed = rows.reduce((sum, row) => sum + row.passed, 0);
  const failed = rows.reduce((sum, row) => sum + row.failed, runProblems.length);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function textOf(table) {
  return table
    .map(([first, ...rest]) => first.padEnd(26) + rest.map((c) => String(c).padStart(11)).join(''))
    .join('\n');
}

function markdownOf([head, ...rows]) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(['---', '---:', '---:', '---:']), ...rows.map(line)].join('\n');
}

function tail(text, lines) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

await main();
