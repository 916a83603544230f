// What the TypeScript SDK clients do with conformance-host and sysmond beside plain tool calls.
// The twin of features.py.
//
// A client is wrapped in an object with these members:
// - `modern`: which era was negotiated. `asked`: the `Asked` that answers the server's questions.
// - `listResources()`, `listTemplates()`, `listPrompts()` resolve to the lists.
// - `read(uri)`, `getPrompt(name, input)`, `call(name, input)` resolve to the result.
// - `complete(ref, name, value)` resolves to the completion.
// - `updates(uri)` subscribes and resolves to `{ next(), close() }`; `next()` resolves to the URI
//   of the next update.
// - `runTask(name, input, statuses)` resolves to the tool's result and pushes each status seen;
//   `cancelTask(name, input)` resolves to the last status of a task cancelled at once.
// - `codeOf(error)`: the code of what the SDK raises for a JSON-RPC error, else undefined.

import { ANSWER, EMAIL, SAMPLE } from './asked.mjs';
import { INVALID_PARAMS, METRIC, textOf } from './expect.mjs';

const RESOURCE_NOT_FOUND = -32002;

const WATCHED = 'test://watched-resource';
const PNG = '\x89PNG\r\n\x1a\n';
const PROMPT_REF = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };

/** Uses every feature of conformance-host; the parts are independent of each other. */
export async function hold(checks, client) {
  await useResources(checks, client);
  await usePrompts(checks, client);
  await useCompletion(checks, client);
  await answerForms(checks, client);
  await answerOthers(checks, client);
  await answerRounds(checks, client);
  await subscribe(checks, client);
  await useTasks(checks, client);
  await useAskingTasks(checks, client);
}

export async function useResources(checks, client) {
  const resources = await client.listResources();
  const wanted = ['test://static-text', 'test://static-binary', WATCHED];
  includesAll(checks, resources.map((each) => each.uri), wanted, 'resources are listed');
  const named = resources.every((each) => each.name && each.description);
  checks.that(named, 'resources are described', resources);
  const templates = (await client.listTemplates()).map((each) => each.uriTemplate);
  includesAll(checks, templates, ['test://template/{id}/data'], 'template is listed');

  const [text] = (await client.read('test://static-text')).contents;
  checks.equal(text.text, 'This is the content of the static text resource.', 'text read');
  checks.equal(text.mimeType, 'text/plain', 'type of the text');
  const [binary] = (await client.read('test://static-binary')).contents;
  checks.that(atob(binary.blob).startsWith(PNG), 'blob is a PNG image', binary);
  const [made] = (await client.read('test://template/4711/data')).contents;
  checks.equal(made.uri, 'test://template/4711/data', 'URI of what the template made');
  const filled = JSON.stringify(JSON.parse(made.text)).includes('4711');
  checks.that(filled, 'template fills its variable', made);
  const code = client.modern ? INVALID_PARAMS : RESOURCE_NOT_FOUND;
  await fails(checks, client, client.read('test://nothing-here'), code, 'unknown resource');
}

export async function usePrompts(checks, client) {
  const prompts = await client.listPrompts();
  const declared = prompts.find((each) => each.name === 'test_prompt_with_arguments');
  const names = declared?.arguments.map((each) => each.name);
  checks.equal(names, ['arg1', 'arg2'], 'arguments of the prompt');

  const [message] = (await client.getPrompt('test_simple_prompt', {})).messages;
  checks.equal(message.role, 'user', 'role of the message');
  checks.equal(message.content.text, 'This is a simple prompt for testing.', 'simple prompt');
  const input = { arg1: 'one', arg2: 'two' };
  let got = await client.getPrompt('test_prompt_with_arguments', input);
  const wanted = "Prompt with arguments: arg1='one', arg2='two'";
  checks.equal(got.messages[0].content.text, wanted, 'prompt with arguments');
  const uri = 'test://static-text';
  got = await client.getPrompt('test_prompt_with_embedded_resource', { resourceUri: uri });
  const resource = got.messages.find((each) => each.content.type === 'resource');
  checks.equal(resource?.content.resource.uri, uri, 'resource in the prompt');
  got = await client.getPrompt('test_prompt_with_image', {});
  const kinds = got.messages.map((each) => each.content.type);
  includesAll(checks, kinds, ['image'], 'prompt has an image');
  const refused = client.getPrompt('no_such_prompt', {});
  await fails(checks, client, refused, INVALID_PARAMS, 'unknown prompt');
}

export async function useCompletion(checks, client) {
  const { values } = await client.complete(PROMPT_REF, 'arg1', 'par');
  checks.equal(values, ['paris', 'park', 'party'], 'completions');
}

