// A TypeScript SDK client: collectd_client.mjs URL modern|http|sse|websocket, with the SDK of that
// era.

import { readFileSync, statfsSync } from 'node:fs';

import * as two from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';

import { Checks, MODERN } from './expect.mjs';

const TRANSPORTS = {
  http: StreamableHTTPClientTransport,
  sse: SSEClientTransport,
  websocket: WebSocketClientTransport,
};

const TOOLS = ['list_alerts', 'list_hosts', 'list_metrics', 'list_plugins', 'query_metrics'];

const SELF = { name: 'emcp-tests', version: '1' };

async function connectModern(checks, url) {
  const client = new two.Client(SELF, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new two.StreamableHTTPClientTransport(new URL(url)));
  checks.equal(client.getNegotiatedProtocolVersion(), MODERN, 'negotiated revision');
  return client;
}

async function connectLegacy(url, kind) {
  const client = new Client(SELF);
  await client.connect(new TRANSPORTS[kind](new URL(url)));
  return client;
}

async function ask(checks, client, name, input) {
  const result = await client.callTool({ name, arguments: input });
  checks.success(result, name);
  return result.structuredContent;
}

async function listTools(checks, client) {
  const { tools } = await client.listTools();
  checks.equal(tools.map((tool) => tool.name), TOOLS, 'list of tools');
  for (const tool of tools) {
    checks.that(tool.annotations?.readOnlyHint, `${tool.name} only reads`, tool);
  }
}

async function listPages(checks, client) {
  const ids = [];
  let page = {};
  do {
    const input = { limit: 20, ...(page.next_cursor && { cursor: page.next_cursor }) };
    page = await ask(checks, client, 'list_metrics', input);
    ids.push(...page.metrics.map((metric) => metric.id));
  } while (page.next_cursor);
  checks.equal(new Set(ids).size, page.total, 'number of ids on all pages');
}

function memoryInUse() {
  const lines = readFileSync('/proc/meminfo', 'utf8').split('\n');
  const pairs = lines.map((line) => line.split(/[:\s]+/));
  const bytes = Object.fromEntries(pairs.map(([name, number]) => [name, 1024 * number]));
  const used = bytes.MemTotal - bytes.MemFree - bytes.Buffers - bytes.Cached - bytes.Slab;
  return [used, bytes.MemTotal];
}

async function queryValues(checks, client) {
  const metrics = ['load/load', 'memory/memory-used'];
  const seen = await ask(checks, client, 'query_metrics', { metrics, history: 30 });
  const [load, memory] = seen.metrics.map((metric) => metric.values);
  checks.that(load.length === 3 && load.every(({ value }) => value >= 0), 'load is a load', load);
  const [used, total] = memoryInUse();
  const close = Math.abs(memory[0].value - used) < total / 4;
  checks.that(close, 'memory in use is right', { memory, used });
  const input = { plugin: 'df', search: 'df-root/df_complex-' };
  const root = await ask(checks, client, 'list_metrics', input);
  const size = root.metrics.reduce((sum, metric) => sum + metric.values.value, 0);
  const { blocks, bsize } = statfsSync('/');
  const wanted = blocks * bsize;
  checks.that(Math.abs(size - wanted) < wanted / 10, 'size of / is right', { size, wanted });
}

async function askForHelp(checks, client) {
  const input = { metrics: ['testhost/lod/load'] };
  const result = await client.callTool({ name: 'query_metrics', arguments: input });
  checks.failure(result, 'unknown metric', ['testhost/load/load', 'list_metrics']);
  const outcome = await client.callTool({ name: 'no_such_tool', arguments: {} }).catch((e) => e);
  checks.that(outcome instanceof Error, 'unknown tool is a protocol error', outcome);
  const alerts = await ask(checks, client, 'list_alerts', { state: 'raised' });
  checks.that(alerts.alerts.some((alert) => alert.raised), 'an alert is raised', alerts);
}

async function main(url, kind) {
  const checks = new Checks();
  const client =
    kind === 'modern' ? await connectModern(checks, url) : await connectLegacy(url, kind);
  await listTools(checks, client);
  await listPages(checks, client);
  await queryValues(checks, client);
  await askForHelp(checks, client);
  await client.close();
  console.log(`${checks.count} checks`);
}

await main(...process.argv.slice(2));
