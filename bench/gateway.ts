// Measures the gateway: lists, large messages, logins, memory. See `about`.

import type { Bench } from './bench.ts';
import { large, largeMail } from './gateway-large.ts';
import { listedMail, listing } from './gateway-list.ts';
import { type Mail, startGatewayBed } from './gateway-site.ts';
import { logins, manyUsers } from './gateway-users.ts';
import { joinParts } from './part.ts';

/** Messages of a small mailbox. */
const SMALL = 30;

export const gateway: Bench = {
  name: 'gateway',
  about: `Measures \`sealdir gateway\` before a Dovecot, with wrapped keys of the usual cost and without TLS: 10,000 messages
of the corpus (or of 9 kB) listed for the first time, when Dovecot has no index, and at the next login; a message of
20 MB read in parts of 256 KiB, NOOP of other sessions while one of 50 MB opens; logins, beside bare scrypt; and the
memory of 100 users with three sessions each, who have listed 30 messages. Dovecot has the same messages in clear.
CPU time is that of all processes, in the kernel too.`,

  async run(bed) {
    const listed = listedMail();
    const mail: readonly Mail[][] = [listed, listed];
    const lists = await startGatewayBed(bed, 1, (user) => mail[user] ?? []);
    const [lister] = lists.users;
    if (lister === undefined) throw new Error('no user');
    const parts = [await logins(bed, lists, lister), await listing(bed, lists, lister)];
    await lists.stop();
    const reading = await startGatewayBed(bed, 2, largeMail);
    const [reader, other] = reading.users;
    if (reader === undefined || other === undefined) throw new Error('no users');
    parts.push(await large(bed, reading, [reader, other]));
    await reading.stop();
    const small = listed.slice(0, SMALL).map(({ message }) => ({ message, copies: 1 }));
    const many = await startGatewayBed(bed, bed.pick(10, 100), (user) => (user === 0 ? [] : small));
    parts.push(await manyUsers(bed, many, many.users));
    await many.stop();
    return joinParts('The gateway: parts of what the project wants at most', 'x', parts);
  },
};
