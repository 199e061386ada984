/**
 * An opened message as an IMAP client sees it: bytes in, the data of FETCH out. What comes out is what
 * Dovecot would answer about the same message in clear (README.md). Nothing is decrypted, read or written
 * here, and no bytes are refused.
 */

import { withCrlf } from './canonical.ts';
import { envelopeOf } from './envelope.ts';
import { fieldsIn } from './fields.ts';
import { countLines } from './lines.ts';
import { findParts, type Part } from './parts.ts';
import type { Partial, Section } from './section.ts';
import { sectionOf } from './sections.ts';
import { structureOf } from './structure.ts';

/**
 * What lists of messages are made from: enough to answer without the message, and small. The texts are IMAP,
 * a byte in each character (latin1), with literals where needed.
 */
export interface Summary {
  /** RFC822.SIZE */
  readonly size: number;
  /** ENVELOPE */
  readonly envelope: string;
  /** BODYSTRUCTURE */
  readonly bodyStructure: string;
}

export interface MessageView extends Summary {
  /** BODY without a section. */
  readonly body: string;
  /** The message with CRLF. */
  readonly bytes: Buffer;
  readonly parts: Part;
  /** Returns the bytes of BODY[...]<...>: slices of the message, empty for what is not there. */
  section(section: Section, partial?: Partial): Buffer;
  summary(): Summary;
}

/** `message` is not copied unless it has bare line feeds, and must not change as long as the view is used. */
export function openView(message: Buffer): MessageView {
  const bytes = withCrlf(message);
  const parts = findParts(bytes);
  let lines: ReturnType<typeof countLines> | undefined;
  const structure = (form: 'BODY' | 'BODYSTRUCTURE') => {
    lines ??= countLines(bytes, parts);
    return structureOf(bytes, parts, lines, form);
  };
  return {
    bytes,
    parts,
    size: bytes.length,
    get envelope() {
      return envelopeOf(bytes, fieldsIn(bytes, parts.header));
    },
    get bodyStructure() {
      return structure('BODYSTRUCTURE');
    },
    get body() {
      return structure('BODY');
    },
    section: (section, partial) => sectionOf(bytes, parts, section, partial),
    summary() {
      const { size, envelope, bodyStructure } = this;
      return { size, envelope, bodyStructure };
    },
  };
}
