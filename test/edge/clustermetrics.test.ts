// The sum over several processes: what adds up, and what stays when one of them has ended.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterMetrics } from '../../src/edge/clustermetrics.ts';
import { createMetrics, type Figures, type Metrics } from '../../src/edge/metrics.ts';

interface Numbers {
  connections: number;
  lostLines: number;
  free?: number;
}

function makeWorker(numbers: Numbers): Metrics {
  const metrics = createMetrics();
  metrics.watch({
    connections: () => numbers.connections,
    deliveries: () => 0,
    hopConnections: () => ({ taken: 0, idle: 0 }),
    lostLines: () => numbers.lostLines,
    isForgetful: () => false,
    oldestSeconds: () => 0,
    freeBytes: async () => numbers.free,
    minFreeBytes: () => 0,
  });
  return metrics;
}

/** As they come from another process. */
async function told(worker: Metrics): Promise<Figures> {
  return JSON.parse(JSON.stringify(await worker.figures())) as Figures;
}

function seriesValue(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  assert.ok(line !== undefined, series);
  return Number(line.slice(series.length + 1));
}

const STORED = 'sealdir_messages_total{verdict="stored"}';

test('counts and histograms of workers that have ended stay in the sums, and what they had open does not', async () => {
  const sum = new ClusterMetrics(() => 5);
  const [first, second] = [
    makeWorker({ connections: 3, lostLines: 20 }),
    makeWorker({ connections: 4, lostLines: 1 }),
  ];
  for (let n = 0; n < 7; n++) first.message('stored', 100);
  first.recipient('deferred', 'diskFull');
  first.time('fsync', 0.002);
  second.message('stored', 100);
  second.time('fsync', 0.003);
  const last = await told(first);
  const before = await sum.text([last, await told(second)], 1);
  sum.keep(last);
  const after = await sum.text([await told(second)], 0);
  const deferred = 'sealdir_recipients_total{verdict="deferred",why="diskFull"}';
  for (const text of [before, after]) {
    assert.equal(seriesValue(text, STORED), 8);
    assert.equal(seriesValue(text, deferred), 1);
    assert.equal(seriesValue(text, 'sealdir_fsync_seconds_count'), 2);
    assert.equal(seriesValue(text, 'sealdir_fsync_seconds_bucket{le="0.0025"}'), 1);
    assert.equal(seriesValue(text, 'sealdir_log_lines_lost'), 26, 'the own ones of the primary included');
  }
  assert.equal(seriesValue(before, 'sealdir_connections'), 7);
  assert.equal(seriesValue(after, 'sealdir_connections'), 4);
  assert.equal(seriesValue(before, 'sealdir_workers_silent'), 1);
  assert.equal(seriesValue(after, 'sealdir_workers_silent'), 0);
});

test('no count falls while workers come and go', async () => {
  const sum = new ClusterMetrics(() => 0);
  let workers = [0, 1].map(() => makeWorker({ connections: 0, lostLines: 0 }));
  let expected = 0;
  for (let round = 0; round < 20; round++) {
    for (const worker of workers) {
      worker.message('stored', 1);
      expected++;
    }
    const figures = await Promise.all(workers.map(told));
    assert.equal(seriesValue(await sum.text(figures, 0), STORED), expected);
    const [dying, ...others] = workers;
    assert.ok(dying !== undefined);
    sum.keep(await told(dying));
    workers = [...others, makeWorker({ connections: 0, lostLines: 0 })];
  }
});

test('what does not add up does not: room, lag and the time of the start are those of one process', async () => {
  const workers = [
    makeWorker({ connections: 0, lostLines: 0, free: 5000 }),
    makeWorker({ connections: 0, lostLines: 0, free: 4000 }),
    makeWorker({ connections: 0, lostLines: 0 }), // its file system does not answer
  ];
  const lag = 'nodejs_eventloop_lag_p99_seconds';
  const figures = await Promise.all(workers.map(told));
  for (const [n, each] of figures.entries())
    for (const { name, values } of each)
      for (const one of values) if (name === lag) one.value = n === 1 ? 7 : 0.01;
  const text = await new ClusterMetrics(() => 0).text(figures, 0);
  assert.equal(seriesValue(text, 'sealdir_store_free_bytes'), 4000);
  assert.equal(seriesValue(text, lag), 7);
  assert.ok(seriesValue(text, 'process_start_time_seconds') <= Date.now() / 1000);
  assert.equal(text.match(/^sealdir_build_info\{.*\} 1$/gm)?.length, 1);
});

test('there are no workers yet: the series of the primary alone', async () => {
  const text = await new ClusterMetrics(() => 0).text([], 0);
  assert.equal(seriesValue(text, 'sealdir_workers_replaced_total'), 0);
  assert.equal(seriesValue(text, 'sealdir_reload_refused'), 0);
});
