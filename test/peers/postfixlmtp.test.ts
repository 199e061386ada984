// A real Postfix that hands mail to Sealdir as config/postfix says.

import { startPostfixSite } from '../support/lmtpsite.ts';
import { shortOf } from '../support/long.ts';
import { Matrix } from '../support/matrix.ts';
import { needs } from '../support/peers.ts';
import { describeLmtp } from './lmtpcases.ts';

const { skip } = needs('root', 'postfix', 'python3', 'unshare', 'openssl');
const matrix = new Matrix('postfixlmtp.test.ts');

for (const way of shortOf(['Postfix, Unix socket', 'Postfix, TCP with TLS'] as const, 1)) {
  const expected = {
    unknownAtRcpt: 'refused',
    downAtRcpt: 'told to wait',
    unknownBounce: 'given up',
    smtputf8: 'delivered',
    maxMessageSize: '50MiB',
    hasClearLine: way === 'Postfix, Unix socket',
  } as const;
  describeLmtp(() => startPostfixSite(way), way, expected, matrix, skip);
}
