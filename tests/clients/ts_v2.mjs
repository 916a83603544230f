// The TypeScript SDK 2: ts_v2.mjs URL. Negotiates by itself and must arrive at the modern era.

import {
  Client,
  ProtocolError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';

import { hold } from './dialogue.mjs';
import { Checks, MODERN } from './expect.mjs';

/** Adapts the SDK's client to the dialogue. */
function adapt(client) {
  return {
    // The response cache might answer the second listing without asking the server.
    listTools: async () => (await client.listTools({}, { cacheMode: 'refresh' })).tools,
    call: (name, input, options) => client.callTool({ name, arguments: input }, options),
    isProtocolError: (error) => error instanceof ProtocolError,
  };
}

async function main(url) {
  const checks = new Checks();
  const client = new Client(
    { name: 'emcp-tests', version: '1' },
    { versionNegotiation: { mode: 'auto' } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  checks.equal(client.getNegotiatedProtocolVersion(), MODERN, 'negotiated revision');
  checks.that(client.getServerVersion()?.name, 'server names itself', client.getServerVersion());
  await hold(checks, adapt(client));
  await client.close();
  console.log(`${checks.count} checks`);
}

await main(...process.argv.slice(2));
