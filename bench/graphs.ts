// Draws graphs over time side by side: small panels with lines, their labels and last values below them.

import { escapeText, format } from './svg.ts';

export interface Line {
  readonly label: string;
  /** Seconds since the start, and a value, which may be NaN. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Graph {
  readonly title: string;
  /** As Grafana names it. */
  readonly unit: string;
  readonly seconds: number;
  readonly lines: readonly Line[];
}

const COLUMNS = 3;
const WIDTH = 300;
const PLOT = { left: 52, top: 30, width: 236, height: 96 };
const LEGEND_ROW = 14;
/** With more lines the legend has two columns. */
const LEGEND_ROWS = 4;
const COLOURS = ['#3b6ea5', '#c0392b', '#3a8f4d', '#b8860b', '#7d4fa3', '#2a9d9d', '#888888', '#d2691e'];

export function graphsToSvg(title: string, graphs: readonly Graph[]): string {
  const rows = Math.ceil(graphs.length / COLUMNS);
  const height = PLOT.top + PLOT.height + 22 + LEGEND_ROWS * LEGEND_ROW;
  const parts = graphs.map((graph, n) => {
    const [x, y] = [(n % COLUMNS) * WIDTH, 36 + Math.floor(n / COLUMNS) * height];
    return `<g transform="translate(${x} ${y})">\n${graphOf(graph)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * WIDTH} ${36 + rows * height}" font-family="sans-serif" font-size="11" role="img">
<title>${escapeText(title)}</title>
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="22" font-size="15" font-weight="bold">${escapeText(title)}</text>
${parts.join('\n')}
</svg>
`;
}

function graphOf({ title, unit, seconds, lines }: Graph): string {
  const { left, top, width, height } = PLOT;
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  const largest = Math.max(...values, 0) || 1;
  const x = (at: number) => (left + (at / seconds) * width).toFixed(1);
  const y = (value: number) => (top + height - (value / largest) * height).toFixed(1);
  const path = ({ points }: Line) =>
    points
      .filter(([, value]) => Number.isFinite(value))
      .map(([at, value], n) => `${n === 0 ? 'M' : 'L'}${x(at)} ${y(value)}`)
      .join('');
  const drawn = lines.map((line, n) => {
    const colour = COLOURS[n % COLOURS.length];
    const column = Math.floor(n / LEGEND_ROWS);
    const textX = left + column * (width / 2);
    const textY = top + height + 30 + (n % LEGEND_ROWS) * LEGEND_ROW;
    const last = line.points.findLast(([, value]) => Number.isFinite(value))?.[1];
    const text = `${line.label}${last === undefined ? '' : `: ${withUnit(last, unit)}`}`;
    return `<path d="${path(line)}" fill="none" stroke="${colour}" stroke-width="1.5"/>
<rect x="${textX}" y="${textY - 8}" width="8" height="8" fill="${colour}"/><text x="${textX + 13}" y="${textY}">${escapeText(text)}</text>`;
  });
  return `<text x="10" y="18" font-weight="bold">${escapeText(title)}</text>
<path d="M${left} ${top}h${width}M${left} ${top + height / 2}h${width}" stroke="#dddddd"/>
<path d="M${left} ${top}v${height}h${width}" fill="none" stroke="#888888"/>
<text x="${left - 4}" y="${top + 4}" text-anchor="end">${withUnit(largest, unit)}</text>
<text x="${left - 4}" y="${top + height}" text-anchor="end">0</text>
<text x="${left + width}" y="${top + height + 13}" text-anchor="end">${Math.round(seconds)} s</text>
${drawn.join('\n')}`;
}

const PREFIXES = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
  [1, ''],
  [1e-3, 'm'],
  [1e-6, 'µ'],
  [1e-9, 'n'],
] as const;

function withUnit(value: number, unit: string): string {
  const [size, prefix] = PREFIXES.find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  return `${format(value / size)} ${prefix}${UNITS[unit] ?? ''}`.trim();
}

const UNITS: Readonly<Record<string, string>> = { s: 's', bytes: 'B', Bps: 'B/s', mps: '/s', reqps: '/s' };
