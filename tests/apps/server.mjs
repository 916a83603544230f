// sysmond under test, and two small clients that speak MCP to it over plain HTTP.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { LEGACY, MODERN } from '../clients/expect.mjs';

export const APP_MIME = 'text/html;profile=mcp-app';

const START_SECONDS_MAX = 30;
const CLIENT = { name: 'emcp-tests', version: '1' };
// What an MCP Apps host says about itself, in both eras.
const CAPABILITIES = { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [APP_MIME] } } };

/** Resolves once sysmond has printed its address. `stop` ends it and gives its exit code. */
export async function startServer(binary) {
  const child = spawn(binary, ['--listen', '127.0.0.1:0', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const late = AbortSignal.timeout(START_SECONDS_MAX * 1000);
  const line = await Promise.race([
    once(lines, 'line', { signal: late }),
    exited.then(([code]) => [`exit code ${code}`]),
  ]).catch(() => ['nothing in time']);
  const url = line[0].match(/^listening on (http:\S+)$/)?.[1];
  if (!url) {
    child.kill('SIGKILL');
    throw new Error(`sysmond printed no address but: ${line[0]}`);
  }
  const stop = async () => {
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    return signal ?? code;
  };
  return { url, stop };
}

/** Speaks 2026-07-28: every request says for itself who asks. */
export class ModernClient {
  name = MODERN;

  constructor(url) {
    this.url = url;
  }

  async call(method, params = {}) {
    const claims = {
      'io.modelcontextprotocol/protocolVersion': MODERN,
      'io.modelcontextprotocol/clientInfo': CLIENT,
      'io.modelcontextprotocol/clientCapabilities': CAPABILITIES,
    };
    const headers = { 'MCP-Protocol-Version': MODERN, 'Mcp-Method': method };
    const name = params.name ?? params.uri;
    if (name) headers['Mcp-Name'] = name;
    const { answer } = await post(this.url, headers, method, { ...params, _meta: claims });
    return resultOf(answer, method);
  }
}

/** Speaks 2025-11-25: a session that begins with initialize. */
export class LegacyClient {
  name = LEGACY;
  headers = {};

  constructor(url) {
    this.url = url;
  }

  async connect() {
    const params = { protocolVersion: LEGACY, capabilities: CAPABILITIES, clientInfo: CLIENT };
    const { answer, response } = await post(this.url, {}, 'initialize', params);
    resultOf(answer, 'initialize');
    this.headers = {
      'MCP-Protocol-Version': LEGACY,
      'Mcp-Session-Id': response.headers.get('mcp-session-id'),
    };
    await post(this.url, this.headers, 'notifications/initialized', undefined, true);
    return this;
  }

  async call(method, params = {}) {
    const { answer } = await post(this.url, this.headers, method, params);
    return resultOf(answer, method);
  }
}

async function post(url, headers, method, params, notification = false) {
  const message = { jsonrpc: '2.0', method, params, ...(notification ? {} : { id: 1 }) };
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify(message),
  });
  const body = await response.text();
  return { response, answer: notification ? null : answerIn(body) };
}

// A stream may carry other messages before the answer; the answer is the one with our id.
function answerIn(body) {
  if (body.startsWith('{')) return JSON.parse(body);
  const events = body.split(/\r?\n\r?\n/).map((event) =>
    event.split(/\r?\n/).filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trimStart()).join('\n'));
  const messages = events.filter(Boolean).map((data) => JSON.parse(data));
  return messages.find((message) => message.id === 1);
}

function resultOf(answer, method) {
  if (!answer?.result) throw new Error(`${method} was answered with ${JSON.stringify(answer)}`);
  return answer.result;
}
