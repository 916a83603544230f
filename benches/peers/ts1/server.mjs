// A server on the official TypeScript SDK 1.x: server.mjs --listen 127.0.0.1:0 [--json]
//
// It keeps sessions and answers with SSE, as the SDK does by default, or with JSON.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

const enableJsonResponse = process.argv.includes('--json');
const transports = new Map();

const TOOLS = 50;
const TEXT = 'This is a simple text response for testing.';
const inputSchema = {
  metric: z.string().describe('Which metric').optional(),
  points: z.number().int().min(1).max(1000).describe('How many values').optional(),
};

function series() {
  const points = [];
  for (let i = 0; i < 150; i++) points.push({ t: 1764300000 + 10 * i, v: 10.5 + i });
  const structuredContent = { metric: 'cpu.total.busy', points };
  const text = JSON.stringify(structuredContent);
  return { content: [{ type: 'text', text }], structuredContent };
}

function makeServer() {
  const server = new McpServer({ name: 'peer', version: '1.0' });
  const text = () => ({ content: [{ type: 'text', text: TEXT }] });
  server.registerTool('text', { description: 'Answers with a short text.', inputSchema }, text);
  const description = 'Answers with the last values of a metric.';
  server.registerTool('series', { description, inputSchema }, series);
  for (let n = 3; n <= TOOLS; n++) {
    const about = `Is tool ${n} of a daemon that has many.`;
    const name = `tool_${String(n).padStart(2, '0')}`;
    server.registerTool(name, { description: about, inputSchema }, text);
  }
  return server;
}

async function begin() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse,
    onsessioninitialized: (id) => transports.set(id, transport),
  });
  transport.onclose = () => transports.delete(transport.sessionId);
  await makeServer().connect(transport);
  return transport;
}

const http = createServer(async (request, response) => {
  const id = request.headers['mcp-session-id'];
  const transport = id === undefined ? await begin() : transports.get(id);
  if (transport === undefined) {
    response.writeHead(404).end();
    return;
  }
  await transport.handleRequest(request, response);
});
// Peers take turns: a connection may rest for longer than the default grants.
http.keepAliveTimeout = 600_000;
http.listen(0, '127.0.0.1', 1024, () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`);
});
