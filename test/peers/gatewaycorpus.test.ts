// Real messages, delivered and sealed, at the gateway, and the same in clear at Dovecot: whatever a client
// asks about them, the answers are the same.

import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { FetchMessageObject } from 'imapflow';
import { openCorpus } from '../support/corpus.ts';
import { COMPLAINTS, needsDovecot } from '../support/dovecot.ts';
import { answered, EXACT_ITEMS, peeked, STRUCTURE_ITEMS } from '../support/fetched.ts';
import { ALICE, PASSWORD, startGateway, type TestGateway } from '../support/gateway.ts';
import { connectImap as connectFlow, fetchMessage, select } from '../support/imapclient.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf } from '../support/long.ts';
import { connectImap } from '../support/rawimap.ts';
import { startSealdir } from '../support/sealdir.ts';
import { fetchValues, startOracle, type ViewOracle } from '../support/vieworacle.ts';

const { messages, skip } = openCorpus();
const corpus = shortOf(messages, 40).map(({ name, wire }) => ({ name, bytes: wire() }));
const needed = await needsDovecot('2.3');
const ITEMS = [...EXACT_ITEMS, ...STRUCTURE_ITEMS];

describe('the corpus at the gateway', { skip: needed.skip || skip, timeout: 1_200_000 }, () => {
  let gateway: TestGateway;
  let oracle: ViewOracle;
  before(async () => {
    gateway = await startGateway();
    await gateway.storeAsIs(...(await delivered(gateway.key.certificate)));
    const dir = await mkdtemp(join(tmpdir(), 'sealdir-view-'));
    oracle = await startOracle(
      dir,
      corpus.map(({ bytes }) => bytes),
    );
  });
  after(async () => {
    await oracle?.stop();
    await gateway?.stop();
  });

  test('sizes, headers, texts, parts of them, envelopes, structures and sections are those of Dovecot', async () => {
    const imap = await connectImap(gateway.port);
    await imap.login(ALICE, PASSWORD);
    assert.equal(await imap.select('INBOX'), corpus.length);
    const differences: string[] = [];
    for (const [n, { name }] of corpus.entries()) {
      const asked = ITEMS.map(peeked);
      const [theirs, ours] = await Promise.all([oracle.fetch(n + 1, asked), fetchValues(imap, n + 1, asked)]);
      for (const item of ITEMS.map(answered))
        if (ours.get(item) === undefined || ours.get(item) !== theirs.get(item))
          differences.push(`${item} of ${name}: ${ours.get(item)?.slice(0, 300)}`);
    }
    assert.deepEqual(differences, []);
    await imap.logout();
  });

  test('imapflow reads the same of them at both', async () => {
    const imap = await connectFlow(gateway.port, ALICE, PASSWORD);
    const plain = await connectFlow(oracle.port, 'view@example.com');
    for (const each of [imap, plain]) assert.equal(await select(each, 'INBOX'), corpus.length);
    const query = { envelope: true, bodyStructure: true, size: true, headers: true } as const;
    const listed = async (client: typeof imap) =>
      (await client.fetchAll('1:*', query)).sort((a, b) => a.seq - b.seq).map(comparable);
    const [ours, theirs] = [await listed(imap), await listed(plain)];
    for (const [n, { name }] of corpus.entries()) {
      assert.deepEqual(ours[n], theirs[n], name);
      const seen = await fetchMessage(imap, n + 1);
      assert.ok(seen.bytes.equals((await fetchMessage(plain, n + 1)).bytes), name);
    }
    await imap.logout();
    await plain.logout();
    assert.deepEqual(gateway.complaints, []);
    assert.doesNotMatch(gateway.dovecot.log(), COMPLAINTS);
  });
});

function comparable({ seq, envelope, bodyStructure, size, headers }: FetchMessageObject) {
  return { seq, envelope, bodyStructure, size, headers: headers?.toString('latin1') };
}

/** What Sealdir stores of the messages, in their order. */
async function delivered(certificate: Buffer): Promise<Buffer[]> {
  const server = await startSealdir({ keys: { [ALICE]: certificate } });
  try {
    const session = await openSession(server.socketPath);
    const stored: Buffer[] = [];
    for (const { name, bytes } of corpus) {
      const { final } = await deliver(session, { to: [ALICE], message: bytes });
      assert.match(final[0] ?? '', /^250/, name);
      stored.push(await server.stored(ALICE, server.outcomes().at(-1)?.file));
    }
    await session.vanish();
    return stored;
  } finally {
    await server.stop();
  }
}
