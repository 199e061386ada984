/**
 * Addresses of a header field (RFC 5322 §3.4) for ENVELOPE. What is no address becomes something that a
 * client can show, with the words that Dovecot has for it.
 */

import { Scanner } from './scanner.ts';

/** As in RFC 3501 §7.4.2: a group begins with a mailbox without a domain, and ends with nothing at all. */
export interface Address {
  readonly name?: string | undefined;
  readonly route?: string | undefined;
  readonly mailbox?: string | undefined;
  readonly domain?: string | undefined;
}

type Draft = { -readonly [K in keyof Address]: Address[K] };

/** Returns no more than `most`, and a few that end a group. */
export function parseAddresses(value: string, most: number): Address[] {
  return new AddressList(value, most).read();
}

class AddressList {
  readonly #scanner: Scanner;
  readonly #most: number;
  readonly #addresses: Address[] = [];

  constructor(value: string, most: number) {
    this.#scanner = new Scanner(value);
    this.#most = most;
  }

  get #isFull(): boolean {
    return this.#addresses.length >= this.#most;
  }

  read(): Address[] {
    const scanner = this.#scanner;
    if (scanner.blank() !== 'more' || this.#isFull) return [];
    for (;;) {
      this.#readAddress();
      if (this.#isFull || !scanner.sees(',')) return this.#addresses;
      scanner.at++;
      const reached = scanner.blank();
      if (reached === 'broken') this.#add({});
      if (reached !== 'more') return this.#addresses;
    }
  }

  #readAddress(): void {
    const from = this.#scanner.at;
    if (this.#readGroup()) return;
    this.#scanner.at = from;
    this.#readMailbox();
  }

  /** Tells whether there is one, which the colon decides: from then on nothing can make it another thing. */
  #readGroup(): boolean {
    const scanner = this.#scanner;
    scanner.word = '';
    if (scanner.phrase() !== 'more' || !scanner.sees(':')) return false;
    this.#addresses.push({ mailbox: scanner.word });
    scanner.at++;
    let reached = scanner.blank();
    if (reached === 'more' && !scanner.sees(';'))
      for (;;) {
        this.#readMailbox();
        if (this.#isFull || !scanner.sees(',')) break;
        scanner.at++;
        reached = scanner.blank();
        if (reached !== 'more') break;
      }
    if (scanner.sees(';')) {
      scanner.at++;
      scanner.blank();
    }
    this.#addresses.push({});
    return true;
  }

  #readMailbox(): void {
    const from = this.#scanner.at;
    const named = this.#nameAndAngle();
    if (named !== undefined) return this.#add(named);
    this.#scanner.at = from;
    this.#add(this.#addressOnly());
  }

  #add(draft: Draft): void {
    draft.mailbox ??= 'MISSING_MAILBOX';
    draft.domain ||= 'MISSING_DOMAIN';
    this.#addresses.push(draft);
  }

  /** `Name <address>`, or undefined if there is no `<` where it has to be. */
  #nameAndAngle(): Draft | undefined {
    const scanner = this.#scanner;
    scanner.word = '';
    if (scanner.phrase() !== 'more' || !scanner.sees('<')) return undefined;
    const draft: Draft = scanner.word === '' ? {} : { name: scanner.word };
    if (!this.#readAngle(draft)) draft.domain = 'SYNTAX_ERROR';
    return draft;
  }

  #readAngle(draft: Draft): boolean {
    const scanner = this.#scanner;
    scanner.at++;
    if (scanner.blank() !== 'more') return false;
    if (scanner.sees('@') && !this.#readRoute(draft)) return this.#endAngle();
    if (!scanner.sees('>')) {
      if (!this.#readLocalPart(draft)) return false;
      if (scanner.sees('@') && !this.#readDomain(draft)) return false;
    }
    return this.#endAngle();
  }

  #endAngle(): boolean {
    if (!this.#scanner.sees('>')) return false;
    this.#scanner.at++;
    return this.#scanner.blank() !== 'broken';
  }

  /** `@a,@b:`. Returns false if it is none, and then says so in place of it. */
  #readRoute(draft: Draft): boolean {
    const scanner = this.#scanner;
    scanner.word = '';
    const isRoute = this.#readHosts();
    draft.route = isRoute ? scanner.word : 'INVALID_ROUTE';
    if (!isRoute) return false;
    scanner.at++;
    return scanner.blank() === 'more';
  }

  #readHosts(): boolean {
    const scanner = this.#scanner;
    while (scanner.sees('@')) {
      scanner.word += scanner.word === '' ? '@' : ',@';
      scanner.at++;
      if (scanner.blank() !== 'more' || scanner.domain() !== 'more') return false;
      while (scanner.sees(',')) {
        scanner.at++;
        if (scanner.blank() !== 'more') return false;
      }
    }
    return scanner.sees(':');
  }

  /** `address`, `address (Name)`, or a name alone. */
  #addressOnly(): Draft {
    const scanner = this.#scanner;
    const draft: Draft = {};
    scanner.comment = '';
    const isQuoted = scanner.sees('"');
    this.#readLocalPart(draft);
    const local = scanner.word;
    const hasDomain = scanner.sees('@');
    if (hasDomain) this.#readDomain(draft);
    if (scanner.comment !== '') draft.name = scanner.comment;
    else if (!hasDomain) {
      scanner.word = '';
      scanner.phrase();
      if (scanner.word !== '') {
        draft.name = `${local} ${scanner.word}`;
        delete draft.mailbox;
      } else if (isQuoted && draft.mailbox !== undefined) {
        draft.name = draft.mailbox;
        delete draft.mailbox;
      }
    }
    return draft;
  }

  /** A quoted string, or atoms with dots in any places. Tells whether there is one. */
  #readLocalPart(draft: Draft): boolean {
    const scanner = this.#scanner;
    scanner.word = '';
    const reached = scanner.sees('"') ? scanner.quoted() : this.#dottedAtoms();
    if (reached === 'broken') return false;
    draft.mailbox = scanner.word;
    return true;
  }

  #dottedAtoms() {
    const scanner = this.#scanner;
    let reached: ReturnType<Scanner['atom']> = 'broken';
    do {
      for (; scanner.sees('.'); reached = 'more') {
        scanner.word += '.';
        scanner.at++;
        if (scanner.isAtEnd) return 'end';
      }
      if (scanner.sees('@')) return reached;
      reached = scanner.atom();
    } while (reached === 'more' && scanner.sees('.'));
    return reached;
  }

  #readDomain(draft: Draft): boolean {
    const scanner = this.#scanner;
    scanner.at++;
    scanner.word = '';
    if (scanner.blank() !== 'more' || scanner.domain() === 'broken') return false;
    draft.domain = scanner.word;
    return true;
  }
}
