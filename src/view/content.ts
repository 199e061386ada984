/**
 * The Content fields of a part (RFC 2045) that BODYSTRUCTURE has.
 */

import { type Field, unfoldedValue } from './fields.ts';
import {
  type ContentType,
  type Disposition,
  listedAtoms,
  onlyToken,
  parseContentType,
  parseDisposition,
} from './parameters.ts';

export interface PartContent {
  type?: ContentType | undefined;
  disposition?: Disposition | undefined;
  /** Content-Transfer-Encoding. Undefined also if it makes no sense. */
  encoding?: string | undefined;
  languages: readonly string[];
  id?: string;
  description?: string;
  md5?: string;
  location?: string;
}

/**
 * Returns nothing for a message that does not say that it is MIME: by a MIME-Version, or by a Content-Type.
 * A part of a multipart need not. Of fields that are there twice the first counts, but for a disposition
 * without parameters.
 */
export function contentOf(bytes: Buffer, fields: Iterable<Field>, of: 'message' | 'part'): PartContent {
  const content: PartContent = { languages: [] };
  let isMime = of === 'part';
  for (const field of fields) {
    if (field.name === 'mime-version' || field.name === 'content-type') isMime = true;
    if (!field.name.startsWith('content-')) continue;
    const value = () => unfoldedValue(bytes, field);
    switch (field.name) {
      case 'content-type':
        content.type ??= parseContentType(value());
        break;
      case 'content-disposition':
        if ((content.disposition?.parameters.length ?? 0) === 0)
          content.disposition = parseDisposition(value()) ?? content.disposition;
        break;
      case 'content-transfer-encoding':
        content.encoding ??= onlyToken(value());
        break;
      case 'content-language':
        if (content.languages.length === 0) content.languages = listedAtoms(value());
        break;
      case 'content-id':
        content.id ??= value();
        break;
      case 'content-description':
        content.description ??= value();
        break;
      case 'content-md5':
        content.md5 ??= value();
        break;
      case 'content-location':
        content.location ??= value();
        break;
    }
  }
  return isMime ? content : { languages: [] };
}
