// What every client must see of sysmond, checked on plain JSON values. The twin of expect.py.

export const MODERN = '2026-07-28';
export const LEGACY = '2025-11-25';

export const METRIC = 'cpu.total.busy';
// One letter away from METRIC, so that the answer has something close to suggest.
export const UNKNOWN_METRIC = 'cpu.total.bsy';
export const UNKNOWN_TOOL = 'no_such_tool';

export const INVALID_PARAMS = -32602;

const TOOLS = [
  'filesystem_usage',
  'list_alerts',
  'list_metrics',
  'network_interfaces',
  'query_metrics',
  'silence_alert',
  'system_overview',
  'top_processes',
  'watch_metric',
];

/** Counts what was checked; prints each step so that a hang shows how far it came. */
export class Checks {
  count = 0;

  /** Ends the client when `holds` is false; `seen` is the value to show then. */
  that(holds, what, seen) {
    if (!holds) {
      console.log(`  FAILED: ${what}; saw ${JSON.stringify(seen)}`.slice(0, 2000));
      throw new Error(what);
    }
    this.count += 1;
    console.log(`  ${what}`);
  }

  equal(seen, wanted, what) {
    const text = JSON.stringify(wanted);
    this.that(JSON.stringify(seen) === text, `${what} is ${text}`.slice(0, 300), seen);
  }

  /** Checks one tools/list answer. The order is part of it: models see the list as it is. */
  tools(tools) {
    this.equal(tools.map((tool) => tool.name), TOOLS, 'list of tools');
    for (const tool of tools) {
      const described = tool.inputSchema?.type === 'object' && Boolean(tool.description);
      this.that(described, `${tool.name} is described`, tool);
    }
    for (const name of ['query_metrics', 'list_metrics', 'system_overview']) {
      const tool = tools.find((each) => each.name === name);
      this.that(tool.outputSchema, `${name} declares its output schema`, tool);
    }
  }

  /** Checks a query_metrics answer: a percentage measured within the last two minutes. */
  metric(result, metric = METRIC) {
    this.success(result, 'query_metrics');
    const history = result.structuredContent;
    this.equal(history.metric, metric, 'metric of the answer');
    const now = Date.now() / 1000;
    const times = history.points.map((point) => point.t);
    const recent = times.every((t) => now - 120 <= t && t <= now + 5);
    this.that(times.length > 0 && recent, 'points are of the last two minutes', { now, times });
    const ordered = times.every((t, i) => i === 0 || times[i - 1] < t);
    this.that(ordered, 'points are in order of time', times);
    const values = history.points.map((point) => point.v).filter((v) => v !== null);
    const percent = values.every((v) => typeof v === 'number' && v >= 0 && v <= 100);
    this.that(values.length > 0 && percent, 'points are percentages', values);
  }

  overview(result) {
    this.success(result, 'system_overview');
    const seen = result.structuredContent;
    this.that(seen && Object.keys(seen).length > 0, 'system_overview has members', seen);
  }

  success(result, what) {
    this.that(!result.isError, `${what} succeeds`, result);
    this.that(textOf(result), `${what} has text for clients without structure`, result);
  }

  /** Checks the answer to a number where `metric` wants a string. */
  wrongType(result) {
    this.failure(result, 'wrong argument type', ['metric', 'string']);
  }

  unknownMetric(result) {
    this.failure(result, 'unknown metric', [METRIC, 'list_metrics']);
  }

  /** Checks for a tool failure whose text holds the `words` a model needs to recover. */
  failure(result, what, words) {
    this.that(result.isError === true, `${what} is a tool failure`, result);
    const text = textOf(result);
    this.that(words.every((word) => text.includes(word)), `${what} is explained`, text);
  }

  /** Checks the progress values of a watch that lasted `total` seconds. */
  progress(steps, total) {
    this.that(steps.length >= 2, 'at least two progress notifications', steps);
    const rising = steps.every((step, i) => i === 0 || steps[i - 1] < step);
    this.that(rising, 'progress strictly increases', steps);
    this.that(steps.at(-1) <= total, `progress stays within ${total}`, steps);
  }
}

export function textOf(result) {
  const blocks = result.content ?? [];
  return blocks.filter((block) => block.type === 'text').map((block) => block.text).join('\n');
}