export async function answerForms(checks, client) {
  const { asked } = client;
  const input = { message: 'Who is there?' };
  asked.forget();
  let result = await client.call('test_elicitation', input);
  checks.success(result, 'test_elicitation');
  checks.equal(asked.forms.length, 1, 'number of forms');
  const [form] = asked.forms;
  checks.equal(form.message, 'Who is there?', 'message of the form');
  const required = [...form.requestedSchema.required].sort();
  checks.equal(required, ['email', 'username'], 'required fields of the form');
  let text = textOf(result);
  const arrived = text.startsWith('User response: ') && text.includes(EMAIL);
  checks.that(arrived, 'answer arrives', text);

  for (const action of ['decline', 'cancel']) {
    asked.action = action;
    text = textOf(await client.call('test_elicitation', input));
    const refused = text.includes(action) && !text.includes(EMAIL);
    checks.that(refused, `${action} arrives without content`, text);
  }
  asked.forget();
  text = textOf(await client.call('test_elicitation_sep1034_defaults', {}));
  const defaults = ['John Doe', '30', '95.5', 'active', 'true'];
  checks.that(defaults.every((each) => text.includes(each)), 'defaults of the form arrive', text);
  text = textOf(await client.call('test_elicitation_sep1330_enums', {}));
  checks.that(text.includes('accept'), 'form with choices is answered', text);
  const choices = Object.keys(asked.forms[1].requestedSchema.properties);
  checks.equal(choices.length, 5, 'number of choices');
}

/** The model and the roots. */
export async function answerOthers(checks, client) {
  const { asked } = client;
  asked.forget();
  const text = textOf(await client.call('test_sampling', { prompt: 'How far?' }));
  checks.equal(text, `LLM response: ${SAMPLE}`, "model's words");
  checks.equal(asked.samples.length, 1, 'number of samples');
  // From 2025-11-25 on a message may hold a list of contents.
  const content = [asked.samples[0].messages[0].content].flat()[0];
  checks.equal(content.text, 'How far?', 'what the model was asked');
  checks.success(await client.call('test_input_required_result_list_roots', {}), 'list of roots');
  checks.equal(asked.rootsCount, 1, 'times that the roots were listed');
}

/** Calls that ask several times or several questions at once, in the words of the suite. */
export async function answerRounds(checks, client) {
  const { asked } = client;
  asked.forget();
  let text = textOf(await client.call('test_input_required_result_elicitation', {}));
  checks.equal(text, `Hello, ${ANSWER}!`, 'answer after one question');
  text = textOf(await client.call('test_input_required_result_request_state', {}));
  checks.that(text.includes('state-ok'), 'state comes back', text);
  checks.equal(asked.forms.length, 2, 'forms until here');
  let result = await client.call('test_input_required_result_multi_round', {});
  checks.success(result, 'call of several rounds');
  checks.equal(asked.forms.length, 4, 'forms after two rounds');
  result = await client.call('test_input_required_result_multiple_inputs', {});
  checks.success(result, 'call with three questions');
  const seen = [asked.forms.length, asked.samples.length, asked.rootsCount];
  checks.equal(seen, [5, 1, 1], 'forms, samples and roots asked for');
  const got = await client.getPrompt('test_input_required_result_prompt', {});
  text = got.messages[0].content.text;
  checks.that(text.includes(ANSWER), 'prompt knows the answer', text);
}

export async function subscribe(checks, client) {
  const updates = await client.updates(WATCHED);
  for (let round = 0; round < 2; round += 1) {
    await client.call('test_trigger_resource_update', {});
    checks.equal(await updates.next(), WATCHED, 'URI of the update');
    const [content] = (await client.read(WATCHED)).contents;
    checks.equal(content.uri, WATCHED, 'URI read after the update');
  }
  await updates.close();
}

export async function useTasks(checks, client) {
  const statuses = [];
  const input = { seconds: 1, label: 'lovelace' };
  let result = await client.runTask('slow_compute', input, statuses);
  checks.success(result, 'slow_compute');
  checks.that(textOf(result).includes('lovelace'), 'task knows its arguments', result);
  checks.equal(statuses[0], 'working', 'first status');
  const status = await client.cancelTask('slow_compute', { seconds: 60, label: 'never' });
  checks.equal(status, 'cancelled', 'status of a cancelled task');
  result = await client.runTask('failing_job', {}, []);
  checks.that(result.isError === true, 'task of a failing tool has its result', result);
  const outcome = await client.runTask('protocol_error_job', {}, []).catch((error) => error);
  checks.that(client.codeOf(outcome), 'failed task ends with a protocol error', outcome);
}

