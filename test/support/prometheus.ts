// A private Prometheus, started with the example of config/prometheus, and the queries of the dashboard.

import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './port.ts';
import { start } from './process.ts';
import { repositoryRoot } from './shared.ts';

export const CONFIG = join(repositoryRoot(), 'config/prometheus');

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since the epoch, and the value as text. */
  readonly value: readonly [number, string];
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

export interface Rule {
  readonly name: string;
  readonly query: string;
  readonly type: 'alerting' | 'recording';
  readonly health: string;
  readonly lastError?: string;
  readonly state?: 'firing' | 'pending' | 'inactive';
}

export interface Prometheus {
  query(expression: string): Promise<Sample[]>;
  /** `from` and `to`: seconds since the epoch. */
  queryRange(expression: string, range: { from: number; to: number; step: number }): Promise<Series[]>;
  rules(): Promise<Rule[]>;
  stop(): Promise<void>;
}

/**
 * Starts one that scrapes `target` (host:port) each second, and evaluates the rules as often. Its data is in
 * `directory`.
 */
export async function startPrometheus(directory: string, target: string): Promise<Prometheus> {
  const own = join(directory, 'prometheus');
  await mkdir(own);
  const file = join(own, 'prometheus.yml');
  await writeFile(file, everySecond(readFileSync(join(CONFIG, 'prometheus.yml'), 'utf8'), target));
  const base = `http://127.0.0.1:${await freePort()}`;
  const data = `--storage.tsdb.path=${join(own, 'data')}`;
  const listen = `--web.listen-address=${new URL(base).host}`;
  const running = await start('prometheus', [`--config.file=${file}`, data, listen, '--log.level=warn'], {
    ready: () =>
      fetch(`${base}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
  });
  const ask = async (path: string, parameters: Record<string, string> = {}) => {
    const response = await fetch(`${base}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: unknown };
    if (answer.status !== 'success') throw new Error(`${parameters.query ?? path}: ${answer.error}`);
    return answer.data;
  };
  return {
    query: async (query) => ((await ask('query', { query })) as { result: Sample[] }).result,
    async queryRange(query, { from, to, step }) {
      const range = { query, start: String(from), end: String(to), step: String(step) };
      return ((await ask('query_range', range)) as { result: Series[] }).result;
    },
    rules: async () =>
      ((await ask('rules')) as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules),
    stop: async () => void (await running.stop()),
  };
}

function everySecond(example: string, target: string): string {
  const changed = example
    .replaceAll('_interval: 15s', '_interval: 1s')
    .replaceAll(/- (\w+\.rules\.yml)/g, (_, name: string) => `- ${join(CONFIG, name)}`)
    .replace('"127.0.0.1:9464"', `"${target}"`);
  if (!changed.includes(target) || !changed.includes(CONFIG)) throw new Error('the example is not as it was');
  return changed;
}

export interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig: { readonly defaults: { readonly unit: string } };
  readonly targets: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

export interface Dashboard {
  readonly schemaVersion: number;
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string }[] };
  readonly panels: readonly (Panel & { readonly id: number })[];
}

export function dashboard(): Dashboard {
  return JSON.parse(readFileSync(join(repositoryRoot(), 'config/grafana/sealdir.json'), 'utf8')) as Dashboard;
}

/** Returns an expression with its variables replaced, as Grafana does where everything is chosen. */
export function asGrafanaAsks(expression: string, rateInterval: string): string {
  return expression.replaceAll('$__rate_interval', rateInterval).replaceAll(/\$(job|instance)\b/g, '.+');
}
