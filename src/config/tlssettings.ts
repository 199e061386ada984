// The settings about TLS: a part of the table in settings.ts.

import { files, hostNames, onOff, pathOrNone } from './kinds.ts';
import type { Setting } from './setting.ts';

export const lmtpTlsSettings = {
  'lmtp.require_tls': {
    kind: onOff,
    default: false,
    doc: 'Whether mail is taken over TCP only with TLS. A mail server that does not use it is told 530, and bounces: set it up first. Unix sockets never have TLS.',
    restart: true,
  },
  'lmtp.plain_beyond_loopback': {
    kind: onOff,
    default: false,
    doc: 'Whether lmtp.listen may have TCP addresses beyond the loopback on which mail can come without TLS. Only for networks that nobody else can reach: whoever can connect may store mail, and whoever listens reads it.',
    restart: true,
  },
} as const satisfies Record<string, Setting>;

export const tlsSettings = {
  'tls.certificate': {
    kind: files,
    default: [],
    doc: 'Files with certificates for TLS on TCP, each followed by those between it and its authority. There may be one for RSA and one for ECDSA: a client gets the one it can use. With one, TCP addresses of lmtp.listen offer STARTTLS. They are read again when they change.',
  },
  'tls.key': {
    kind: files,
    default: [],
    doc: 'Files with the keys of tls.certificate, in the same order, without a passphrase.',
  },
  'tls.client_ca': {
    kind: pathOrNone,
    default: '',
    doc: 'File with the authorities that sign the certificates of mail servers. With it, mail is taken over TCP only from a client with such a certificate. It is read again when it changes.',
  },
  'tls.client_names': {
    kind: hostNames,
    default: [],
    doc: 'Names of the mail servers that may deliver over TCP: one of them has to be in the certificate of a client, as a DNS name or as its CN. [] for all that tls.client_ca has signed.',
  },
} as const satisfies Record<string, Setting>;
