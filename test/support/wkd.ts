// Programs that make web key directories.

import { existsSync } from 'node:fs';
import { leftOut } from './peers.ts';

/** Debian has it outside of PATH; '' where it is missing. */
export const WKS_CLIENT =
  ['/usr/lib/gnupg/gpg-wks-client', '/usr/libexec/gpg-wks-client'].find(existsSync) ?? '';

export function needsWksClient(): { skip: string | false } {
  return WKS_CLIENT === '' ? leftOut('gpg-wks-client') : { skip: false };
}
