// The kind of value that says where a recipient's Maildir is. See kinds.ts.

import { z } from 'zod/v3';
import { converted, type Kind, Wrong } from './kinds.ts';
import { isPath } from './listener.ts';

const NOT_A_PATH = 'is not a path';

export const maildirPath: Kind<string> = {
  name: 'path with {local}, and {domain} if wanted',
  schema: converted(z.string({ message: NOT_A_PATH }), (written) => {
    const wrong = isPath(written) ? wrongInTemplate(written) : NOT_A_PATH;
    return wrong === undefined ? written : new Wrong(wrong);
  }),
};

// %n, %d, %u, %h and so on, with Dovecot's modifiers (%Ld), or its longer form (%{user})
const OF_DOVECOT = /%(?:[\d.A-Z]*[undhs](?![a-z])|\{[^}]*\}?)/;

function wrongInTemplate(template: string): string | undefined {
  const [dovecot] = OF_DOVECOT.exec(template) ?? [];
  if (dovecot !== undefined)
    return `has "${dovecot}", as Dovecot writes it; here {local} stands for %n, {domain} for %d`;
  const fixed = template.replaceAll(/\{(?:local|domain)\}/g, '');
  const segments = template.split('/');
  if (/[{}]/.test(fixed)) return 'has a placeholder other than {local} and {domain}';
  if (!template.includes('{local}')) return 'has no {local}: all recipients would share one mailbox';
  if (segments.includes('..')) return 'leaves its directory with ".."';
  const first = segments.find((segment) => segment !== '' && segment !== '.') ?? '';
  if (first.includes('{')) return 'needs a fixed directory before its first placeholder';
  // Without a "/" or "@" between them, "a" + "bc" and "ab" + "c" would be one mailbox. No domain has an "@".
  if (segments.some((segment) => /\}[^@]*\{/.test(segment))) {
    return 'needs a "/" or an "@" between two placeholders';
  }
  return undefined;
}
