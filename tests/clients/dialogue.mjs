// The dialogue that both TypeScript SDK clients hold with sysmond. The twin of dialogue.py.
//
// A client is wrapped in an object with these members:
// - `listTools()` resolves to the tools.
// - `call(name, arguments, options)` resolves to the tool's result; the options are the SDK's own
//   `onprogress` and `signal`.
// - `isProtocolError(error)`: whether the SDK raised it for a JSON-RPC error.

import { INVALID_PARAMS, METRIC, UNKNOWN_METRIC, UNKNOWN_TOOL } from './expect.mjs';

/** Holds the whole dialogue; the parts are independent of each other. */
export async function hold(checks, client) {
  await listTwice(checks, client);
  checks.metric(await client.call('query_metrics', { metric: METRIC }));
  checks.overview(await client.call('system_overview', {}));
  checks.wrongType(await client.call('query_metrics', { metric: 42 }));
  checks.unknownMetric(await client.call('query_metrics', { metric: UNKNOWN_METRIC }));
  await callUnknownTool(checks, client);
  await watch(checks, client);
  await cancelWatch(checks, client);
}

async function listTwice(checks, client) {
  const tools = await client.listTools();
  checks.tools(tools);
  checks.equal(await client.listTools(), tools, 'second listing');
}

async function callUnknownTool(checks, client) {
  const outcome = await client.call(UNKNOWN_TOOL, {}).catch((error) => error);
  checks.that(client.isProtocolError(outcome), 'unknown tool is a protocol error', outcome);
  checks.equal(outcome.code, INVALID_PARAMS, 'code for an unknown tool');
}

async function watch(checks, client) {
  const steps = [];
  const onprogress = ({ progress }) => steps.push(progress);
  const input = { metric: METRIC, seconds: 3 };
  const result = await client.call('watch_metric', input, { onprogress });
  checks.success(result, 'watch_metric');
  checks.progress(steps, 3);
}

/** Cancels a watch that has surely begun, then asks for something else. */
async function cancelWatch(checks, client) {
  const abort = new AbortController();
  const begun = Promise.withResolvers();
  const input = { metric: METRIC, seconds: 60 };
  const options = { onprogress: begun.resolve, signal: abort.signal };
  const ended = client.call('watch_metric', input, options).then(
    (result) => ({ result }),
    (error) => ({ error }),
  );
  const early = await Promise.race([begun.promise.then(() => null), ended]);
  checks.that(early === null, 'long watch has begun', early);
  const asked = Date.now();
  abort.abort('no longer wanted');
  checks.that((await ended).error, 'cancelled watch rejects', await ended);
  checks.metric(await client.call('query_metrics', { metric: METRIC }));
  checks.that(Date.now() - asked < 5000, 'cancelled watch holds nothing up');
}
