// Guesses which known name was meant by an unknown one. Returns nothing rather than a far-fetched guess.

/** Returns the most similar name. The same key in another section counts as one and a half typing errors. */
export function mostSimilar(unknown: string, known: readonly string[]): string | undefined {
  if (unknown.length > 60) return undefined;
  const key = lastPart(unknown);
  let best: string | undefined;
  let bestSlips = Math.max(1, Math.floor(key.length / 3)) + 1;
  for (const name of known) {
    const slips = Math.min(
      slipsBetween(unknown.toLowerCase(), name),
      key.toLowerCase() === lastPart(name) ? 1.5 : Number.POSITIVE_INFINITY,
    );
    if (slips >= bestSlips) continue;
    best = name;
    bestSlips = slips;
  }
  return best;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** Counts characters added, left out, changed, or swapped with their neighbour (optimal string alignment). */
function slipsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped ? (beforeLast[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
