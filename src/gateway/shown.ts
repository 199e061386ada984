/** What a client is shown of an opened message, item by item of FETCH. */
import type { FetchItem } from '../imap/fetch.ts';
import { literalOf } from '../imap/write.ts';
import { type MessageView, openView } from '../view/view.ts';

/** Of a message that opens: what lists of messages show, so that it need not be opened for them. */
export interface Metadata {
  readonly size: number;
  /** IMAP, a byte in each character; so are the next two. */
  readonly envelope: string;
  readonly bodyStructure: string;
  readonly body: string;
  readonly header: Buffer;
}

/** Returns the bytes of memory that it takes, about. */
export function bytesOf({ envelope, bodyStructure, body, header }: Metadata): number {
  return header.length + envelope.length + bodyStructure.length + body.length + 500;
}

export function metadataOf(view: MessageView): Metadata {
  const { size, envelope, bodyStructure, body } = view;
  // a copy: the message is large, and goes first
  const header = Buffer.from(view.section({ part: [], kind: 'header', names: [] }));
  return { size, envelope, bodyStructure, body, header };
}

/** Tells whether an item can be shown of a message that is not opened any more. */
export function isInMetadata(item: FetchItem): boolean {
  if (item.kind === 'word') return true;
  const { part, kind } = item.section;
  return part.length === 0 && (kind === 'header' || kind === 'fields' || kind === 'notFields');
}

/** Returns the name of an item and its value; undefined for what the server behind says. */
export function shownItem(
  item: FetchItem,
  metadata: Metadata,
  view: MessageView | undefined,
): readonly Buffer[] | undefined {
  if (item.kind === 'section') {
    const bytes = (view ?? openView(metadata.header)).section(item.section, item.partial);
    return [Buffer.from(`${item.label} `, 'latin1'), literalOf(bytes)];
  }
  switch (item.word) {
    case 'RFC822.SIZE':
      return [written(`RFC822.SIZE ${metadata.size}`)];
    case 'ENVELOPE':
      return [written(`ENVELOPE ${metadata.envelope}`)];
    case 'BODYSTRUCTURE':
      return [written(`BODYSTRUCTURE ${metadata.bodyStructure}`)];
    case 'BODY':
      return [written(`BODY ${metadata.body}`)];
    default:
      return undefined;
  }
}

function written(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
