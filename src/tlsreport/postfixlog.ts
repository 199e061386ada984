/**
 * What Postfix's smtp(8) has sent, and how: read from its log, line by line. It names the TLS of a connection
 * when that is established (smtp_tls_loglevel = 1), and later the recipients of the message that went over
 * it. A message for which it names none went in clear.
 */
import { cipherOf, versionOf } from '../core/cipher.ts';
import type { Way } from '../core/hop.ts';
import { isLoopback } from '../core/listener.ts';
import { Counts, type Row } from './counts.ts';
import { domainOf } from './domain.ts';

/** More processes at one time no Postfix has; of more the oldest are forgotten. */
const MOST_CLIENTS = 5000;
const LONGEST_RELAY = 255;

const CLIENT = /^(.{0,80}?[^\s/]+(?:\/[^\s/[]+)*\/smtp)\[(\d{1,10})\]: (.*)$/s;
const TLS =
  /^(?:Untrusted|Trusted|Verified|Anonymous) TLS connection (?:established|reused) to (\S{1,300}): (\S{1,20}) with cipher (\S{1,100}) \(/;
const SENT =
  /^([0-9A-Za-z]{1,40}): to=<(.{0,320}?)>, (?:orig_to=<.{0,320}?>, )?relay=([^\s,]{1,300}), .{0,400}?\bstatus=sent /;
const HOST_AND_ADDRESS = /^([^[\]]+)\[([^\]]*)\](?::\d+)?$/;
/** As syslog writes it: `Nov 29 05:00:00`, or `2026-11-29T05:00:00+00:00`. */
const DATE = /^(?:([A-Z][a-z]{2} [ \d]\d) |(\d{4}-\d\d-\d\d))/;

export interface SentRow extends Omit<Row, 'last'> {
  /** The name of the server that took it. */
  readonly relay: string;
  /** The day of the last one, as the log has it. */
  readonly last: string;
}

interface Client {
  /** Of the connection that it has made last, until a message has gone over it. */
  tls: (Way & { readonly to: string }) | undefined;
  /** The message that went over it last: it has a line for each recipient. */
  sent: (Way & { readonly id: string; readonly relay: string }) | undefined;
}

export class PostfixLog {
  readonly #clients = new Map<string, Client>();
  readonly #counts = new Counts();
  readonly #days: string[] = [];
  /** Whether any line is about TLS: if none is, Postfix may just not say. */
  #saysTls = false;

  /** Takes a line without its end. */
  take(line: string): void {
    const [, before = '', pid = '', text = ''] = CLIENT.exec(line) ?? [];
    const [, relayOfTls, version = '', cipher = ''] = TLS.exec(text) ?? [];
    if (relayOfTls !== undefined) {
      this.#saysTls = true;
      const known = versionOf(version);
      const name = cipherOf(cipher, known)?.name ?? 'other';
      this.#client(pid).tls = { to: relayOfTls, version: known, cipher: name };
      return;
    }
    const [, id, recipient = '', relay = ''] = SENT.exec(text) ?? [];
    if (id !== undefined) this.#sent(this.#client(pid), { id, recipient, relay, day: dayOf(before) });
  }

  /** Those that count as in clear are `unknown` where the log never speaks of TLS. */
  get rows(): SentRow[] {
    return this.#counts.rows.map(({ last, domain, version, ...row }) => {
      const [to = '', relay = ''] = domain.split(' ');
      const isTold = version !== 'none' || this.#saysTls;
      return {
        ...row,
        domain: to,
        relay,
        version: isTold ? version : 'unknown',
        last: this.#days[last] ?? '',
      };
    });
  }

  get saysTls(): boolean {
    return this.#saysTls;
  }

  #sent(client: Client, { id, recipient, relay, day }: Delivered): void {
    const [, host = '', address = ''] = HOST_AND_ADDRESS.exec(relay) ?? [];
    if (host === '' || host.length > LONGEST_RELAY) return; // it went nowhere
    if (client.sent?.id !== id || client.sent.relay !== relay) {
      // to a filter on this machine, it went over no network
      const plain = { version: isLoopback(address) ? 'local' : 'none', cipher: 'none' };
      const { to, ...way } = client.tls ?? { to: '', ...plain };
      client.sent = { id, relay, ...(to === relay ? way : plain) };
      client.tls = undefined;
    }
    if (this.#days.at(-1) !== day) this.#days.push(day);
    const { version, cipher } = client.sent;
    const domain = `${domainOf(recipient)} ${host}`;
    this.#counts.add({ domain, version, cipher, count: 1, last: this.#days.length - 1 });
  }

  #client(pid: string): Client {
    const client = this.#clients.get(pid) ?? { tls: undefined, sent: undefined };
    this.#clients.delete(pid);
    this.#clients.set(pid, client);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > MOST_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
    return client;
  }
}

interface Delivered {
  readonly id: string;
  readonly recipient: string;
  readonly relay: string;
  readonly day: string;
}

function dayOf(start: string): string {
  const [, ofSyslog, iso] = DATE.exec(start) ?? [];
  return ofSyslog ?? iso ?? '';
}
