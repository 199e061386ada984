// What `sealdir check` finds about a next hop.

import assert from 'node:assert/strict';
import { chmod, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { findingsOf, makeCheckedSite } from '../support/checking.ts';
import { OFFERS, startNextHop } from '../support/nexthop.ts';
import { makeKey } from '../support/testkeys.ts';

test('a next hop has to be there, to speak LMTP, and to take what is accepted; then no Maildir is needed', async (t) => {
  const { certificate } = await makeKey('alice@example.com');
  const site = await makeCheckedSite({ 'alice@example.com': certificate });
  t.after(() => site.remove());
  const path = site.at('run/hop.sock');
  const store = `maildir = "${site.at('none/{local}')}"\nstate = "${site.at('run/state')}"\nforward = "lmtp:unix:${path}"`;
  await site.configure({ store });
  await rm(site.at('mail'), { recursive: true });
  const found = async () => {
    const findings = await findingsOf(site);
    return findings
      .filter(({ id }) => /^(forward|store|mailbox)-/.test(id))
      .map(({ id, what }) => `${id}: ${what}`);
  };
  assert.match((await found()).join(), /^forward-unreachable: store\.forward: lmtp:unix:.*ENOENT/);
  for (const [greeting, offers, expected] of [
    ['* OK IMAP4rev1 ready', OFFERS, /^forward-unreachable: .*does not speak LMTP: \* OK IMAP4rev1 ready$/],
    [undefined, ['SIZE 1000000'], /^forward-size: store\.forward: the next hop takes 1000000 bytes/],
    [undefined, ['SIZE 80000000'], /^$/],
    [undefined, [], /^$/],
  ] as const) {
    const hop = await startNextHop({
      path,
      offers,
      script: (step) => (step === 'greeting' ? greeting : undefined),
    });
    await chmod(path, 0o777);
    assert.match((await found()).join(), expected);
    await hop.stop();
  }
});
