// Which RCPTs share a copy where the store is that of others: those alone whom it knows by one path.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { messageOfSize } from '../support/fixtures.ts';
import { freshKey } from '../support/freshkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { type Script, startNextHop } from '../support/nexthop.ts';
import { startSealdir } from '../support/sealdir.ts';

async function siteFor(t: TestContext, script: Script) {
  const hop = await startNextHop({ script });
  const { certificate } = await freshKey('alice@example.org');
  const sealdir = await startSealdir({
    keys: { '@example.com': certificate, 'alice@example.org': certificate },
    toml: { duplicates: '1h', store: `forward = "${hop.address}"` },
  });
  const session = await openSession(sealdir.socketPath);
  t.after(async () => {
    await session.vanish();
    await sealdir.stop();
    await hop.stop();
  });
  return { hop, session };
}

for (const size of [3000, 400_000])
  test(`two paths to one account are two copies, each of which comes once, with ${size} bytes`, async (t) => {
    let isDown = true;
    const { hop, session } = await siteFor(t, (step, line) =>
      isDown && step === 'RCPT' && line.includes('b@') ? '451 4.2.0 later' : undefined,
    );
    const message = messageOfSize(size);
    const to = [
      'a@example.com',
      'b@example.com',
      'alice+x@example.org',
      'Alice+x@example.org',
      'a@example.com',
    ];
    const codes = async () =>
      (await deliver(session, { to, message })).final.map((reply) => reply.slice(0, 3));
    assert.deepEqual(await codes(), ['250', '451', '250', '250', '250']);
    isDown = false;
    to.push('alice+y@example.org');
    assert.deepEqual(await codes(), ['250', '250', '250', '250', '250', '250']);
    assert.deepEqual(hop.taken.map(({ rcpt }) => rcpt).sort(), [
      '<a@example.com>',
      '<alice+x@example.org>',
      '<alice+y@example.org>',
      '<b@example.com>',
    ]);
  });
