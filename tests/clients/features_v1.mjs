// The TypeScript SDK 1 with all its features: features_v1.mjs URL http|sse|websocket SERVER.
//
// SERVER is `host` for conformance-host or `sysmond`.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  McpError,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { Asked } from './asked.mjs';
import { Checks } from './expect.mjs';
import { hold, holdSysmond, Inbox } from './features.mjs';

const TRANSPORTS = {
  http: StreamableHTTPClientTransport,
  sse: SSEClientTransport,
  websocket: WebSocketClientTransport,
};

const CAPABILITIES = { elicitation: { form: {} }, sampling: {}, roots: {} };

const TERMINAL = ['completed', 'failed', 'cancelled'];

function connectable(asked, inbox) {
  const client = new Client(
    { name: 'emcp-tests', version: '1' },
    { capabilities: CAPABILITIES },
  );
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => asked.form(params));
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => asked.sample(params));
  client.setRequestHandler(ListRootsRequestSchema, () => asked.roots());
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
    inbox.put(params.uri),
  );
  return client;
}

/** Adapts the SDK's client to the features. */
function adapt(client, asked, inbox) {
  return {
    modern: false,
    asked,
    listResources: async () => (await client.listResources()).resources,
    listTemplates: async () => (await client.listResourceTemplates()).resourceTemplates,
    listPrompts: async () => (await client.listPrompts()).prompts,
    read: (uri) => client.readResource({ uri }),
    getPrompt: (name, input) => client.getPrompt({ name, arguments: input }),
    call: (name, input) => client.callTool({ name, arguments: input }),
    complete: async (ref, name, value) =>
      (await client.complete({ ref, argument: { name, value } })).completion,
    updates: async (uri) => {
      await client.subscribeResource({ uri });
      return { next: () => inbox.next(), close: () => client.unsubscribeResource({ uri }) };
    },
    runTask: (name, input, statuses) => runTask(client, { name, arguments: input }, statuses),
    cancelTask: (name, input) => cancelTask(client, { name, arguments: input }),
    codeOf: (error) => (error instanceof McpError ? error.code : undefined),
  };
}

async function runTask(client, params, statuses) {
  const { tasks } = client.experimental;
  for await (const message of tasks.callToolStream(params, undefined, { task: { ttl: 60_000 } })) {
    if (message.type === 'result') return message.result;
    if (message.type === 'error') throw message.error;
    statuses.push(message.task.status);
    // The stream would replace the result of a failed task by an error of its own.
    if (message.task.status === 'failed') {
      return tasks.getTaskResult(message.task.taskId, CallToolResultSchema);
    }
  }
  throw new Error('the stream of the task has no end');
}

async function cancelTask(client, params) {
  const { tasks } = client.experimental;
  const stream = tasks.callToolStream(params, undefined, { task: { ttl: 60_000 } });
  const { taskId } = (await stream.next()).value.task;
  await tasks.cancelTask(taskId);
  for await (const { task } of stream) {
    if (TERMINAL.includes(task.status)) return task.status;
  }
  throw new Error('the stream of the task has no end');
}

async function main(url, kind, server) {
  const checks = new Checks();
  const asked = new Asked();
  const inbox = new Inbox();
  const client = connectable(asked, inbox);
  await client.connect(new TRANSPORTS[kind](new URL(url)));
  const part = server === 'host' ? hold : holdSysmond;
  await part(checks, adapt(client, asked, inbox));
  await client.close();
  console.log(`${checks.count} checks`);
}

await main(...process.argv.slice(2));
