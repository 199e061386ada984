// The settings about how mail comes to the mail server: a part of the table in settings.ts.

import { isIP } from 'node:net';
import { z } from 'zod/v3';
import { type Kind, oneOf } from './kinds.ts';
import type { Setting } from './setting.ts';

const NOT_NETWORKS =
  'is not a list of IP addresses or networks (write it like ["127.0.0.1", "192.0.2.0/24"])';
const networks: Kind<readonly string[]> = {
  name: 'list of IP addresses or networks',
  schema: z.array(z.string({ message: NOT_NETWORKS }).refine(isNetwork, NOT_NETWORKS), {
    message: NOT_NETWORKS,
  }),
};

function isNetwork(written: string): boolean {
  const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(written) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128) && bits !== '0';
}

export const reportSettings = {
  'tls_report.domains': {
    kind: oneOf('auto', 'on', 'off'),
    default: 'auto',
    doc: 'Whether the server counts, for `sealdir tls-report`, how many messages of which sending domain came with which TLS version and cipher, or without. The counts are in a file in store.state: at most 1000 domains, no recipients, nothing older than 90 days. "auto" is on, unless log.addresses = "hash".',
    restart: true,
  },
  'tls_report.relays': {
    kind: networks,
    default: [],
    doc: 'Machines of yours that pass mail on to the mail server, such as a first MX, or 127.0.0.1 for a content filter that hands mail back to it. Of mail from them the Received field below counts, which they wrote. They have to add one to each message: else what counts is written by its sender.',
  },
} as const satisfies Record<string, Setting>;
