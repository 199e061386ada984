/** Which part of a message is asked for (RFC 3501 §6.4.5, section-spec). */

export interface Section {
  /** Numbers of parts, from 1; none for the message itself. */
  readonly part: readonly number[];
  readonly kind: 'all' | 'header' | 'text' | 'mime' | 'fields' | 'notFields';
  /** Names of header fields, in any case; they only matter with the two kinds of fields. */
  readonly names: readonly string[];
}

/** `<origin.length>`, in bytes. */
export interface Partial {
  readonly origin: number;
  readonly length: number;
}
