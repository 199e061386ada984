/** What `exim -bP` prints of transports and other options, taken apart. */

export interface Transport {
  readonly name: string;
  readonly driver: string;
  /** Its value, or "" where it has none; undefined for an option that its driver does not have. */
  option(name: string): string | undefined;
  isSet(name: string): boolean;
}

/** Takes the answer to `-bP transports`: for each a line with its name, then its options one on a line. */
export function transportsIn(output: string): Transport[] {
  const blocks = output.split(/^(\S+) transport:\n/m).slice(1);
  const transports: Transport[] = [];
  for (let n = 0; n + 1 < blocks.length; n += 2)
    transports.push(transportOf(blocks[n] ?? '', optionsIn(blocks[n + 1] ?? '')));
  return transports;
}

function transportOf(name: string, { values, flags }: ReturnType<typeof optionsIn>): Transport {
  return {
    name,
    driver: values.get('driver') ?? '',
    option: (each) => values.get(each),
    isSet: (each) => flags.has(each),
  };
}

/** `name = value` has a value; `name` is on, and `no_name` is off. */
export function optionsIn(output: string): { values: Map<string, string>; flags: Set<string> } {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  for (const line of output.split('\n')) {
    const [, name, value] = /^(\S+) = ?(.*)$/.exec(line) ?? [];
    if (name === undefined) flags.add(line.trim());
    else values.set(name, value ?? '');
  }
  return { values, flags };
}

/** Returns the bytes of "50M", or undefined for what is only known when a message comes. */
export function bytesOf(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d+)([KMG]?)$/i.exec(text.trim()) ?? [];
  const factor = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[unit.toUpperCase()];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}

/** Returns the milliseconds of "1h30m", or undefined. */
export function millisecondsOf(text: string): number | undefined {
  if (!/^(\d+[wdhms])+$/.test(text.trim())) return undefined;
  const seconds = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1 };
  const parts = [...text.matchAll(/(\d+)([wdhms])/g)];
  return parts.reduce(
    (sum, [, n, unit]) => sum + Number(n) * seconds[unit as keyof typeof seconds] * 1000,
    0,
  );
}
