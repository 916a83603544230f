// Answers of query_metrics that a live machine does not give when they are needed.

export const HOSTILE = '<img src=x onerror="document.title=1"><script>parent.stolen=1</script>';

const FROM = Date.UTC(2026, 10, 28, 12, 0, 0) / 1000;

/** A minute of CPU time with two gaps, one value alone between them. */
export function cpu() {
  const values = Array.from({ length: 60 }, (_, i) =>
    Math.round(340 + 220 * Math.sin(i / 7) + 60 * Math.sin(i * 1.7) + (i > 44 ? 120 : 0)) / 10);
  const gone = [20, 21, 22, 23, 25, 26, 27];
  const points = values.map((v, i) => ({ t: FROM + i, v: gone.includes(i) ? null : v }));
  return history('cpu.total.busy', '%', points);
}

/** An hour of traffic, large enough for a prefix before the unit. */
export function traffic() {
  const points = Array.from({ length: 360 }, (_, i) =>
    ({ t: FROM + 10 * i + 9, v: 1.6e6 - 1.59925e6 * Math.cos(i / 30) }));
  return { ...history('net.eth0.rx_bytes', 'B/s', points), window: 3600 };
}

/** A minute and a tick of the time axis at both its ends, with the shortest values beside it. */
export function toTheEdge(phase) {
  const points = Array.from({ length: 61 }, (_, i) => ({ t: FROM + phase + i, v: i % 2 }));
  return history('load.1m', '', points);
}

export function hostile() {
  return history(HOSTILE, HOSTILE, [{ t: FROM, v: 1 }, { t: FROM + 1, v: 2 }]);
}

export function unmeasured() {
  return history('mem.used', 'MiB', [{ t: FROM, v: null }, { t: FROM + 1, v: null }]);
}

/** What a tool puts into its answer. */
export function answer(structuredContent) {
  const text = JSON.stringify(structuredContent);
  return { content: [{ type: 'text', text }], structuredContent };
}

function history(metric, unit, points) {
  const [from, to] = [points[0].t, points.at(-1).t];
  const values = points.map((point) => point.v).filter((v) => v !== null);
  const avg = values.reduce((sum, v) => sum + v, 0) / values.length;
  const summary = values.length
    ? { min: Math.min(...values), max: Math.max(...values), avg, last: values.at(-1) }
    : { min: null, max: null, avg: null, last: null };
  return { metric, unit, aggregation: 'avg', window: points.length, from, to, points, summary };
}
