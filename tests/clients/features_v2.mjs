// The TypeScript SDK 2 with all its features: features_v2.mjs URL SERVER.
//
// SERVER is `host` for conformance-host or `sysmond`. Tasks are a package of their own, ext-tasks.

import {
  Client,
  ProtocolError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import {
  createApplicationInputHandler,
  createTaskSessionFromClient,
  JsonRpcResponseError,
  resultFromTaskOutcome,
  TaskFailedError,
} from '@modelcontextprotocol/ext-tasks/client';

import { Asked } from './asked.mjs';
import { Checks, MODERN } from './expect.mjs';
import { hold, holdSysmond, Inbox } from './features.mjs';

const INFO = { name: 'emcp-tests', version: '1' };
const CAPABILITIES = { elicitation: { form: {} }, sampling: {}, roots: {} };
const TASKS = 'io.modelcontextprotocol/tasks';

const MISSING_CAPABILITY = -32021;

const ERRORS = [ProtocolError, JsonRpcResponseError, TaskFailedError];

async function connect(url, asked, inbox) {
  const client = new Client(INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: 'auto' },
  });
  client.setRequestHandler('elicitation/create', ({ params }) => asked.form(params));
  client.setRequestHandler('sampling/createMessage', ({ params }) => asked.sample(params));
  client.setRequestHandler('roots/list', () => asked.roots());
  client.setNotificationHandler('notifications/resources/updated', ({ params }) =>
    inbox.put(params.uri),
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** Adds tasks to a client; the package leaves the transport of its requests to the application. */
function addTasks(client, url, asked) {
  let id = 0;
  const rawDispatch = async (request, options) => {
    id += 1;
    const { method, params } = request;
    const headers = {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': MODERN,
      'Mcp-Method': method,
      'Mcp-Name': params.name ?? params.taskId,
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    const response = await fetch(url, { method: 'POST', headers, body, signal: options?.signal });
    const message = await lastMessage(response);
    return message.error
      ? { kind: 'error', error: message.error }
      : { kind: 'result', result: message.result };
  };
  return createTaskSessionFromClient(client, {
    endpointId: url,
    rawDispatch,
    v2RequestFraming: {
      protocolVersion: MODERN,
      clientInfo: INFO,
      clientCapabilities: { ...CAPABILITIES, extensions: { [TASKS]: {} } },
    },
    tools: { currentTool: () => undefined },
    onInputRequest: createApplicationInputHandler({
      elicitation: ({ params }) => asked.form(params),
      sampling: ({ params }) => asked.sample(params),
      roots: () => asked.roots(),
    }),
  });
}

/** The answer is the last event when the server chose to stream. */
async function lastMessage(response) {
  const text = await response.text();
  const streamed = response.headers.get('content-type').startsWith('text/event-stream');
  if (!streamed) return JSON.parse(text);
  const data = text.split('\n').filter((line) => line.startsWith('data: {'));
  return JSON.parse(data.at(-1).slice('data: '.length));
}

/** Adapts the SDK's client to the features. */
function adapt(client, session, asked, inbox) {
  return {
    modern: true,
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
      const subscription = await client.listen({ resourceSubscriptions: [uri] });
      return { next: () => inbox.next(), close: () => subscription.close() };
    },
    runTask: (name, input, statuses) => runTask(session, name, input, statuses),
    cancelTask: (name, input) => cancelTask(session, name, input),
    codeOf: (error) => (ERRORS.some((kind) => error instanceof kind) ? error.code : undefined),
  };
}

async function runTask(session, name, input, statuses) {
  const execution = await session.callTool(name, input);
  const onEvent = (event) => {
    if (event.type === 'task') statuses.push(event.task.status);
  };
  return resultFromTaskOutcome((await execution.settle({ onEvent })).outcome);
}

async function cancelTask(session, name, input) {
  const execution = await session.callTool(name, input);
  await execution.cancel();
  return (await execution.settle()).outcome.status;
}

/** A client that can do nothing is told what it would have to be able to do. */
async function missCapability(checks, url) {
  const client = new Client(INFO, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  for (const name of ['test_missing_capability', 'test_input_required_result_elicitation']) {
    const outcome = await client.callTool({ name, arguments: {} }).catch((error) => error);
    checks.equal(outcome.code, MISSING_CAPABILITY, `code of ${name}`);
    checks.that(outcome.data?.requiredCapabilities, `${name} says what it needs`, outcome);
  }
  await client.close();
}

async function main(url, server) {
  const checks = new Checks();
  const asked = new Asked();
  const inbox = new Inbox();
  const client = await connect(url, asked, inbox);
  checks.equal(client.getNegotiatedProtocolVersion(), MODERN, 'negotiated revision');
  const session = addTasks(client, url, asked);
  const part = server === 'host' ? hold : holdSysmond;
  await part(checks, adapt(client, session, asked, inbox));
  await session.close();
  await client.close();
  if (server === 'host') await missCapability(checks, url);
  console.log(`${checks.count} checks`);
}

await main(...process.argv.slice(2));