export async function useAskingTasks(checks, client) {
  const { asked } = client;
  asked.forget();
  let statuses = [];
  let result = await client.runTask('confirm_delete', { filename: 'notes.txt' }, statuses);
  checks.success(result, 'confirm_delete');
  checks.equal(asked.forms.length, 1, 'forms of confirm_delete');
  if (client.modern) includesAll(checks, statuses, ['input_required'], 'task says that it asks');
  checks.success(await client.runTask('multi_input', {}, []), 'multi_input');
  checks.equal(asked.forms.length, 3, 'forms after multi_input');
  // The legacy era has no word for a call that becomes a task after its question.
  statuses = [];
  if (client.modern) {
    result = await client.runTask('test_tool_with_task', {}, statuses);
    includesAll(checks, statuses, ['working'], 'call becomes a task after its question');
  } else {
    result = await client.call('test_tool_with_task', {});
  }
  checks.that(textOf(result).includes(ANSWER), 'answer reaches the work', result);
}

/** Uses what sysmond offers beside its tools. */
export async function holdSysmond(checks, client) {
  const resources = (await client.listResources()).map((each) => each.uri);
  const wanted = ['alerts://current', 'config://sysmond', 'log://sysmond'];
  includesAll(checks, resources, wanted, 'resources are listed');
  const templates = (await client.listTemplates()).map((each) => each.uriTemplate);
  includesAll(checks, templates, ['metrics://{id}'], 'template is listed');
  for (const uri of [...wanted, `metrics://${METRIC}`]) {
    const { contents } = await client.read(uri);
    checks.that(contents[0]?.uri === uri, `${uri} is read`, contents);
  }
  const ref = { type: 'ref/resource', uri: 'metrics://{id}' };
  const { values } = await client.complete(ref, 'id', METRIC.slice(0, 6));
  includesAll(checks, values, [METRIC], 'metric is suggested');

  const prompts = (await client.listPrompts()).map((each) => each.name);
  includesAll(checks, prompts, ['diagnose_host', 'explain_alert'], 'prompts are listed');
  const { messages } = await client.getPrompt('diagnose_host', {});
  const attached = messages[0]?.content.resource?.uri;
  checks.equal(attached, 'alerts://current', 'what diagnose_host attaches');
  const begins = messages[1]?.content.text?.includes('system_overview');
  checks.that(begins, 'diagnose_host says where to begin', messages);

  await silenceAlert(checks, client);
  const statuses = [];
  const result = await client.runTask('watch_metric', { metric: METRIC, seconds: 2 }, statuses);
  checks.success(result, 'watch_metric');
  checks.equal(statuses[0], 'working', 'first status of watch_metric');
}

/** Declines, then agrees; who watches the alerts is told. */
async function silenceAlert(checks, client) {
  const { asked } = client;
  asked.forget();
  const { alerts } = (await client.call('list_alerts', {})).structuredContent;
  const ref = { type: 'ref/prompt', name: 'explain_alert' };
  const { values } = await client.complete(ref, 'alert', alerts[0].id);
  includesAll(checks, values, [alerts[0].id], 'alert is suggested');
  const input = { alert: alerts[0].id, minutes: 1 };
  const updates = await client.updates('alerts://current');
  asked.action = 'decline';
  let text = textOf(await client.call('silence_alert', input));
  checks.that(text.includes('declined'), 'declined silence changes nothing', text);
  checks.that(asked.forms[0].message.includes(input.alert), 'form names the alert', asked.forms);
  asked.action = 'accept';
  text = textOf(await client.call('silence_alert', input));
  checks.that(text.includes('is silenced until'), 'alert is silenced', text);
  checks.equal(await updates.next(), 'alerts://current', 'URI of the update');
  await updates.close();
}

/** Hands notifications on in their order; a wait too long rejects. */
export class Inbox {
  items = [];
  waiting = [];

  put(item) {
    if (this.waiting.length > 0) this.waiting.shift()(item);
    else this.items.push(item);
  }

  next() {
    if (this.items.length > 0) return Promise.resolve(this.items.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no update came')), 10_000);
      this.waiting.push((item) => {
        clearTimeout(timer);
        resolve(item);
      });
    });
  }
}

function includesAll(checks, seen, wanted, what) {
  checks.that(wanted.every((each) => seen.includes(each)), what, seen);
}

/** The promise must end with the JSON-RPC error `code`. */
async function fails(checks, client, promise, code, what) {
  const outcome = await promise.catch((error) => error);
  checks.equal(client.codeOf(outcome), code, `code for an ${what}`);
}
