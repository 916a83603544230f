// A server on the official TypeScript SDK 2.x: server.mjs --listen 127.0.0.1:0 [--json]
//
// One factory serves both eras, each request with a server of its own, as the SDK advises.
import { createServer } from 'node:http';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

const TOOLS = 50;
const TEXT = 'This is a simple text response for testing.';
const inputSchema = z.object({
  metric: z.string().describe('Which metric').optional(),
  points: z.number().int().min(1).max(1000).describe('How many values').optional(),
});

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

const responseMode = process.argv.includes('--json') ? 'json' : 'sse';
const handler = toNodeHandler(createMcpHandler(makeServer, { responseMode, maxSubscriptions: 16384 }));
const http = createServer((request, response) => handler(request, response));
// Peers take turns: a connection may rest for longer than the default grants.
http.keepAliveTimeout = 600_000;
http.listen(0, '127.0.0.1', 1024, () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`);
});
