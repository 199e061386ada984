/** The lists of tags that records of text hold: `v=DKIM1; k=rsa; p=...` (RFC 6376 §3.2). */

/** Returns names with values; white space around both does not count. The first of two has it. */
export function tagsOf(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const part of text.split(';')) {
    const [, name, value = ''] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/s.exec(part) ?? [];
    if (name !== undefined && !tags.has(name)) tags.set(name, value);
  }
  return tags;
}

/** Tells whether two lists have the same tags with the same values, in whatever order. */
export function sameTags(one: string, other: string): boolean {
  const sorted = (text: string) => JSON.stringify([...tagsOf(text)].sort());
  return sorted(one) === sorted(other);
}
