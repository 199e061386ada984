// A real Exim, setuid and without -C as Debian runs it, that hands mail to Sealdir as config/exim says.

import { needsExim } from '../support/exim.ts';
import { startEximSite } from '../support/lmtpsite.ts';
import { isLong } from '../support/long.ts';
import { Matrix } from '../support/matrix.ts';
import { describeLmtp } from './lmtpcases.ts';

const { skip } = await needsExim();
const matrix = new Matrix('eximlmtp.test.ts');

const socket = {
  unknownAtRcpt: 'taken, bounced',
  downAtRcpt: 'taken, deferred',
  unknownBounce: 'frozen',
  smtputf8: 'bounced', // the driver lmtp does not know it
  maxMessageSize: '100MiB',
  hasClearLine: true,
} as const;
describeLmtp(() => startEximSite('Exim, Unix socket'), 'Exim, Unix socket', socket, matrix, skip);

const ways = ['Exim, TCP', 'Exim, TCP with TLS'] as const;
for (const way of isLong ? ways : []) {
  const expected = {
    ...socket,
    unknownAtRcpt: 'refused',
    downAtRcpt: 'told to wait',
    smtputf8: 'delivered',
    hasClearLine: way === 'Exim, TCP',
  } as const;
  describeLmtp(() => startEximSite(way), way, expected, matrix, skip);
}
