// The TypeScript SDK 1, which knows no modern era: ts_sdk.mjs URL http|sse|websocket.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';

import { hold } from './dialogue.mjs';
import { Checks } from './expect.mjs';

const TRANSPORTS = {
  http: StreamableHTTPClientTransport,
  sse: SSEClientTransport,
  websocket: WebSocketClientTransport,
};

/** Adapts the SDK's client to the dialogue. */
function adapt(client) {
  return {
    listTools: async () => (await client.listTools()).tools,
    call: (name, input, options) =>
      client.callTool({ name, arguments: input }, undefined, options),
    isProtocolError: (error) => error instanceof McpError,
  };
}

async function main(url, kind) {
  const checks = new Checks();
  const client = new Client({ name: 'emcp-tests', version: '1' });
  const transport = new TRANSPORTS[kind](new URL(url));
  await client.connect(transport);
  checks.that(client.getServerVersion()?.name, 'server names itself', client.getServerVersion());
  checks.equal(await client.ping(), {}, 'answer to ping');
  if (client.getServerCapabilities().logging) {
    checks.equal(await client.setLoggingLevel('warning'), {}, 'answer to logging/setLevel');
  }
  await hold(checks, adapt(client));
  if (kind === 'http') {
    checks.that(transport.sessionId, 'session has an id');
    await transport.terminateSession();
    checks.that(!transport.sessionId, 'session is terminated', transport.sessionId);
  }
  await client.close();
  console.log(`${checks.count} checks`);
}

await main(...process.argv.slice(2));
