// Whom a server asks during a call: the person, the model and the roots. The twin of asked.py.

export const ANSWER = 'Ada';
export const EMAIL = 'ada@example.com';
export const SAMPLE = 'Ada counts to three.';
const ROOT = 'file:///srv/ada';

/** Answers every question and keeps what was asked. */
export class Asked {
  constructor() {
    this.forget();
  }

  forget() {
    this.forms = [];
    this.samples = [];
    this.rootsCount = 0;
    // What the person does with the next forms.
    this.action = 'accept';
  }

  /** Answers an elicitation/create in form mode. */
  form(params) {
    this.forms.push(params);
    if (this.action !== 'accept') return { action: this.action };
    const fields = Object.entries(params.requestedSchema.properties);
    const content = Object.fromEntries(fields.map(([name, schema]) => [name, fill(name, schema)]));
    return { action: 'accept', content };
  }

  /** Answers a sampling/createMessage. */
  sample(params) {
    this.samples.push(params);
    const content = { type: 'text', text: SAMPLE };
    return { role: 'assistant', content, model: 'test-model', stopReason: 'endTurn' };
  }

  roots() {
    this.rootsCount += 1;
    return { roots: [{ uri: ROOT, name: 'ada' }] };
  }
}

/** Picks a value for one field of a form: its default, else the first that it allows. */
function fill(name, schema) {
  if ('default' in schema) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.oneOf) return schema.oneOf[0].const;
  if (schema.type === 'array') return [schema.items.enum?.[0] ?? schema.items.anyOf[0].const];
  if (schema.type === 'boolean') return true;
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  return name === 'email' ? EMAIL : ANSWER;
}
