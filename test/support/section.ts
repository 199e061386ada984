// Sections of FETCH as text, read by the parser of the gateway.

import type { Section } from '../../src/core/section.ts';
import { fetchOf } from '../../src/imap/fetch.ts';
import { SyntaxFault } from '../../src/imap/values.ts';

/** Returns undefined for what is no section. */
export function parseSection(text: string): Section | undefined {
  try {
    const [item] = fetchOf([Buffer.from(`1 BODY[${text}]`)]).items;
    return item?.kind === 'section' ? item.section : undefined;
  } catch (error) {
    if (error instanceof SyntaxFault) return undefined;
    throw error;
  }
}
