/** What a client is shown of an opened message, item by item of FETCH. */
import type { FetchItem } from '../imap/fetch.ts';
import { headerView, type MessageView } from '../view/view.ts';

/** Of a message that opens: what lists of messages show, so that it need not be opened for them. */
export interface Metadata {
  readonly size: number;
  /** IMAP; so are the next two. */
  readonly envelope: Buffer;
  readonly bodyStructure: Buffer;
  readonly body: Buffer;
  readonly header: Buffer;
}

/** Returns the bytes of memory that it takes, about. */
export function bytesOf({ envelope, bodyStructure, body, header }: Metadata): number {
  return header.length + envelope.length + bodyStructure.length + body.length + 500;
}

/** All of it is a copy: the message is large, and goes first. */
export function metadataOf(view: MessageView): Metadata {
  const { size, envelope, bodyStructure, body } = view;
  const header = Buffer.from(view.section({ part: [], kind: 'header', names: [] }));
  return {
    size,
    header,
    envelope: written(envelope),
    bodyStructure: written(bodyStructure),
    body: written(body),
  };
}

/** Tells whether an item can be shown of a message that is not opened any more. */
export function isInMetadata(item: FetchItem): boolean {
  if (item.kind === 'word') return true;
  const { part, kind } = item.section;
  return part.length === 0 && (kind === 'header' || kind === 'fields' || kind === 'notFields');
}

/** Returns the name of an item and its value, in pieces; undefined for what the server behind says. */
export function shownItem(
  item: FetchItem,
  metadata: Metadata,
  view: MessageView | undefined,
): readonly (Buffer | string)[] | undefined {
  if (item.kind === 'section') {
    const bytes = (view ?? headerView(metadata.header)).section(item.section, item.partial);
    return [`${item.label} {${bytes.length}}\r\n`, bytes];
  }
  switch (item.word) {
    case 'RFC822.SIZE':
      return [`RFC822.SIZE ${metadata.size}`];
    case 'ENVELOPE':
      return ['ENVELOPE ', metadata.envelope];
    case 'BODYSTRUCTURE':
      return ['BODYSTRUCTURE ', metadata.bodyStructure];
    case 'BODY':
      return ['BODY ', metadata.body];
    default:
      return undefined;
  }
}

function written(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
