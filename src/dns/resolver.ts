/**
 * Asks a resolver, and learns whether it has verified the answer by DNSSEC: node:dns does not say so, and
 * knows no TLSA in Node 20. Promises: an answer that does not come is a value; only what answers the question
 * is taken. A bit that came over a network is worth as much as that network.
 */
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { on, once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import {
  AUTHENTIC_DATA,
  type DecodedPacket,
  decode,
  encode,
  type Answer as PacketAnswer,
  RECURSION_DESIRED,
} from 'dns-packet';
import type { RecordType } from './record.ts';

/** `values` are as in a zone file, but names are without the final dot, and texts without quotes. */
export interface Answer {
  readonly values: readonly string[];
  /** Whether the resolver has verified the answer, also one that says that there is nothing. */
  readonly isSigned: boolean;
  /** Whether the name is another name of what has the records. */
  readonly isAlias: boolean;
}

export interface Unanswered {
  readonly why: string;
  /** `silent`: nothing came that is an answer. */
  readonly kind: 'silent' | 'failed';
}

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const DNS_PORT = 53;
const ANSWER_MS = 3000;
const ATTEMPTS = 2;
const ASKABLE = /^(?=[\x21-\x7e]{1,253}$)(?:\.|[^.]{1,63}(?:\.[^.]{1,63})*)$/;

/**
 * Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` and `[2001:db8::1]:5353`; undefined for anything else.
 */
export function parseServer(written: string): ServerAddress | undefined {
  if (isIPv6(written)) return { host: written, port: DNS_PORT };
  const [, v6, v4 = '', port = String(DNS_PORT)] =
    /^(?:\[([\da-f:.]+)\]|(\d+(?:\.\d+){3}))(?::(\d{1,5}))?$/i.exec(written) ?? [];
  const host = v6 ?? v4;
  const isGood = host !== '' && Number(port) > 0 && Number(port) <= 65535;
  return isGood ? { host, port: Number(port) } : undefined;
}

/** Returns the resolvers of this machine. */
export function systemServers(): ServerAddress[] {
  return getServers().flatMap((written) => parseServer(written) ?? []);
}

/** Returns the first resolver that answers, whatever it says, or why none does. */
export async function answering(
  servers: readonly ServerAddress[],
  domain: string,
  random: (length: number) => Buffer,
): Promise<Resolver | Unanswered> {
  const whys: string[] = [];
  for (const server of servers) {
    const resolver = new Resolver(server, random);
    const answer = await resolver.ask(domain, 'MX');
    if (!('why' in answer) || answer.kind === 'failed') return resolver;
    whys.push(answer.why);
  }
  return { why: whys.length === 0 ? 'no resolver is configured' : whys.join('; '), kind: 'silent' };
}

export class Resolver {
  readonly name: string;
  readonly #server: ServerAddress;
  readonly #random: (length: number) => Buffer;
  readonly #asked = new Map<string, Promise<Answer | Unanswered>>();

  constructor(server: ServerAddress, random: (length: number) => Buffer) {
    const { host, port } = server;
    this.name = `${isIPv6(host) ? `[${host}]` : host}${port === DNS_PORT ? '' : `:${port}`}`;
    this.#server = server;
    this.#random = random;
  }

  /** Asks once for each name and type. Never rejects. */
  ask(name: string, type: RecordType | 'SOA'): Promise<Answer | Unanswered> {
    const question = `${type} ${name}`;
    const asked = this.#asked.get(question) ?? this.#ask(name, type);
    this.#asked.set(question, asked);
    return asked;
  }

  async #ask(name: string, type: RecordType | 'SOA'): Promise<Answer | Unanswered> {
    // a PTR record may hold anything
    if (!ASKABLE.test(name)) return { why: 'its name cannot be asked for', kind: 'failed' };
    const id = this.#random(2).readUInt16BE();
    // RFC 6840 §5.7: with the bit in the question, its answer has it too
    const flags = RECURSION_DESIRED | AUTHENTIC_DATA;
    const query = encode({ type: 'query', id, flags, questions: [{ type, name }] });
    const isAnswer = (packet: DecodedPacket) => {
      const [question] = packet.questions ?? [];
      return packet.id === id && question?.type === type && question.name.toLowerCase() === name;
    };
    let why = '';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const packet = await overUdp(this.#server, query, isAnswer);
        return answerOf(packet.flag_tc ? await overTcp(this.#server, query, isAnswer) : packet, type);
      } catch (error) {
        const { code, name: kind, message } = error as NodeJS.ErrnoException;
        why = kind === 'AbortError' ? 'gives no answer' : `cannot be asked (${code ?? message})`;
      }
    }
    return { why: `the resolver ${this.name} ${why}`, kind: 'silent' };
  }
}

function answerOf(packet: DecodedPacket, type: string): Answer | Unanswered {
  // rcode is not in the types of the package
  const { rcode, answers = [] } = packet as DecodedPacket & { readonly rcode: string };
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN')
    return { why: `the resolver answers ${rcode}`, kind: 'failed' };
  return {
    values: answers.flatMap((answer) => (answer.type === type ? [inZoneForm(answer)] : [])),
    isSigned: packet.flag_ad,
    isAlias: answers.some((answer) => answer.type === 'CNAME'),
  };
}

function inZoneForm(answer: PacketAnswer): string {
  if (answer.type === 'MX') return `${answer.data.preference ?? 0} ${plain(answer.data.exchange)}`;
  if (answer.type === 'TXT') return textOf(answer.data);
  if (answer.type === 'TLSA') {
    const { usage, selector, matchingType, certificate } = answer.data;
    return `${usage} ${selector} ${matchingType} ${certificate.toString('hex')}`;
  }
  return 'data' in answer && typeof answer.data === 'string' ? plain(answer.data) : '';
}

function textOf(data: string | Buffer | readonly (string | Buffer)[]): string {
  const strings = typeof data === 'string' || Buffer.isBuffer(data) ? [data] : data;
  return strings.map((each) => (typeof each === 'string' ? each : each.toString('latin1'))).join('');
}

function plain(name: string): string {
  return name.toLowerCase().replace(/(?<=.)\.$/, '');
}

type IsAnswer = (packet: DecodedPacket) => boolean;

async function overUdp(
  { host, port }: ServerAddress,
  query: Buffer,
  isAnswer: IsAnswer,
): Promise<DecodedPacket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    socket.connect(port, host); // then nobody else is heard
    await once(socket, 'connect', { signal });
    const messages = on(socket, 'message', { signal });
    socket.send(query);
    for await (const [message] of messages) {
      const packet = decoded(message);
      if (packet !== undefined && isAnswer(packet)) return packet;
    }
    throw new Error('closed');
  } finally {
    socket.close();
  }
}

async function overTcp(
  { host, port }: ServerAddress,
  query: Buffer,
  isAnswer: IsAnswer,
): Promise<DecodedPacket> {
  const socket = connect({ port, host, signal: AbortSignal.timeout(ANSWER_MS) });
  try {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
    let received = Buffer.alloc(0);
    for await (const piece of socket) {
      received = Buffer.concat([received, piece]);
      const end = received.length < 2 ? Number.POSITIVE_INFINITY : 2 + received.readUInt16BE();
      if (received.length < end) continue;
      const packet = decoded(received.subarray(2, end));
      if (packet !== undefined && isAnswer(packet)) return packet;
      break;
    }
    throw new Error('what it sent over TCP is no answer');
  } finally {
    socket.destroy();
  }
}

/** Returns undefined for what is no message of the DNS. */
function decoded(bytes: Buffer): DecodedPacket | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}
