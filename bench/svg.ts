// Writes a small SVG: one horizontal bar in each line, its value after it, and a mark where the goal is.

import type { Bar, Chart } from './bench.ts';

const WIDTH = 760;
const LABEL_WIDTH = 250;
const VALUE_WIDTH = 150;
const ROW = 26;
const TOP = 40;

export function toSvg({ title, unit, bars }: Chart): string {
  const largest = Math.max(...bars.map((bar) => Math.max(bar.value, goalOf(bar) ?? 0)), 1e-9);
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / largest;
  const height = TOP + bars.length * ROW + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" role="img">
<title>${escapeText(title)}</title>
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="22" font-size="15" font-weight="bold">${escapeText(title)}</text>
${bars.map((bar, index) => rowOf(bar, unit, TOP + index * ROW, scale)).join('\n')}
</svg>
`;
}

function rowOf(bar: Bar, unit: string, y: number, scale: number): string {
  const { label, value, atLeast } = bar;
  const goal = goalOf(bar);
  const right = LABEL_WIDTH + value * scale;
  const text = `${format(value)} ${unit}${goal === undefined ? '' : ` (at ${atLeast === undefined ? 'most' : 'least'} ${format(goal)})`}`;
  const mark = goal === undefined ? '' : markAt(LABEL_WIDTH + goal * scale, y);
  // The text begins to the right of both the bar and the mark.
  const textAt = Math.max(right, goal === undefined ? 0 : LABEL_WIDTH + goal * scale) + 8;
  return `<text x="${LABEL_WIDTH - 8}" y="${y + 16}" text-anchor="end">${escapeText(label)}</text>
<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${(right - LABEL_WIDTH).toFixed(1)}" height="${ROW - 8}" fill="#3b6ea5"/>${mark}
<text x="${textAt.toFixed(1)}" y="${y + 16}">${escapeText(text)}</text>`;
}

function markAt(x: number, y: number): string {
  return `<path d="M${x.toFixed(1)} ${y}v${ROW - 2}" stroke="#c0392b" stroke-width="2"/>`;
}

function goalOf({ atLeast, atMost }: Bar): number | undefined {
  return atLeast ?? atMost;
}

export function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
