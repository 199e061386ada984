/**
 * What a part is by its Content-Type, as far as the tree of parts depends on it.
 */

import { fieldNamed, type Range, unfoldedValue } from './fields.ts';
import { parseContentType } from './parameters.ts';

/** `digest` is a multipart, `overflow` a container that lies too deep to be looked into. */
export type Kind = 'text' | 'message' | 'multipart' | 'digest' | 'overflow' | 'other';

/** `range`: the first Content-Type field of the part. */
export function kindOf(bytes: Buffer, range: Range | undefined, isInDigest: boolean): Kind {
  if (range === undefined) return isInDigest ? 'message' : 'text';
  const { type, subtype } = read(bytes, range);
  const [main, sub] = [type.toLowerCase(), subtype.toLowerCase()];
  if (main === 'message' && sub === 'rfc822') return 'message';
  if (main === 'multipart' && sub !== '') return sub === 'digest' ? 'digest' : 'multipart';
  return main === 'text' ? 'text' : 'other';
}

/** Returns undefined if there is no boundary. An empty one is one. */
export function boundaryIn(bytes: Buffer, range: Range): string | undefined {
  const { parameters } = read(bytes, range);
  return parameters.find(([name]) => name.toLowerCase() === 'boundary')?.[1];
}

function read(bytes: Buffer, range: Range) {
  const field = fieldNamed(bytes, range, 'content-type');
  return parseContentType(field === undefined ? '' : unfoldedValue(bytes, field));
}
